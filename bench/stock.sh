#!/bin/sh
# Makes the disk of a Debian with stock cloud-init: the packages that our own
# image has, as Debian configures them, and our kernel's modules.
# usage: stock.sh DISK-OF-OURS OUT SUITE PACKAGE...
set -eu
ours=$1 out=$2 suite=$3
shift 3
work=$(mktemp -d)
chmod 0755 "$work" # apt fetches as another user
trap 'rm -rf "$work"' EXIT
set -- "$(echo "$*" | tr ' ' ',')"
mmdebstrap --quiet --mode=root --format=directory --variant=minbase --include="$1" "$suite" "$work/root"
debugfs -R "rdump /usr/lib/modules $work/root/usr/lib" "$ours" 2>/dev/null || true
[ -d "$work/root/usr/lib/modules" ] || {
	mkdir -p "$work/root/lib"
	debugfs -R "rdump /lib/modules $work/root/lib" "$ours" 2>/dev/null
}
echo '/dev/vda / ext4 rw,errors=remount-ro,x-systemd.growfs 0 0' >"$work/root/etc/fstab"
chroot "$work/root" systemctl enable systemd-networkd.service serial-getty@ttyS0.service
ln -sf ../run/systemd/resolve/stub-resolv.conf "$work/root/etc/resolv.conf"
rm -f "$work/root"/etc/ssh/ssh_host_* "$work/root/etc/hostname"
: >"$work/root/etc/machine-id"
truncate -s 1G "$out"
mke2fs -q -t ext4 -d "$work/root" "$out"
