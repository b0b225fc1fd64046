#!/bin/sh
# Holds docs/ERRORS.md and docs/RECOVERY.md against the table of errors, errcode.def, as poold --help-errors prints it.
# usage: O=build/none errors.sh [--write]        --write puts the table and the ways of its codes into the documents
set -eu
cd "$(dirname "$0")/../.."
poold=${O:-build/none}/poold
document=docs/ERRORS.md
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$poold" --help-errors >"$work/table"
awk -f tests/lint/error_paths.awk "$work/table" >"$work/paths"

# Prints a document with what stands between its marks made anew.
put() { # DOCUMENT TABLE BEGIN END
	awk -v begin="$3" -v end="$4" -v table="$2" -f tests/lint/put_table.awk "$1" || {
		echo "$1: the lines $3 and $4 are wanted, once each" >&2
		exit 1
	}
}
put docs/ERRORS.md "$work/table" '<!-- table: make docs -->' '<!-- end of table -->' >"$work/ERRORS.md"
put docs/RECOVERY.md "$work/paths" '<!-- ways of the codes: make docs -->' '<!-- end of the ways -->' >"$work/RECOVERY.md"
if [ "${1:-}" = --write ]; then
	for each in ERRORS RECOVERY; do
		cmp -s "$work/$each.md" "docs/$each.md" || cat "$work/$each.md" >"docs/$each.md"
	done
	exit
fi
wrong=0
for each in ERRORS RECOVERY; do
	diff "docs/$each.md" "$work/$each.md" || {
		echo "docs/$each.md: what it says of the codes is not what the table says; make docs rewrites it"
		wrong=1
	}
done
# A paragraph for each code in the order of the table, and for nothing else.
awk -F '`' '/^\| `/ { print $2 }' "$work/table" >"$work/codes"
awk -F '`' '/^#### / { print $2 }' "$document" | diff "$work/codes" - || {
	echo "$document: a heading #### for each code is wanted, in the order of the table"
	wrong=1
}
exit $wrong
