#!/bin/sh
# Makes an image of an installed Debian root.
# usage: build.sh PACKAGES ROOT RECIPE SUITE
set -eu
packages=$1 root=$2 recipe=$3 suite=$4

# The kernel comes from outside the guest, with the image. So it is no package
# in there, which an upgrade could replace without effect; its modules are files.
mkdir -p "$root/lib/modules"
for modules in "$packages"/lib/modules/* "$packages"/usr/lib/modules/*; do
	if [ -d "$modules" ]; then cp -R "$modules" "$root/lib/modules/"; fi
done
version=$(basename "$root"/lib/modules/*)
chroot "$root" depmod -a "$version"

cp -R "$recipe/root/." "$root/"
sed -i "s/bookworm/$suite/g" "$root/etc/apt/sources.list"
chmod 0755 "$root/usr/lib/ispctl/seed"
chroot "$root" systemctl enable systemd-networkd.service serial-getty@ttyS0.service ispctl-seed.service ispctl-cloud-init.service
# One unit of ours starts cloud-init, behind SSH. Its own units would come before.
mkdir -p "$root/etc/systemd/system-generators"
ln -s /dev/null "$root/etc/systemd/system-generators/cloud-init-generator"
chroot "$root" systemctl mask cloud-init.target
# No such hardware, nothing to report, or work that all guests of a host would
# do at the same minute.
chroot "$root" systemctl mask \
	apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service \
	systemd-pstore.service systemd-networkd-wait-online.service getty@tty1.service \
	cloud-init-hotplugd.socket systemd-hwdb-update.service sys-kernel-debug.mount sys-kernel-tracing.mount \
	modprobe@drm.service modprobe@dm_mod.service modprobe@loop.service modprobe@efi_pstore.service \
	dev-hugepages.mount systemd-journal-flush.service systemd-binfmt.service proc-sys-fs-binfmt_misc.automount \
	systemd-sysusers.service systemd-update-utmp.service systemd-update-utmp-runlevel.service
# Python compiled for reproducibility checks the hash of every source at every
# start; by time it only looks at the file. cloud-init starts Python four times.
chroot "$root" python3 -m compileall -q -f --invalidation-mode timestamp /usr/lib/python3 "/$(cd "$root" && echo usr/lib/python3.*)"
ln -sf ../run/systemd/resolve/stub-resolv.conf "$root/etc/resolv.conf"

# What must be every guest's own.
rm -f "$root"/etc/ssh/ssh_host_* "$root/etc/hostname" "$root/var/lib/dbus/machine-id" "$root/var/lib/systemd/random-seed"
: >"$root/etc/machine-id"
rm -rf "$root"/var/lib/cloud/* "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/var/log/*.log "$root"/var/log/apt
mkdir -p "$root/var/cache/apt/archives/partial" "$root/var/lib/apt/lists/partial"
