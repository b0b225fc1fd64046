#!/bin/sh
# .ci/deps installs nothing behind anybody's back: it names the command, and without root and without consent it ends there.
set -u
cd "$(dirname "$0")/../.." || exit 1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
	echo "deps.sh: $*" >&2
	exit 1
}

# A system without any of the packages, on which programs note how they were called.
stand_in() { # NAME COMMAND
	printf '#!/bin/sh\n%s\n' "$2" >"$work/$1"
	chmod +x "$work/$1"
}
stand_in id "echo \${FAKE_UID}"
stand_in dpkg-query 'exit 1'
stand_in sudo "echo \"sudo \$*\" >>$work/called"
stand_in apt-get "echo \"apt-get \$*\" >>$work/called"
deps() { # UID [VARIABLE=VALUE]
	: >"$work/called"
	env -u POOLD_INSTALL PATH="$work:$PATH" FAKE_UID="$1" ${2:+"$2"} .ci/deps git </dev/null >"$work/said" 2>&1
}
command='apt-get install -y -q --no-install-recommends git ca-certificates'

deps 1000 && fail "without consent it says that all is well"
grep -qF "sudo $command" "$work/said" || fail "without consent it does not name the command: $(cat "$work/said")"
[ ! -s "$work/called" ] || fail "without consent it runs $(cat "$work/called")"

deps 1000 POOLD_INSTALL=yes || fail "with consent: $(cat "$work/said")"
grep -qF "sudo $command" "$work/said" || fail "with consent it does not name the command: $(cat "$work/said")"
grep -q "^sudo .*$command" "$work/called" || fail "with consent it does not install"

deps 0 || fail "as root: $(cat "$work/said")"
grep -qF "$command" "$work/said" || fail "as root it does not name the command: $(cat "$work/said")"
grep -qxF "$command" "$work/called" || fail "as root it does not install"
