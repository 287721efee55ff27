#!/bin/sh
# Install the Debian packages that ispctl and its tests need and that are
# missing. Does nothing, quickly, where none is.
set -eu

wanted='ca-certificates debian-archive-keyring dnsmasq-base e2fsprogs gcc
genisoimage git gpg groff-base iproute2 iperf3 iputils-ping libarchive-tools libc6-dev
libvirt-clients libvirt-daemon libvirt-daemon-driver-qemu libxml2-utils
mmdebstrap netbase nftables openssh-client procps python3-yaml qemu-system-x86
qemu-utils shellcheck sqlite3 strace wireguard-tools xorriso xz-utils zstd'
# Its udhcpc plays guests. The two packages of it exclude each other.
command -v busybox >/dev/null || wanted="$wanted busybox-static"

missing=''
for package in $wanted; do
	status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || status=none
	[ "$status" = installed ] || missing="$missing $package"
done
# Debian's QEMU driver looks this user up whatever its configuration says. The
# package that makes it, libvirt-daemon-system, also starts a libvirtd, which
# nothing here needs.
user=libvirt-qemu
getent passwd "$user" >/dev/null && makeuser='' || makeuser=yes
[ -n "$missing$makeuser" ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
	echo "tools/packages.sh: this takes root: packages:$missing; user: ${makeuser:+$user}" >&2
	exit 1
fi
if [ -n "$missing" ]; then
	echo "installing:$missing"
	export DEBIAN_FRONTEND=noninteractive
	apt-get -q update
	# The list is words on purpose.
	# shellcheck disable=SC2086
	apt-get -q install -y --no-install-recommends $missing
fi
if [ -n "$makeuser" ]; then
	useradd --system --no-create-home --home-dir /var/lib/libvirt --shell /usr/sbin/nologin "$user"
fi
