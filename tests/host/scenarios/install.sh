# A tree without systemd gets it from its own package manager, contained; whatever goes wrong, nothing is left.
# modes: systemd direct
# limit: 300
packages=/srv/packages
[ -d "$packages" ] || skip "the tree and its packages were not made: tests/host/packages"
fs=/var/lib/sdme/fs

serve() { # PORT DIR
  python3 -m http.server "$1" --bind 127.0.0.1 --directory "$2" >/dev/null 2>&1 &
  wait_for 10 bash -c "exec 3<>/dev/tcp/127.0.0.1/$1"
}
nothing_left() {
  lacks "$(ls -A $fs)" 'bad|stage|trash'
  lacks "$(ps -eo args)" 'install-[0-9a-f]{16}'
  lacks "$(ls /run/sdme/mnt /run/systemd/nspawn/propagate 2>/dev/null)" 'install-|tree|fetched'
  lacks "$(find /sys/fs/cgroup -maxdepth 3 -name '*install-*' 2>/dev/null)" .
}

# A package that runs a script when it is configured. "systemd" and "dbus" bring what makes a tree count as a machine.
package() { # DIR NAME SCRIPT
  local root=$work/package
  rm -rf "$root"
  mkdir -p "$1" "$root/DEBIAN" "$root/usr/lib/systemd/system"
  printf 'Package: %s\nVersion: 9999\nArchitecture: all\nMaintainer: nobody\nDescription: none\n' "$2" >"$root/DEBIAN/control"
  printf '#!/bin/sh\n%s\n' "$3" >"$root/DEBIAN/postinst"
  chmod 0755 "$root/DEBIAN/postinst"
  if [ "$2" = systemd ]; then cp /bin/true "$root/usr/lib/systemd/systemd"; fi
  if [ "$2" = dbus ]; then : >"$root/usr/lib/systemd/system/dbus.socket"; fi
  dpkg-deb --root-owner-group -Znone -b "$root" "$1/$2.deb" >/dev/null
}

# A repository in which "dbus" does what SCRIPT says, at port PORT, and a tree that looks for its packages there.
bad_tree() { # PORT SCRIPT
  local dir=$work/repository-$1 name file
  for name in systemd systemd-sysv libpam-systemd; do package "$dir" "$name" 'exit 0'; done
  package "$dir" dbus "$2"
  for file in "$dir"/*.deb; do
    dpkg-deb -f "$file"
    printf 'Filename: ./%s\nSize: %s\nSHA256: %s\n\n' "${file##*/}" "$(stat -c %s "$file")" "$(sha256sum "$file" | cut -d ' ' -f 1)"
  done >"$dir/Packages"
  printf 'SHA256:\n %s %s Packages\n' "$(sha256sum "$dir/Packages" | cut -d ' ' -f 1)" "$(stat -c %s "$dir/Packages")" >"$dir/Release"
  serve "$1" "$dir"
  echo "deb [trusted=yes] http://127.0.0.1:$1/ ./" >"$tree/etc/apt/sources.list"
}

serve 8099 "$packages/repository"

note "no: what is lacking is said, and nothing done"
check "import" sdme fs import --install-packages=no plain "$packages/minbase.tar"
contains "$stderr" 'neither systemd nor D-Bus.*apt-get install systemd systemd-sysv libpam-systemd dbus'
refuse "it does not boot" sdme create web -r plain

note "auto, when nobody can be asked: the same"
check "import" sdme fs import --force plain "$packages/minbase.tar"
contains "$stderr" 'apt-get install'
check "no question beside JSON" sdme fs import --force --json plain "$packages/minbase.tar"
contains "$stdout" '"lacks":"has neither'

note "yes: it boots, can be entered, and has a login session"
# What it fetches does not stay, nor what was made to be mounted on.
check "import" sdme fs import --force --install-packages=yes plain "$packages/minbase.tar"
contains "$stderr" '    Setting up systemd '
contains "$stderr" 'policy-rc.d denied'
lacks "$(find $fs/plain/var/cache/apt $fs/plain/var/lib/apt/lists -type f)" .
lacks "$(ls -A $fs/plain/usr/sbin $fs/plain/run $fs/plain/tmp)" 'policy-rc.d|^sdme'
equals "$(cat $fs/plain/etc/resolv.conf)" 'nameserver 192.0.2.53'
contains "$(stat -c %a $fs/plain)" 755
check "verify" sdme fs verify plain
check "show" sdme fs show plain
contains "$stdout" 'installed by its own apt-get: systemd systemd-sysv libpam-systemd dbus'
contains "$stdout" '--install-packages=yes'
nothing_left
check "it boots" sdme new web -r plain -- systemctl is-system-running --wait
contains "$stdout" 'running|degraded'
check "join" sdme join web -- loginctl list-sessions
contains "$stdout" root
check "rm" sdme rm --force web

note "auto, on a terminal: no, Ctrl-C, yes"
tree=$work/tree
mkdir "$tree"
tar -C "$tree" -xf "$packages/minbase.tar"
terminal -- sdme fs import --force plain "$tree" <<'STEPS'
expect \[y/N\]
send n\n
expect apt-get install
exit 0
STEPS
terminal -- sdme fs import bad "$tree" <<'STEPS'
expect \[y/N\]
send \x03
exit 130
STEPS
nothing_left
terminal -- sdme fs import --force plain "$tree" <<'STEPS'
expect Install systemd.*by its own apt-get.*\[y/N\]
send y\n
expect Setting up
exit 0
STEPS
contains "$(sdme fs show plain)" 'installed by its own apt-get'

