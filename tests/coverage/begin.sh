#!/bin/sh
# Prepares a folder where the Python processes of `make coverage` leave what they ran.
# usage: begin.sh FOLDER PYTHON
#
# Interpreters that have the folder on PYTHONPATH import usercustomize at their start.
set -eu
folder=$1 python=$2
root=$(cd "$(dirname "$0")/../.." && pwd)

rm -rf "$folder"
mkdir -p "$folder"
# Without coverage.py the report says that it leaves Python out.
"$python" -c 'import coverage' 2>/dev/null || exit 0
cp "$root/tests/coverage/usercustomize.py" "$folder"
# What coverage.py would warn of on standard error, tests would take for words of the worker.
cat >"$folder/coveragerc" <<END
[run]
parallel = True
data_file = $folder/data
source = $root/client/python/poold
disable_warnings = no-data-collected, module-not-imported, module-not-measured, trace-changed, already-imported
END
