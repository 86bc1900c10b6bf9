# On a host whose "/" is an overlay the default datadir is refused with what to do, and another one works.
# modes: overlay
refuse "create" sdme create web
contains "$stderr" 'overlay'
contains "$stderr" '--datadir|tmpfs'
refuse "nothing was made" test -e /var/lib/sdme/containers/web
mkdir -p /mnt/real
mount -t tmpfs tmpfs /mnt/real
check "create elsewhere" sdme --datadir /mnt/real create web
check "start" sdme --datadir /mnt/real start web
check "exec" sdme --datadir /mnt/real exec web cat /proc/1/comm
equals "$stdout" systemd
check "rm" sdme --datadir /mnt/real rm --force web
umount /mnt/real
