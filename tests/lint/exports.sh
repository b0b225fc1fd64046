#!/bin/sh
# libpoold.a and libpoold.so define no global name but poold_*: no name of a program meets one of ours.
set -eu
O=${O:-build/none}
wrong=$(
	nm -g --defined-only "$O/libpoold.a" | awk 'NF == 3 && $3 !~ /^poold_/ { print "libpoold.a: " $3 }'
	nm -D --defined-only "$O/libpoold.so.0" | awk 'NF == 3 && $3 !~ /^(poold_|POOLD_)/ { print "libpoold.so.0: " $3 }'
)
[ -z "$wrong" ] || {
	echo "$wrong" >&2
	exit 1
}
# A name of each part shows that there was something to look at.
for name in poold_call poold_worker_run poold_write_str; do
	nm -g --defined-only "$O/libpoold.a" | grep -q " T $name\$"
done
