#!/bin/sh
# The core is pure.  What the folders see of each other is the law of layers.py.
#
# The core calls no system and reads no clock: all that its archive needs from outside is on a short list (what sanitizers and coverage
# add apart), so a declaration by hand helps no more than an include.  O is the build's folder.
set -u
cd "$(dirname "$0")/../.." || exit 1
O=${O:-build/none}
wrong=0

complain() {
	echo "purity.sh: $*" >&2
	wrong=1
}

# --- what the archive needs (bcmp is clang's memcmp where only equality is asked) ---
allowed='bcmp|memcpy|memmove|memset|memcmp|strlen|strcmp|strncmp|__assert_fail|__stack_chk_fail|__[a-z]+_chk'
instruments='__asan_.*|__ubsan_.*|__sanitizer_.*|__sancov_.*|__gcov_.*|_GLOBAL_OFFSET_TABLE_'
core_symbols() {
	nm -g --defined-only "$O/libcore.a" | awk 'NF == 3 { print $3 }'
	nm -g --defined-only "$O/libproto.a" | awk '/:$/ { taken = $0 ~ /^errcode\.o:/ } NF == 3 && taken { print $3 }'
}

if [ ! -f "$O/libcore.a" ] || [ ! -f "$O/libproto.a" ]; then
	complain "there is no $O/libcore.a with its libproto.a: build them first"
else
	known=$(mktemp)
	core_symbols | sort -u >"$known"
	strange=$(nm -u "$O/libcore.a" | awk '$1 == "U" || $1 == "w" { print $2 }' | sort -u |
		grep -vxE "$allowed|$instruments" | grep -vxFf "$known" | paste -sd ' ')
	rm -f "$known"
	[ -z "$strange" ] || complain "the core needs from outside: $strange"
fi

# --- what the core includes ---
may='<(assert|errno|limits|signal|stdbool|stddef|stdint|string)[.]h>|"(daemon/core|protocol)/.*"'
seen=$(awk -v may="^($may)\$" '/^# *include/ && $2 !~ may { print FILENAME " may not include " $2 }' daemon/core/*.[ch])
[ -z "$seen" ] || complain "$seen"

# --- the ranks of the core's headers: each includes only lower ones ---
rank() {
	case $1 in
	alert_rise | alert_rule | batch | cause | failing | failover | forecast | heap | hist | names | outcome | outcome_code | prng | siblings | slots | table) echo 0 ;;
	alert_reading | backoff | breaker | budget | method_window | peak | share | stats) echo 1 ;;
	alert | circuit | request | window) echo 2 ;;
	policy | queue | runs | suspect | waiting | worker) echo 3 ;;
	key | recovery | session | worker_input) echo 4 ;;
	pool) echo 5 ;;
	settings) echo 6 ;;
	engine) echo 7 ;;
	engine_inspect) echo 8 ;;
	engine_internal | engine_view) echo 9 ;;
	*) echo none ;;
	esac
}

for header in daemon/core/*.h; do
	name=$(basename "$header" .h)
	mine=$(rank "$name")
	if [ "$mine" = none ]; then
		complain "$header has no rank: give it one in tests/lint/purity.sh"
		continue
	fi
	others=$(sed -n 's/^#include "daemon\/core\/\(.*\)\.h"/\1/p' "$header")
	for other in $others; do
		[ "$(rank "$other")" -lt "$mine" ] ||
			complain "$header may not include $other.h, which is not of a lower rank"
	done
done
exit $wrong
