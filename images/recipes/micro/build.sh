#!/bin/sh
# Assembles the root of the micro image out of extracted packages.
# usage: build.sh PACKAGES ROOT RECIPE
set -eu
packages=$1 root=$2 recipe=$3

mkdir -p "$root"/bin "$root"/dev "$root"/etc/dropbear "$root"/lib64 "$root"/mnt "$root"/proc "$root"/root/.ssh \
	"$root"/run "$root"/sbin "$root"/sys "$root"/tmp "$root"/usr/bin "$root"/usr/sbin "$root"/var/log "$root"/var/lib/ispctl
chmod 0700 "$root/root" "$root/root/.ssh"
chmod 1777 "$root/tmp"

cp "$packages/bin/busybox" "$root/bin/busybox"
# Paths such as /usr/bin/wget: the applets know where they belong.
"$root/bin/busybox" --list-full | while read -r applet; do
	[ "$applet" = bin/busybox ] || ln -sf /bin/busybox "$root/$applet"
done

for program in usr/sbin/dropbear usr/bin/dropbearkey sbin/resize2fs; do
	cp "$packages/$program" "$root/$program"
	# The dynamic linker itself says what it would load.
	chroot "$packages" /lib64/ld-linux-x86-64.so.2 --list "/$program" |
		sed -n 's/.* => \(\/[^ ]*\) .*/\1/p' | while read -r library; do
			mkdir -p "$root${library%/*}"
			cp -L "$packages$library" "$root$library"
		done
done
cp -L "$packages/lib64/ld-linux-x86-64.so.2" "$root/lib64/"

cp -R "$recipe/root/." "$root/"
chmod 0755 "$root"/etc/init.d/* "$root/etc/acpi/PWRF/00000080"
chmod 0600 "$root/etc/shadow"
