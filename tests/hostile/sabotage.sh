#!/bin/sh
# The worlds can fail: with answers lost, doubled or exchanged, runs doubled or left out of the workers' ledger, or a process left
# behind, worlds.py ends with 1 and names the promise; and a usage error is no success.
set -u
python=${PYTHON:-python3}
# shellcheck source=tests/lib/sabotage.sh
. tests/lib/sabotage.sh

expect() { # SABOTAGE PROMISE
	expect_broken "$2" "$1" "$python" tests/hostile/worlds.py --seeds 4-5
	tail -n 1 "$out" | grep -q '^[0-9]* passed, [1-9][0-9]* failed$' || fail "--sabotage $1: no world is counted as failed"
}

expect drop P1
expect double P1
expect foreign P1
expect twice P3
expect unrun P3
expect left P7

"$python" tests/hostile/worlds.py --sabotage nonsense 2>/dev/null
[ $? -eq 2 ] || fail "a usage error is not answered with 2"
