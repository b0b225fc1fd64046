# shellcheck shell=sh
# What the two tests of sabotage share, which read this file: a program of tests that has a fault built in must end with 1 and name
# the promise that it saw broken.  Its output is then in $out.
out=$(mktemp)
trap 'rm -f "$out"' EXIT

fail() {
	echo "sabotage.sh: $*" >&2
	exit 1
}

expect_broken() { # PROMISE SABOTAGE PROGRAM [ARGUMENT...]
	promise=$1 sabotage=$2
	shift 2
	"$@" --sabotage "$sabotage" >"$out"
	[ $? -eq 1 ] || fail "--sabotage $sabotage was not noticed"
	grep -q "^seed [0-9]*: $promise: " "$out" || fail "--sabotage $sabotage broke another promise than $promise"
}
