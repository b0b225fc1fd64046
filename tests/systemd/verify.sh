#!/bin/sh
# Has systemd judge the units as `make install` leaves them: no unknown key, no missing program or
# page, and an exposure of 1.7 at most.
#
# usage: O=build/none verify.sh
set -eu
cd "$(dirname "$0")/../.."
if ! command -v systemd-analyze >/dev/null; then
	echo "skipped: systemd-analyze is not installed"
	exit 77
fi
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT

make --no-print-directory O="${O:-build/none}" DESTDIR="$tree" PREFIX=/usr install >"$tree/log" 2>&1 ||
	{
		cat "$tree/log"
		exit 1
	}
unit=$tree/usr/lib/systemd/system/poold.service
# The program is only here, below the tree.
sed -i "s|^ExecStart=|&$tree|" "$unit"

# Whether the pages that the units name are there is asked of man, where there is one.
man=yes
command -v man >/dev/null || man=no

# Without --recursive-errors=no an unknown key is a warning and the exit status 0.
MANPATH=$tree/usr/share/man: systemd-analyze verify --man=$man --recursive-errors=no "$unit" "${unit%service}socket"
systemd-analyze security --offline=true --threshold=17 "$unit" >"$tree/log" || {
	cat "$tree/log"
	exit 1
}
grep -o 'Overall exposure level.*: [0-9.]*' "$tree/log"
