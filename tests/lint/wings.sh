#!/bin/sh
# The engine's two wings: what their files call of each other is what daemon/core/engine_internal.h names, and nothing else.
#
# O is the build's folder.
set -u
cd "$(dirname "$0")/../.." || exit 1
O=${O:-build/none}

if [ ! -f "$O/libcore.a" ]; then
	echo "wings.sh: there is no $O/libcore.a: build it first" >&2
	exit 1
fi
nm -g "$O/libcore.a" | awk '
BEGIN {
	split("request attempt hold place recover breaker chain leave session late", files)
	for (i in files) wing["engine_" files[i] ".o:"] = "requests"
	split("input worker scaling health eject", others)
	for (i in others) wing["engine_" others[i] ".o:"] = "workers"
	count = split("terminate finish_drain count_failure judge_result judge_error update_room start_one refill ping incident", calls)
	for (i = 1; i <= count; i++) may["requests", "engine_" calls[i]] = 1
	count = split("take_answer take_recalled take_unsent take_chunk take_hold settle_attempts take_back unpark " \
		"unbind_sessions fail_queue wants_probe early_probe", calls)
	for (i = 1; i <= count; i++) may["workers", "engine_" calls[i]] = 1
}
/:$/ { mine = wing[$1]; file = $1 }
NF == 3 { home[$3] = mine }
$1 == "U" && mine != "" { needs[mine, $2] = file }
END {
	for (need in needs) {
		split(need, part, SUBSEP)
		if (home[part[2]] == "" || home[part[2]] == part[1] || need in may) continue
		print "wings.sh: " needs[need] " the wing of " part[1] " may not call " part[2] ", which is of the other one"
		wrong = 1
	}
	exit wrong
}' >&2
