#!/bin/sh
# Starts a daemon of its own with three Python workers, runs demo.py against it, and stops it again.
# usage: [POOLD_BUILD=build/none] [PYTHON=python3] demo.sh
set -eu

here=$(cd "$(dirname "$0")" && pwd)
tree=$(cd "$here/../../.." && pwd)
build=$(cd "${POOLD_BUILD:-$tree/build/none}" && pwd)
python=${PYTHON:-python3}
place=$(mktemp -d)
daemon=

stop() {
	[ -z "$daemon" ] || kill "$daemon" 2>/dev/null || :
	[ -z "$daemon" ] || wait "$daemon" || :
	rm -rf "$place"
}
trap stop EXIT
trap 'exit 1' INT TERM

cat >"$place/poold.conf" <<CONF
[daemon]
socket = $place/poold.sock
log_target = stderr

[pool python]
command = $python -m poold.worker examples.text
workers = 3
idempotent = yes
timeout = 30s
env.PYTHONPATH = $tree/client/python
CONF

echo "\$ poold -c poold.conf          # three Python workers: python3 -m poold.worker examples.text"
"$build/poold" -c "$place/poold.conf" 2>"$place/log" &
daemon=$!
tries=0
until "$build/poolctl" --socket "$place/poold.sock" health >/dev/null 2>&1; do
	tries=$((tries + 1))
	if [ $tries -gt 200 ] || ! kill -0 "$daemon" 2>/dev/null; then
		cat "$place/log"
		exit 1
	fi
	sleep 0.05
done
if ! POOLD_SOCKET=$place/poold.sock PYTHONPATH=$tree/client/python \
	"$python" "$here/demo.py" "$place/poold.sock"; then
	echo "--- the daemon's log ---"
	cat "$place/log"
	exit 1
fi

echo
echo "\$ poolctl status"
"$build/poolctl" --socket "$place/poold.sock" status
kill "$daemon"
wait "$daemon"
daemon=
echo
echo "The daemon has stopped, and all its workers with it."