note "the way to the network is the caller's"
expect_exit 1 env http_proxy=http://127.0.0.1:9 sdme fs import --install-packages=yes bad "$tree"
contains "$stderr" 'apt-get.*update.*status 100.*127.0.0.1:9'
nothing_left

note "a package that fails: one line, and nothing left"
bad_tree 8101 'echo "it is broken"; exit 3'
expect_exit 1 sdme fs import --quiet --install-packages=yes bad "$tree"
equals "$(wc -l <<<"$stderr")" 1
contains "$stderr" 'apt-get.*install.*failed with status 100: .*dpkg.*error code'
nothing_left

note "a hostile one: it gets no device, mounts nothing, writes nowhere but in its tree, and leaves no process"
disk=$(stat -c '%Hd %Ld' / | tr -d '\n')
# An image may bring device nodes; these are of the disk below the host's "/", or a loop device.
read -r major minor <<<"$disk"
[ "$major" != 0 ] || major=7 minor=0
mknod "$tree/brought" b "$major" "$minor"
mkdir /srv/canary
echo precious >/srv/canary/file
mkfifo /srv/canary/fifo
canary() { find /srv/canary /etc /usr/lib/os-release -xdev -printf '%p %y %m %s %T@ %l\n' | sort; }
before=$(canary)
bad_tree 8102 "
try() { if \"\$@\" 2>/dev/null; then echo \"done: \$*\"; else echo \"refused: \$*\"; fi >>/evidence; }
try mknod /made b $major $minor
try mknod /dev/made b $major $minor
try head -c 1 /brought
try dd if=/dev/zero of=/brought bs=1 count=1
try mount -t devtmpfs devtmpfs /mnt
try mount -t tmpfs tmpfs /mnt
try mount -o remount,dev /
try mount -o remount,rw /run/host/os-release
try sh -c 'echo x >>/run/host/os-release'
try sh -c 'echo x >/proc/sys/kernel/hostname'
try sh -c 'echo x >/proc/sysrq-trigger'
try sh -c 'echo x >/proc/1/root/srv/canary/file'
try sh -c 'echo x >/../../../../../../srv/canary/file'
try ls /srv/canary
ln -sfn /srv/canary/file /run/sdme-packages/policy-rc.d
ln -sfn /srv/canary /run/sdme-packages/canary
echo gone >/run/sdme-packages/canary/file
printf 'title \\033]0;evil\\007\\n'
setsid sleep 4321 &
exit 0"
check "import" sdme fs import --install-packages=yes evil "$tree"
lacks "$stderr" "$(printf '\033')"
lacks "$(cat $fs/evil/evidence)" "done"
equals "$(grep -c refused $fs/evil/evidence)" 14
equals "$(canary)" "$before"
refuse "no process is left" pgrep -x -f 'sleep 4321'
nothing_left
check "fs rm" sdme fs rm --force evil

note "one that fills the disk is stopped by --max-bytes"
bad_tree 8105 'while :; do head -c 10000000 /dev/zero >>/filler; sleep 0.01; done'
expect_exit 1 sdme fs import --install-packages=yes --max-bytes 600M bad "$tree"
contains "$stderr" 'the package manager has written more than [0-9]+ bytes \(--max-bytes moves the bound\)'
nothing_left

note "what it leaves is no order to the overlay"
bad_tree 8103 'mknod /usr/lib/whiteout c 0 0; exit 0'
expect_exit 1 sdme fs import --install-packages=yes bad "$tree"
contains "$stderr" 'usr/lib/whiteout.*0/0'
nothing_left

note "Ctrl-C in the middle, and kill -9"
bad_tree 8104 'echo "and now it sleeps"; trap "" TERM INT HUP; sleep 1234 & wait; sleep 1234'
interrupted() { # SIGNAL
  env --default-signal=INT sdme fs import --install-packages=yes bad "$tree" >"$work/out" 2>&1 &
  local pid=$!
  wait_for 60 grep -q 'and now it sleeps' "$work/out"
  kill -s "$1" $pid
  wait $pid
}
interrupted INT
equals $? 130
nothing_left
interrupted KILL
# A zombie waits for PID 1, which is not sdme's to wake.
wait_for 10 bash -c '! ps -eo stat=,args= | grep -v ^Z | grep -E "[s]leep 1234|[s]ystemd-nspawn --quiet"'
check "the next import removes what it left" sdme fs import --install-packages=no swept "$packages/minbase.tar"
lacks "$(ls -A $fs)" 'bad|stage|trash'

note "Alpine has no systemd, and without nspawn nothing is run"
mkdir -p "$work/alpine/etc" "$work/alpine/usr" "$work/alpine/sbin"
cp /bin/true "$work/alpine/sbin/apk"
expect_exit 1 sdme fs import --install-packages=yes bad "$work/alpine"
contains "$stderr" 'does not offer it \(apk\).*--install-packages=no'
check "import" sdme fs import alpine "$work/alpine"
contains "$stderr" 'apk'
mv /usr/bin/systemd-nspawn /usr/bin/systemd-nspawn.away
capture sdme fs import --install-packages=yes bad "$tree"
mv /usr/bin/systemd-nspawn.away /usr/bin/systemd-nspawn
equals "$status" 1
contains "$stderr" 'systemd-container'
expect_exit 2 sdme fs import --install-packages=perhaps bad "$tree"
lacks "$(ls -A $fs)" 'bad|stage|trash'

for name in plain swept alpine; do check "fs rm $name" sdme fs rm --force "$name"; done
rm -rf /srv/canary
# shellcheck disable=SC2046
kill $(jobs -p)
