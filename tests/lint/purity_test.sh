#!/bin/sh
# purity.sh can fail: each of these faults, put into a copy of the tree, is found.
set -u
cd "$(dirname "$0")/../.." || exit 1
O=${O:-build/none}
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT

fail() {
	echo "purity_test.sh: $*" >&2
	exit 1
}

mkdir -p "$copy/tests/lint" "$copy/daemon" "$copy/build"
cp -r protocol "$copy/"
cp -r daemon/core "$copy/daemon/"
cp tests/lint/purity.sh "$copy/tests/lint/"
cp "$O/libcore.a" "$O/libproto.a" "$copy/build/" || fail "build first"
cd "$copy" || exit 1

# The file as it is now takes its place in the archive.
build() {
	object=$(basename "$1" .c).o
	${CC:-cc} -std=c17 -I. -D_GNU_SOURCE -c "$1" -o "$object" || fail "$1 does not compile"
	ar r build/libcore.a "$object"
}

is_found() { # WHAT FILE LINE SAYING: the line is put at the file's end
	cp "$2" kept
	printf '%s\n' "$3" >>"$2"
	case $3 in *\"*) ;; *) build "$2" ;; esac
	O=build sh tests/lint/purity.sh 2>said && fail "$1 is not found"
	grep -q "$4" said || fail "$1 is found as something else: $(cat said)"
	cp kept "$2"
	case $3 in *\"*) ;; *) build "$2" ;; esac
}

O=build sh tests/lint/purity.sh || fail "the tree is not clean to begin with"

is_found "a clock with its header" daemon/core/heap.c '#include <time.h>
long heap_age(void); long heap_age(void) { return (long)time(NULL); }' 'from outside: time$'
is_found "a clock declared by hand" daemon/core/heap.c 'long time(long *);
long heap_age(void); long heap_age(void) { return time(NULL); }' 'from outside: time$'
is_found "memory" daemon/core/queue.c 'void *malloc(size_t);
void *queue_more(void); void *queue_more(void) { return malloc(1); }' 'from outside: malloc$'
is_found "the loop in the core" daemon/core/pool.c '#include "daemon/io/base/loop.h"' 'pool.c may not include "daemon/io/base/loop.h"'
is_found "a header of a higher rank" daemon/core/queue.h '#include "daemon/core/pool.h"' 'queue.h may not include pool.h'
