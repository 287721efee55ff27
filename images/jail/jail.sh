# usage: ROOT SPOOL UID AS FSIZE CPU PROGRAM...
set -eu
root=$1 spool=$2 uid=$3 as=$4 fsize=$5 cpu=$6
shift 6
umask 022
mount -t tmpfs -o mode=0755,size=1m,nosuid,nodev tmpfs "$root"
cd "$root"
mkdir usr spool etc
for name in usr bin sbin lib lib32 lib64 libx32; do
	if [ -L "/$name" ]; then
		cp -P "/$name" "$name"
	elif [ -d "/$name" ]; then
		mkdir -p "$name"
		mount --bind "/$name" "$name"
		mount -o remount,bind,ro,nosuid,nodev "$name"
	fi
done
if [ -e /etc/ld.so.cache ]; then cp /etc/ld.so.cache etc/; fi
mount --bind "$spool" spool
mount -o remount,bind,nosuid,nodev,noexec spool
mount -o remount,ro .
exec prlimit "$as" "$fsize" "$cpu" --core=0 --nofile=256 --nproc=64 \
	chroot . setpriv --reuid "$uid" --regid "$uid" --clear-groups --no-new-privs \
	--inh-caps=-all --ambient-caps=-all --bounding-set=-all --pdeathsig KILL \
	"$@"
