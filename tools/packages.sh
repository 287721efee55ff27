#!/bin/sh
# Install the Debian packages that ispctl and its tests need and that are
# missing. Does nothing, quickly, where none is.
set -eu

wanted='ca-certificates debian-archive-keyring e2fsprogs gcc genisoimage git
iproute2 libarchive-tools libc6-dev libvirt-clients
libvirt-daemon libvirt-daemon-driver-qemu mmdebstrap nftables openssh-client
procps qemu-system-x86 qemu-utils sqlite3 xorriso'

missing=''
for package in $wanted; do
	status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || status=none
	[ "$status" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
	echo "tools/packages.sh: these packages are missing, and installing them takes root:$missing" >&2
	exit 1
fi
echo "installing:$missing"
export DEBIAN_FRONTEND=noninteractive
apt-get -q update
# The list is words on purpose.
# shellcheck disable=SC2086
apt-get -q install -y --no-install-recommends $missing
