#!/bin/sh
# The simulator can fail: with one answer in a thousand lost, doubled or late, or the state of a session lost on its way, it ends with 1
# and names the promise; what it prints to replay a seed shows the same failure; and a seed alone runs as it does among others.
set -u
sim=${SIM:-build/none/sim/sim}
# shellcheck source=tests/lib/sabotage.sh
. tests/lib/sabotage.sh

expect() { # SABOTAGE PROMISE
	expect_broken "$2" "$1" "$sim" --seeds 1500
	said=$(grep -m 1 '^seed ' "$out")
	replay=$(sed -n 's/^  replay: //p' "$out" | head -n 1)
	$replay >"$out"
	[ $? -eq 1 ] || fail "$replay: the failure does not come again"
	grep -qF "$said" "$out" || fail "$replay: another failure than $said"
}

expect drop P1
expect double P1
expect late P2
expect stale session

"$sim" --from 5 --seeds 3 -v | grep -v passed >"$out"
for seed in 5 6 7; do
	"$sim" --seed $seed -v | grep -v passed
done | cmp -s - "$out" || fail "a seed does not run alone as it does among others"

"$sim" --seeds 1 --sabotage nonsense 2>/dev/null
[ $? -eq 64 ] || fail "a usage error is not answered with 64"
