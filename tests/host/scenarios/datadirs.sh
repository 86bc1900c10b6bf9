# A datadir with space, per cent, colon, comma, quotes and unicode works, or is refused with the reason.
# modes: systemd nobus direct
for datadir in '/srv/a b' '/srv/100%i' '/srv/a:b' '/srv/a,b' "/srv/it's" '/srv/dollar$HOME' '/srv/größe' '/srv/back\slash' '/srv/"q"'; do
  note "$datadir"
  mkdir -p "$datadir/fs"
  ln -sfn /var/lib/sdme/fs/trixie "$datadir/fs/linked"
  check "create" sdme --datadir "$datadir" create odd
  check "start" sdme --datadir "$datadir" start odd
  check "exec" sdme --datadir "$datadir" exec odd sh -c 'test "$(cat /proc/1/comm)" = systemd && touch /made'
  check "it was written there" sh -c 'find "$1" -name made | grep -q .' _ "$datadir"
  refuse "the name is in use" sdme --datadir /srv/other create odd
  check "rm" sdme --datadir "$datadir" rm --force odd
  rm -rf --one-file-system "$datadir"
done
mkdir -p /mnt/memory
mount -t tmpfs tmpfs /mnt/memory
check "a datadir on tmpfs" sdme --datadir /mnt/memory/x create inmem
check "start" sdme --datadir /mnt/memory/x start inmem
check "rm" sdme --datadir /mnt/memory/x rm --force inmem
umount /mnt/memory
rmdir /mnt/memory
note "in /tmp, which systemd-nspawn gets another one of"
mkdir /tmp/datadir
check "create" sdme --datadir /tmp/datadir create temporary
check "start" sdme --datadir /tmp/datadir start temporary
check "its own /tmp" sdme --datadir /tmp/datadir exec temporary sh -c 'test ! -e /tmp/datadir && touch /before /run/before'
sdme --datadir /tmp/datadir exec temporary systemctl reboot >"$work/reboot" 2>&1
wait_for 30 sdme --datadir /tmp/datadir exec temporary sh -c 'test ! -e /run/before && test -e /before'
check "rm" sdme --datadir /tmp/datadir rm --force temporary
equals "$(find /tmp -name 'nspawn-root-*')" ''
rm -r --one-file-system /tmp/datadir
