#!/bin/sh
# Holds docs/MONITORING.md against the table of metrics, metrics.def, as poold --help-metrics prints it.
# usage: O=build/none metrics.sh [--write]        --write puts the table into the document
set -eu
cd "$(dirname "$0")/../.."
poold=${O:-build/none}/poold
document=docs/MONITORING.md
begin='<!-- table: make docs -->' end='<!-- end of table -->'
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$poold" --help-metrics >"$work/table"
awk -v begin="$begin" -v end="$end" -v table="$work/table" -f tests/lint/put_table.awk "$document" >"$work/document" || {
	echo "$document: the lines $begin and $end are wanted, once each"
	exit 1
}
if [ "${1:-}" = --write ]; then
	cmp -s "$work/document" "$document" || cat "$work/document" >"$document"
	exit
fi
diff "$document" "$work/document" || {
	echo "$document: its table is not that of the code; make docs rewrites it"
	exit 1
}
