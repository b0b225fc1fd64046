#!/bin/sh
# Runs one fuzzer for so many seconds from the corpus that is kept, and what earlier runs found.
#   run.sh FUZZER BUILD SECONDS
fuzzer=$1 build=$2 seconds=$3
name=${fuzzer##*/fuzz_}
found=$build/corpus/$name kept=tests/fuzz/corpus/$name

mkdir -p "$found"
set -- "$found"
[ ! -d "$kept" ] || set -- "$found" "$kept"
exec "$fuzzer" -max_total_time="$seconds" -rss_limit_mb=2048 -artifact_prefix="$build/" "$@"
