#!/bin/sh
# Holds docs/ERRORS.md against the table of errors, errcode.def, as poold --help-errors prints it.
# usage: O=build/none errors.sh [--write]        --write puts the table into the document
set -eu
cd "$(dirname "$0")/../.."
poold=${O:-build/none}/poold
document=docs/ERRORS.md
begin='<!-- table: make docs -->' end='<!-- end of table -->'
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$poold" --help-errors >"$work/table"
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
	echo "$document: its table is not that of the code; make docs rewrites it"
	wrong=1
}
# A paragraph for each code in the order of the table, and for nothing else.
awk -F '`' '/^\| `/ { print $2 }' "$work/table" >"$work/codes"
awk -F '`' '/^#### / { print $2 }' "$document" | diff "$work/codes" - || {
	echo "$document: a heading #### for each code is wanted, in the order of the table"
	wrong=1
}
exit $wrong
