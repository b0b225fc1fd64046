#!/bin/sh
# What `make install` installs holds the paths that it was given, and not those of the `make` before it; `make uninstall`
# takes all of it away again.
# usage: O=build/none install.sh
set -eu
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
	echo "install.sh: $*" >&2
	exit 1
}

# The folder that others test stays as it is.
mkdir "$work/build"
(cd "${O:-build/none}" && cp -a daemon client protocol lib* paths poold poolctl poold-mcp "$work/build")

# The daemon as the tests use it: the other one takes long to link, and holds its paths by the same object.
export LTO=0

install_to() { # ROOT VARIABLE...
	root=$work/$1
	shift
	make --no-print-directory O="$work/build" DESTDIR="$root" "$@" install >"$work/said" 2>&1 ||
		fail "make install $*: $(cat "$work/said")"
}

default_path() { # PROGRAM
	"$1" --help | sed -n 's/.* instead of \(.*\)/\1/p'
}

pc_says() { # PC_FILE VARIABLE VALUE
	grep -qxF "$2=$3" "$1" || fail "$1 lacks $2=$3: $(cat "$1")"
}

install_to other PREFIX=/usr SYSCONFDIR=/other
[ "$(default_path "$work/other/usr/sbin/poold")" = /other/poold/poold.conf ] ||
	fail "poold reads $(default_path "$work/other/usr/sbin/poold")"
pc_says "$work/other/usr/lib/pkgconfig/libpoold.pc" prefix /usr
pc_says "$work/other/usr/lib/pkgconfig/libpoold.pc" libdir /usr/lib
pc_says "$work/other/usr/lib/pkgconfig/libpoold.pc" includedir /usr/include
[ -f "$work/other/other/poold/poold.conf" ] || fail "there is no sample in /other"
[ "$(grep -c '^  CC ' "$work/said")" -le 1 ] || fail "more than one file was compiled anew: $(cat "$work/said")"
grep -q ': ldconfig$' "$work/said" || fail "nothing names ldconfig: $(cat "$work/said")"

install_to back PREFIX=/usr/local SYSCONFDIR=/etc
[ "$(default_path "$work/back/usr/local/sbin/poold")" = /etc/poold/poold.conf ] ||
	fail "poold reads $(default_path "$work/back/usr/local/sbin/poold")"
pc_says "$work/back/usr/local/lib/pkgconfig/libpoold.pc" libdir /usr/local/lib

install_to back PREFIX=/usr/local SYSCONFDIR=/etc
! grep -q '^  [A-Z]' "$work/said" || fail "the same install again builds: $(cat "$work/said")"

for file in systemd/system/poold.service systemd/system/poold.socket sysusers.d/poold.conf tmpfiles.d/poold.conf \
	systemd/catalog/poold.catalog; do
	[ -f "$work/back/usr/lib/$file" ] || fail "there is no /usr/lib/$file"
done
make --no-print-directory O="$work/build" DESTDIR="$work/back" uninstall >"$work/said" 2>&1 || fail "$(cat "$work/said")"
left=$(find "$work/back" ! -type d)
[ "$left" = "$work/back/etc/poold/poold.conf" ] || fail "uninstall leaves: $left"

# Without DESTDIR, root rebuilds the loader's cache, if the loader searches that folder at all.
mkdir "$work/bin"
printf '#!/bin/sh\necho 0\n' >"$work/bin/id"
cat >"$work/bin/ldconfig" <<STUB
#!/bin/sh
[ "\$1" = -N ] || echo called >>$work/called
echo "$work/here/lib: (from a file)"
STUB
chmod +x "$work/bin/id" "$work/bin/ldconfig"
install_here() { # PREFIX
	PATH=$work/bin:$PATH make --no-print-directory O="$work/build" DESTDIR= PREFIX="$1" SYSCONFDIR="$1/etc" UNITDIR="$1/units" \
		SYSUSERSDIR="$1/sysusers" TMPFILESDIR="$1/tmpfiles" CATALOGDIR="$1/catalog" install >"$work/said" 2>&1 || fail "$(cat "$work/said")"
}
install_here "$work/unknown"
[ ! -e "$work/called" ] || fail "ldconfig runs for a folder that the loader does not search"
grep -q "The loader does not search $work/unknown/lib" "$work/said" || fail "nothing is said: $(cat "$work/said")"
install_here "$work/here"
[ -e "$work/called" ] || fail "ldconfig does not run: $(cat "$work/said")"
