#!/bin/sh
# Boots a real systemd over this machine's own root, with poold installed on top, and runs inside.py
# in it.
#
# The root is an overlay: what happens in there is gone afterwards. There is no network. Limits of memory
# and tasks are not enforced in there, so nothing here may test them.
#
# usage: O=build/none boot.sh [TEST...]
#   TEST  names of tests in inside.py; without any, all
# Exit status 77: the machine can't do it.
set -eu
cd "$(dirname "$0")/../.."

skip() {
	echo "skipped: $*"
	exit 77
}

# --- the second half: in a mount namespace of its own, which takes the mounts along at its end ---
if [ "${BOOT_WORK:-}" ]; then
	mount -t tmpfs tmpfs "$BOOT_WORK/disk"
	mkdir "$BOOT_WORK/disk/upper" "$BOOT_WORK/disk/work" "$BOOT_WORK/disk/root"
	root=$BOOT_WORK/disk/root
	mount -t overlay overlay "$root" \
		-o "lowerdir=/,upperdir=$BOOT_WORK/disk/upper,workdir=$BOOT_WORK/disk/work"
	# A machine of its own: another identity, no journal of the host.
	rm -rf "$root/var/log/journal"
	: >"$root/etc/machine-id"
	cp -a "$BOOT_WORK/tree/." "$root/"
	# shellcheck disable=SC2086  # several words on purpose
	exec systemd-nspawn --quiet --directory="$root" --boot --private-network \
		--machine="poold-boot-$$" --bind="$BOOT_WORK/out:/out" --console=pipe \
		--register=no $BOOT_UNIT systemd.unit=poold-boot.target
fi

# --- the first half ---
[ "$(id -u)" = 0 ] || skip "needs root"
for program in systemd-nspawn unshare; do
	command -v $program >/dev/null || skip "$program is not installed"
done
grep -qw overlay /proc/filesystems || modprobe overlay 2>/dev/null ||
	skip "the kernel has no overlay file system"
unshare --mount true 2>/dev/null || skip "may not make a mount namespace"

BOOT_WORK=$(mktemp -d) group=poold-boot-$$
mkdir "$BOOT_WORK/tree" "$BOOT_WORK/disk" "$BOOT_WORK/out"
# shellcheck disable=SC2317  # the trap calls it
clean_up() {
	find /sys/fs/cgroup -mindepth 1 -maxdepth 2 -type d -name "$group" 2>/dev/null |
		while read -r folder; do
			find "$folder" -depth -type d -exec rmdir {} + 2>/dev/null || :
		done
	rm -rf "$BOOT_WORK"
}
trap clean_up EXIT

make --no-print-directory O="${O:-build/none}" DESTDIR="$BOOT_WORK/tree" PREFIX=/usr \
	PYTHON=/usr/bin/python3 install >"$BOOT_WORK/out/install" 2>&1 || {
	cat "$BOOT_WORK/out/install"
	exit 1
}
install -Dm644 tests/systemd/inside.py "$BOOT_WORK/tree/opt/poold-boot/inside.py"
install -d "$BOOT_WORK/tree/etc/systemd/system"
cat >"$BOOT_WORK/tree/etc/systemd/system/poold-boot.service" <<UNIT
[Unit]
After=basic.target
SuccessAction=poweroff-force
FailureAction=poweroff-force
[Service]
Type=oneshot
StandardOutput=file:/out/log
StandardError=inherit
ExecStart=/bin/sh -c '/usr/bin/python3 /opt/poold-boot/inside.py $*; echo \$\$? >/out/status'
UNIT
cat >"$BOOT_WORK/tree/etc/systemd/system/poold-boot.target" <<UNIT
[Unit]
Requires=basic.target
Wants=poold-boot.service
AllowIsolate=yes
UNIT

# Where no service manager could give the machine a control group, it gets one of ours.
BOOT_UNIT=
if [ ! -d /run/systemd/system ] || [ "$(cat /proc/1/comm)" != systemd ]; then
	BOOT_UNIT=--keep-unit
	for tree in /sys/fs/cgroup/unified /sys/fs/cgroup/systemd; do
		[ -d $tree ] && mkdir -p "$tree/$group"
	done
fi
export BOOT_WORK BOOT_UNIT SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1
(
	for tree in /sys/fs/cgroup/unified /sys/fs/cgroup/systemd; do
		[ ! -d "$tree/$group" ] || sh -c 'echo $PPID' >"$tree/$group/cgroup.procs"
	done
	exec timeout --kill-after=5 "${BOOT_SECONDS:-240}" \
		unshare --mount --propagation private sh "$0" </dev/null
) >"$BOOT_WORK/console" 2>&1 || :

if [ ! -e "$BOOT_WORK/out/status" ]; then
	cat "$BOOT_WORK/out/log" 2>/dev/null || :
	echo "the machine did not get to its end; its console:"
	tail -n 40 "$BOOT_WORK/console"
	exit 1
fi
cat "$BOOT_WORK/out/log"
exit "$(cat "$BOOT_WORK/out/status")"
