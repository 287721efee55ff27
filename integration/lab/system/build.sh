#!/bin/sh
# Puts the kernel, its initial RAM disk and process 1 beside and into a root
# file system, while mmdebstrap still has the archive's lists.
# usage: build.sh OUT SYSTEM ROOT (the hook of mmdebstrap gives the last)
# LAB_KERNEL is the metapackage of the kernel, LAB_XEN the package of a hypervisor;
# with LAB_SYSTEMD process 1 is systemd, and starts the lab when all else has.
set -eu
out=$1 system=$2 root=$3
export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"

# What the metapackage depends on, unpacked and not installed: its scripts would
# make an initial RAM disk for every machine there is.
kernel=$(apt-cache depends "$LAB_KERNEL" | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p')
mkdir "$out/work/kernel" "$out/work/xen"
if [ -n "$LAB_XEN" ]; then
	(cd "$out/work/xen" && apt-get -q -o APT::Sandbox::User=root download "$LAB_XEN" && dpkg-deb -x ./*.deb .)
	gzip -dc "$out"/work/xen/boot/xen-*.gz >"$out/xen"
	# The processor has all of qemu64 that dom0 is shown but this, and libvirt
	# would find no model that fits it.
	sed -i "/name='sep'/d" "$root/usr/share/libvirt/cpu_map/x86_qemu64.xml"
else
	: >"$out/xen"
fi
(cd "$out/work/kernel" && apt-get -q -o APT::Sandbox::User=root download "$kernel" && dpkg-deb -x ./*.deb .)
cp "$out"/work/kernel/boot/vmlinuz-* "$out/vmlinuz"
version=$(basename "$out"/work/kernel/boot/vmlinuz-*)
version=${version#vmlinuz-}
mkdir -p "$root/lib/modules"
for modules in "$out/work/kernel/lib/modules/$version" "$out/work/kernel/usr/lib/modules/$version"; do
	[ -d "$modules" ] && cp -R "$modules" "$root/lib/modules/"
done
# The kernel for all machines has drivers for all of them.
for drivers in drivers/ata drivers/gpu drivers/hid drivers/hwmon drivers/iio drivers/infiniband drivers/input drivers/isdn drivers/media \
	drivers/mtd drivers/net/can drivers/net/ethernet drivers/net/usb drivers/net/wireless drivers/nvme drivers/platform drivers/scsi \
	drivers/staging drivers/target drivers/usb sound; do
	[ -z "$LAB_XEN" ] || rm -rf "$root/lib/modules/$version/kernel/$drivers"
done
# Unpacked once here, not at each boot without hardware virtualisation.
find "$root/lib/modules" -name '*.ko.xz' | sed "s|^$root||" | chroot "$root" xargs -r xz -d
chroot "$root" depmod -a "$version"

mkdir "$root/lab" "$root/payload"
cp "$system/init" "$system/modules" "$root/lab/"
[ -z "$LAB_XEN" ] || install -m 0755 "$system/xen" "$root/lab/"
if [ -n "$LAB_SYSTEMD" ]; then
	cp "$system/lab.service" "$root/etc/systemd/system/"
	mkdir -p "$root/etc/systemd/system/multi-user.target.wants"
	ln -s ../lab.service "$root/etc/systemd/system/multi-user.target.wants/"
	# Without one, systemd takes this for the first boot of many, and waits for
	# a disk that it could be written to.
	echo 0123456789abcdef0123456789abcdef >"$root/etc/machine-id"
	# Its time-out of two minutes would end it in between.
	echo 'LIBVIRTD_ARGS=""' >"$root/etc/default/libvirtd"
	: >"$root/lab/systemd"
fi
chmod 0755 "$root/lab/init"
echo lab >"$root/etc/hostname"
printf '127.0.0.1 localhost lab\n::1 localhost\n' >"$root/etc/hosts"
rm -rf "$root"/var/cache/apt/* "$root"/var/log/*

ram=$out/work/initramfs
mkdir -p "$ram/bin" "$ram/dev" "$ram/proc" "$ram/lower" "$ram/upper" "$ram/root" "$ram/modules"
cp "$root/bin/busybox" "$ram/bin/"
for applet in insmod mkdir mount sh sleep switch_root umount; do
	ln -s busybox "$ram/bin/$applet"
done
chroot "$root" modprobe -a -S "$version" --show-depends virtio_pci virtio_blk ext4 overlay | sed -n 's/^insmod \([^ ]*\).*/\1/p' |
	while read -r module; do
		name=${module##*/}
		# Not for the plain processor that Xen gets; the generic one does it too.
		[ -z "$LAB_XEN" ] || [ "$name" != crc32c-intel.ko ] || continue
		[ -e "$ram/modules/$name" ] && continue
		cp "$root$module" "$ram/modules/"
		echo "$name" >>"$ram/modules/order"
	done
install -m 0755 "$system/initramfs" "$ram/init"
bsdtar --format=newc --uid 0 --gid 0 -cf "$out/initrd.img" -C "$ram" .

{
	echo "kernel $version"
	chroot "$root" dpkg-query -W -f '${Package} ${Version}\n'
} >"$out/packages"
