#!/bin/sh
# pyright over the Python package, and in its strict mode over the sample program.  It is that of PATH, or else npm gets
# it.  Exit status 77: it cannot be had here.
set -u
cd "$(dirname "$0")/../.." || exit 1
place=$(pwd)/${O:-build/none}/pyright
python=python3
for each in python3 /usr/bin/python3; do
	$each -c 'import msgpack' 2>/dev/null && python=$(command -v $each) && break
done

pyright=$(command -v pyright)
if [ -z "$pyright" ]; then
	pyright=$place/node_modules/.bin/pyright
	if [ ! -x "$pyright" ]; then
		mkdir -p "$place"
		if ! npm install --no-audit --no-fund --prefix "$place" pyright@1.1.414 >"$place/log" 2>&1; then
			echo "pyright.sh: skipped: npm cannot get pyright"
			exit 77
		fi
	fi
fi
exec "$pyright" --pythonpath "$python" --project tests/types/pyrightconfig.json
