#!/bin/sh
# docs/ARCHITECTURE.md names every file of the core and of io, between backquotes and without its ending.
set -eu
cd "$(dirname "$0")/../.."
document=docs/ARCHITECTURE.md
wrong=0 count=0
for file in daemon/core/*.c daemon/io/*/*.c; do
	name=$(basename "$file" .c)
	count=$((count + 1))
	grep -q "\`$name\`" "$document" || {
		echo "$document: $file is in no table"
		wrong=1
	}
done
[ $count -gt 100 ] || {
	echo "only $count files were found"
	wrong=1
}
exit $wrong
