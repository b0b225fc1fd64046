#!/bin/sh
# Holds the table of events in PROTOCOL.md against daemon/io/driver/event.def, and the journal's catalog against all
# message ids of the code: both must be the same.
# usage: events.sh [--write]        --write puts the table into the document
set -eu
cd "$(dirname "$0")/../.."
document=protocol/PROTOCOL.md
begin='<!-- events: make docs -->' end='<!-- end of events -->'
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

awk -f tests/lint/event_table.awk daemon/io/driver/event.def >"$work/events"
awk -F '\t' 'BEGIN { print "| kind | further keys | when |"; print "|---|---|---|" }
	{ printf "| `%s` | %s | %s |\n", $1, $4, $5 }' "$work/events" >"$work/table"
awk -v begin="$begin" -v end="$end" -v table="$work/table" -f tests/lint/put_table.awk "$document" >"$work/document" || {
	echo "$document: the lines $begin and $end are wanted, once each"
	exit 1
}
if [ "${1:-}" = --write ]; then
	cmp -s "$work/document" "$document" || cat "$work/document" >"$document"
	exit
fi
wrong=0
diff "$document" "$work/document" || {
	echo "$document: its table of events is not that of event.def; make docs rewrites it"
	wrong=1
}
# Every message id that the code has, wherever it is written.
grep -rhoE '"[0-9a-f]{32}"' daemon/io --include='*.[ch]' --include='*.def' | tr -d '"' | sort -u >"$work/ids"
sed -n 's/^-- //p' systemd/poold.catalog | sort >"$work/entries"
diff "$work/ids" "$work/entries" || {
	echo "systemd/poold.catalog: its entries (>) are not the message ids of the code (<)"
	wrong=1
}
exit $wrong
