#!/bin/sh
# Has systemd judge what `make install` leaves: units with no unknown key, no missing program or
# page, and an exposure of 1.7 at most; and a catalog in which the journal finds each message that has an id.
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

mkdir -p "$tree/var/lib/systemd/catalog"
journalctl --root="$tree" --update-catalog
for id in $(grep -rhoE '"[0-9a-f]{32}"' daemon | tr -d '"'); do
	journalctl --root="$tree" --dump-catalog "$id" | grep '^Subject: ' || {
		echo "the catalog does not explain $id"
		exit 1
	}
done
