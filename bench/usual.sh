#!/bin/sh
# What an operator does by hand, with the tools that everybody has: an overlay, a
# seed, a guest behind libvirt's own filter. It prints nothing; whoever runs it
# takes the time.
#
# usage: usual.sh create NAME DIR IMAGE BRIDGE MAC ADDRESS   (IMAGE: directory of disk.raw, vmlinuz, initrd.img)
#        usual.sh destroy NAME DIR
set -eu
act=$1 name=$2 dir=$3

if [ "$act" = destroy ]; then
	virsh -q -c qemu:///system destroy "$name" >/dev/null
	virsh -q -c qemu:///system undefine "$name" >/dev/null
	rm -r "${dir:?}/$name"
	exit
fi

image=$4 bridge=$5 mac=$6 address=$7
mkdir "$dir/$name"
cd "$dir/$name"
qemu-img create -q -f qcow2 -F raw -b "$image/disk.raw" disk.qcow2 256M
sync disk.qcow2

cat >user-data <<END
#cloud-config
hostname: $name
END
cat >meta-data <<END
instance-id: $name
local-hostname: $name
END
cat >network-config <<END
version: 2
ethernets:
  eth0:
    match: {macaddress: "$mac"}
    addresses: [$address/24]
END
cloud-localds --network-config network-config seed.iso user-data meta-data

virt-install -q --connect qemu:///system --virt-type qemu --name "$name" --memory 128 --vcpus 1 --import \
	--osinfo detect=off,require=off --cpu mode=maximum --machine q35 \
	--boot "kernel=$image/vmlinuz,initrd=$image/initrd.img,kernel_args=root=/dev/vda rw console=ttyS0 net.ifnames=0 quiet" \
	--disk "path=$dir/$name/disk.qcow2,format=qcow2,bus=virtio" --disk "path=$dir/$name/seed.iso,format=raw,bus=virtio,readonly=on" \
	--network "bridge=$bridge,model=virtio,mac=$mac,filterref.filter=clean-traffic,xpath0.set=./filterref/parameter/@name=IP,xpath1.set=./filterref/parameter/@value=$address" \
	--graphics none --video none --sound none --controller usb,model=none --rng /dev/urandom --noautoconsole >/dev/null
