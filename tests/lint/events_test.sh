#!/bin/sh
# One planted fault for each rule of events.sh, so that it is known to fail.
# usage: events_test.sh
set -eu
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/tests" "$work/daemon" "$work/protocol" "$work/systemd"
cp -r tests/lint "$work/tests/lint"
cp -r daemon/io "$work/daemon/io"
cp protocol/PROTOCOL.md "$work/protocol/"
cp systemd/poold.catalog "$work/systemd/"

lint() {
	sh "$work/tests/lint/events.sh" >"$work/out" 2>&1
}

# must_fail WHAT FILE SED-SCRIPT WORDS: the lint finds that fault, and says these words.
must_fail() {
	cp "$work/$2" "$work/kept"
	sed -i "$3" "$work/$2"
	if lint || ! grep -q "$4" "$work/out"; then
		echo "events.sh does not find $1"
		exit 1
	fi
	cp "$work/kept" "$work/$2"
}

lint || {
	cat "$work/out"
	echo "events.sh finds a fault where there is none"
	exit 1
}
must_fail "a table that is not that of event.def" daemon/io/driver/event.def 's/would have opened/had opened/' "make docs"
must_fail "an id without an entry" systemd/poold.catalog '/^-- /{s/[0-9a-f]$/x/}' "its entries"
must_fail "an entry without an id" daemon/io/driver/event.def 's/"[0-9a-f]\{32\}"/""/' "its entries"
