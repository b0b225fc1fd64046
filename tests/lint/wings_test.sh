#!/bin/sh
# wings.sh can fail: a call from one wing into the other, put into a copy of the archive, is found.
set -u
cd "$(dirname "$0")/../.." || exit 1
O=${O:-build/none}
lint=$PWD/tests/lint
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT

fail() {
	echo "wings_test.sh: $*" >&2
	exit 1
}

mkdir -p "$copy/tests/lint" "$copy/build"
cp "$lint/wings.sh" "$copy/tests/lint/"
cp "$O/libcore.a" "$copy/build/" || fail "build first"
cd "$copy" || exit 1

is_found() { # FILE CALLED: an object of that name that calls it takes the place of the true one
	cp build/libcore.a kept
	printf 'void %s(void); void planted(void); void planted(void) { %s(); }\n' "$2" "$2" >"$1.c"
	${CC:-cc} -c "$1.c" -o "$1.o" || fail "$1 does not compile"
	ar r build/libcore.a "$1.o" || fail "$1 could not be put into the archive"
	O=build sh tests/lint/wings.sh 2>said && fail "a call of $2 in $1 is not found"
	grep -q "$1.o: .* may not call $2," said || fail "it is found as something else: $(cat said)"
	cp kept build/libcore.a
}

O=build sh tests/lint/wings.sh || fail "the tree is not clean to begin with"
is_found engine_chain engine_kill
is_found engine_scaling engine_place
