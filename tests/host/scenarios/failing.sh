# Boots that fail say why at once, and leave nothing but the container.
# modes: systemd nobus direct
# limit: 240
broken() { # NAME COMMAND: a container whose tree was broken by COMMAND, run in its upper layer
  check "create $1" sdme create "$1" -r trixie
  local upper
  upper=$(find "/var/lib/sdme/containers/$1/layers" -name upper -type d | head -n 1)
  (cd "$upper" && bash -c "$2") || fail "could not break $1"
}
failure() { # NAME PATTERN: start fails in a few seconds, on one line that says this
  local began
  began=$(now_ms)
  expect_exit 1 sdme start "$1"
  took=$(($(now_ms) - began))
  [ "$took" -lt 10000 ] || fail "took $took ms"
  contains "$stderr" "$1"
  note "$stderr"
  check "ps says so" sdme ps
  contains "$stdout" "^$1 "
  check "rm" sdme rm --force "$1"
}
note "no init at all"
broken no-init 'mkdir -p usr/lib/systemd usr/sbin && mknod usr/lib/systemd/systemd c 0 0 && mknod usr/sbin/init c 0 0'
failure no-init
note "an init that is not executable"
broken plain-init 'mkdir -p usr/lib/systemd && echo text >usr/lib/systemd/systemd && chmod 644 usr/lib/systemd/systemd'
failure plain-init
note "an init of another architecture"
broken foreign 'mkdir -p usr/lib/systemd && { printf "\177ELF\2\1\1"; head -c 9 /dev/zero; printf "\3\0\367\0"; head -c 200 /dev/zero; } >usr/lib/systemd/systemd && chmod 755 usr/lib/systemd/systemd'
failure foreign
note "an init that ends at once"
broken quitter 'mkdir -p usr/lib/systemd && printf "#!/bin/sh\nexit 7\n" >usr/lib/systemd/systemd && chmod 755 usr/lib/systemd/systemd'
failure quitter
note "no systemd-nspawn on the host"
check "create" sdme create no-nspawn -r trixie
mv /usr/bin/systemd-nspawn /usr/bin/systemd-nspawn.away
failure no-nspawn
mv /usr/bin/systemd-nspawn.away /usr/bin/systemd-nspawn
note "the layers are gone"
check "create" sdme create no-layers -r trixie
rm -rf /var/lib/sdme/containers/no-layers/layers
failure no-layers

note "a job that hangs: a time-out names it and leaves it running"
broken hanging 'mkdir -p etc/systemd/system/multi-user.target.wants && printf "[Service]\nType=oneshot\nExecStart=/bin/sleep 1000\n" >etc/systemd/system/hang.service && ln -s ../hang.service etc/systemd/system/multi-user.target.wants/hang.service'
expect_exit 1 sdme start -t 8 hanging
contains "$stderr" 'hang\.service'
check "it goes on" sdme exec hanging true
check "reachable is enough for some" sdme start --wait reachable hanging
check "stop" sdme stop -t 5 hanging

note "new removes what it made when the boot fails"
cp -a /var/lib/sdme/fs/trixie/etc/os-release "$work/" 2>/dev/null
mkdir -p /var/lib/sdme/fs/broken/usr/lib /var/lib/sdme/fs/broken/etc
cp "$work/os-release" /var/lib/sdme/fs/broken/usr/lib/os-release
refuse "new" sdme new fresh -r broken -- true
refuse "nothing is left" test -e /var/lib/sdme/containers/fresh
rm -rf /var/lib/sdme/fs/broken
