# A guest's root cannot read the host's block devices.
# modes: systemd nobus direct bare
read -r major minor < <(stat -c '%d' / | awk '{ print int($1 / 256), $1 % 256 }')
[ "$major" != 0 ] || skip '"/" is on no block device here'
check "create" sdme create web
check "start" sdme start web
check "a device of this number is the host's disk" sh -c 'mknod /root/disk b "$1" "$2" && head -c 4096 /root/disk | grep -c . >/dev/null' _ "$major" "$minor"
rm -f /root/disk
refuse "it cannot be read in the guest" sdme exec web sh -c 'rm -f /d; mknod /d b '"$major $minor"' && head -c 4096 /d >/dev/null'
refuse "nor in a session" sdme join web sh -c 'rm -f /d; mknod /d b '"$major $minor"' && head -c 4096 /d >/dev/null'
check "null is there" sdme exec web sh -c 'echo x >/dev/null && head -c 1 /dev/zero >/dev/null && head -c 1 /dev/urandom >/dev/null'
refuse "nor by the kernel's own nodes" sdme exec web sh -c 'mount -t devtmpfs none /mnt || exit 1
  for disk in $(find /mnt -maxdepth 1 -type b); do head -c 4096 "$disk" >/dev/null 2>&1 && exit 0; done; exit 1'
