#!/bin/sh
# The manuals keep their quotes when they are rendered, and are installed with the date of their last commit.
set -eu
cd "$(dirname "$0")/../.."
faults=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# In a line of a macro a quote groups words, and is not printed: one that is to be printed is \(dq.
if grep -nE '^\.[A-Z][a-z].*([^ ]"|"[^ ]*[^ "]*[{}:])' docs/man/*.[1-8] | grep -vE '"[^"]+"( |$)'; then
	echo "manuals.sh: these quotes are lost when the manual is rendered: write \\(dq" >&2
	faults=1
fi

for page in docs/man/*.[1-8]; do
	epoch=$(git -c safe.directory='*' log -1 --no-merges --format=%at -- "$page" 2>/dev/null || :)
	[ -n "$epoch" ] || continue
	wanted=$(LC_ALL=C date -u -d "@$epoch" '+.Dd %B %-d, %Y')
	make -s --no-print-directory man-page PAGE="$page" >"$work/page"
	grep -qxF "$wanted" "$work/page" || {
		echo "manuals.sh: $page is not installed with the date of its commit: $wanted" >&2
		faults=1
	}
done
exit $faults
