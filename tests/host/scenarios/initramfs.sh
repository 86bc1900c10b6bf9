# An initramfs with the program in it fetches a root filesystem and makes a container of it before the system starts.
# suites: trixie
# modes: systemd
# limit: 400
#
# initramfs-tools and dracut make an image each by the package's hooks, and a virtual machine boots each: its clock says 1970, the
# network is qemu's. All else the command line may say is tried in the first image, unpacked: the same programs and shell, with
# namespaces for a kernel. There the clock is this machine's, as no namespace has a wall clock of its own.
machine=/srv/machine keys=$here/keys
[ -f "$machine/key" ] || skip "there is nothing that boots: tests/host/machine makes it, for x86_64"
[ -f "$keys/old.pem" ] || skip "there are no keys for a server: openssl is missing outside"
vm=/srv/vm tree=/srv/vm/tree

# A filesystem that a program runs from.
devices() { # DEV
  mount -t tmpfs -o mode=0755 tmpfs "$1"
  mknod -m 666 "$1/null" c 1 3 && mknod -m 666 "$1/zero" c 1 5 && mknod -m 666 "$1/urandom" c 1 9 && ln -s /proc/self/fd "$1/fd"
}

tools() {
  mkdir -p $vm
  mount -t tmpfs tmpfs $vm && mkdir $vm/{upper,work,tree,served}
  mount -t overlay -o "lowerdir=$machine/tree,upperdir=$vm/upper,workdir=$vm/work" overlay "$tree"
  mount -t proc proc "$tree/proc" && devices "$tree/dev" && mount -t tmpfs tmpfs "$tree/tmp"
  cp "$here"/packages/sdme_*-1_*.deb "$tree/root/sdme.deb"
  cp "$machine/vmlinuz" "$tree/srv/"
  mkdir -p "$tree/etc/ssl/certs"
  cp "$keys/ca.pem" "$tree/etc/ssl/certs/ca-certificates.crt"
  chroot "$tree" dpkg -i /root/sdme.deb
}

# What is served: a tree that looks like a system to sdme, in two versions.
served() {
  local made=$work/made
  mkdir -p "$made"/{etc,proc,run,usr/bin,usr/lib/systemd}
  printf 'ID=tiny\nPRETTY_NAME="Tiny 1"\n' >"$made/etc/os-release"
  cp /usr/lib/systemd/systemd "$made/usr/lib/systemd/"
  tar -C "$made" --numeric-owner -czf $vm/served/tiny.tar.gz .
  sed -i 's/Tiny 1/Tiny 2/' "$made/etc/os-release"
  tar -C "$made" --numeric-owner -czf $vm/served/next.tar.gz .
  mkdir "$tree/srv/served" && mount --bind $vm/served "$tree/srv/served"
  chroot "$tree" sh -c 'cd /srv/served && minisign -G -W -p minisign.pub -s key && minisign -S -s key -m tiny.tar.gz' </dev/null
}

# The system that is booted: its init says what it finds, on the second serial line.
system() { # DIR
  mkdir -p "$1"/{dev,etc,lib64,proc,root,run,sbin,sys,tmp,usr/bin,usr/lib/systemd/system,usr/lib/x86_64-linux-gnu,var/lib}
  ln -s usr/bin "$1/bin"
  ln -s usr/lib "$1/lib"
  ln -s ../usr/lib/systemd/systemd "$1/sbin/init"
  printf 'ID=real\n' >"$1/etc/os-release"
  cp "$tree/usr/bin/sdme" "$tree/usr/bin/busybox" "$1/usr/bin/"
  cp "$tree"/usr/lib/x86_64-linux-gnu/lib{c,resolv}.so.* "$1/usr/lib/x86_64-linux-gnu/"
  cp -L "$tree/lib64/ld-linux-x86-64.so.2" "$1/lib64/"
  cp "$tree/usr/lib/systemd/system/sdme@.service" "$1/usr/lib/systemd/system/"
  # As the package leaves it.
  cp "$tree/etc/sdme.conf" "$1/etc/"
  cat >"$1/usr/lib/systemd/systemd" <<'INIT'
#!/bin/busybox sh
export PATH=/bin
busybox mount -t proc proc /proc
busybox mount -t devtmpfs dev /dev 2>/dev/null
exec >/dev/ttyS1 2>&1
busybox grep ' / ' /proc/mounts
echo "year $(busybox date +%Y)"
busybox cat /var/lib/sdme/fs/tiny.origin
sdme fs verify tiny && echo "verified now"
busybox cat /var/lib/sdme/containers/web/state
for link in /run/systemd/system/multi-user.target.wants/*; do echo "$link -> $(busybox readlink "$link")"; done
echo "that was all"
busybox sync
busybox poweroff -f
INIT
  chmod 0755 "$1/usr/lib/systemd/systemd"
}

boot() { # NAME INITRD WORDS...
  local name=$1 initrd=$2
  shift 2
  chroot "$tree" timeout 300 qemu-system-x86_64 -nodefaults -no-reboot -display none -m 768 -rtc base=1970-01-01T00:01:00 \
    -kernel /srv/vmlinuz -initrd "/srv/$initrd" -append "console=ttyS0 root=/dev/vda panic=-1 $*" \
    -drive "file=/srv/$name.disk,if=virtio,format=raw,cache=unsafe" \
    -netdev user,id=net -device virtio-net-pci,netdev=net,romfile= \
    -serial "file:/srv/$name.console" -serial "file:/srv/$name.said" </dev/null
}

# A whole Debian, with systemd.
debian() { # DIR
  cp -a /var/lib/sdme/fs/trixie "$1" && cp "$tree/root/sdme.deb" "$1/root/"
  chroot "$1" dpkg -i /root/sdme.deb || return 1
  echo '/dev/vda / ext4 defaults 0 1' >"$1/etc/fstab"
  # There is no udev in this tree, which would bring the device that a getty waits for.
  ln -s /dev/null "$1/etc/systemd/system/serial-getty@.service"
  cat >"$1/etc/systemd/system/probe.service" <<'UNIT'
[Unit]
After=multi-user.target
[Service]
Type=oneshot
StandardOutput=tty
StandardError=tty
TTYPath=/dev/ttyS1
ExecStart=sh -c 'NO_COLOR=1; export NO_COLOR; sdme ps; sdme exec web systemctl is-system-running --wait; sdme exec web cat /etc/os-release; \
  systemctl show -P UnitFileState -P ActiveState sdme@web; journalctl -b -t sdme -o cat; ls -A /etc/systemd/system; echo that was all; systemctl poweroff -ff'
UNIT
  mkdir -p "$1/etc/systemd/system/graphical.target.wants"
  ln -s ../probe.service "$1/etc/systemd/system/graphical.target.wants/"
  truncate -s 1500M "$tree/srv/debian.disk" && mkfs.ext4 -q -F -O ^has_journal -d "$1" "$tree/srv/debian.disk"
  tar -C /var/lib/sdme/fs/trixie --numeric-owner -cf - . | chroot "$tree" zstd -q -1 >$vm/served/debian.tar.zst
}

said() { tr -d '\r' <"$tree/srv/$1.said"; }

booted() { # NAME
  local said console
  said=$(said "$1") console=$(tr -d '\r' <"$tree/srv/$1.console")
  [[ $said == *"that was all"* ]] || { tail -n 40 <<<"$console"; fail "$1 did not boot"; }
  contains "$console" 'sdme: web is made of tiny'
  contains "$said" ' / ext4 ro,'
  contains "$said" '^title=Tiny 1'
  contains "$said" '^verified now'
  contains "$said" '^rootfs=fs/tiny'
  contains "$said" '^/run/systemd/system/multi-user.target.wants/sdme@web.service -> /usr/lib/systemd/system/sdme@.service'
  note "$1: $(grep ^year <<<"$said")"
}

check "tools" tools
check "what is served" served
check "the system" system "$vm/system"
check "its disk" sh -c "truncate -s 96M $vm/disk && mkfs.ext4 -q -F -O ^has_journal -d $vm/system $vm/disk"

# It ends with its standard input: when this shell does, however that comes.
mkfifo "$work/hold"
exec 7<>"$work/hold"
python3 "$here/serve" $vm/served --tls "$keys/old.pem" "$keys/old.key" <"$work/hold" >"$work/port" 2>/dev/null 7>&- &
server=$!
wait_for 10 grep -q . "$work/port"
port=$(cat "$work/port")
web=https://10.0.2.2:$port here_web=https://127.0.0.1:$port
sum=$(sha256sum <$vm/served/tiny.tar.gz | cut -d ' ' -f 1)
next=$(sha256sum <$vm/served/next.tar.gz | cut -d ' ' -f 1)
asked() { python3 -c 'import ssl, sys, urllib.request as r; print(r.urlopen(sys.argv[1] + "/log", context=ssl._create_unverified_context()).read().decode().count(sys.argv[2]))' "$here_web" "$1"; }

note "nothing of it is in an initramfs unless it was asked for"
kernel=$(ls "$tree/lib/modules")
note "$(chroot "$tree" sh -c 'dpkg-query -W -f "\${Package} \${Version}\n" initramfs-tools dracut-core qemu-system-x86; uname -m') $kernel"
check "the hook alone" chroot "$tree" env DESTDIR=/tmp/empty verbose=n version="$kernel" sh -c 'mkdir /tmp/empty && /usr/share/initramfs-tools/hooks/sdme && ! ls -A /tmp/empty | grep .'
echo SDME=y >"$tree/etc/initramfs-tools/conf.d/sdme"

note "two images"
chroot "$tree" dracut --quiet --force --no-hostonly --no-compress --add sdme --omit 'bluetooth nfs crypt lvm mdraid multipath' /srv/dracut "$kernel" \
  >"$work/dracut.log" 2>&1 </dev/null &
making=$!
check "mkinitramfs" chroot "$tree" mkinitramfs -o /srv/initramfs-tools "$kernel"
cp --sparse=always $vm/disk "$tree/srv/initramfs-tools.disk"
(boot initramfs-tools initramfs-tools "sdme.import=$web/tiny.tar.gz sdme.sha256=$sum sdme.name=tiny sdme.new=web") >"$work/qemu.1" 2>&1 &
first=$!
wait $making || { tail -n 20 "$work/dracut.log"; fail "dracut"; }
signed="sdme.pubkey=$(tail -n 1 $vm/served/minisign.pub) sdme.signature=$web/tiny.tar.gz.minisig"
cp --sparse=always $vm/disk "$tree/srv/dracut.disk"
(boot dracut dracut "sdme.import=$web/tiny.tar.gz $signed sdme.name=tiny sdme.new=web") >"$work/qemu.2" 2>&1 &
second=$!

note "the first image in namespaces: shell and programs are its own, the network is this host's"
image=$vm/image
unpack() { mkdir $image && chroot "$tree" unmkinitramfs /srv/initramfs-tools /tmp/image && cp -a "$tree"/tmp/image/. $image/; }
check "unpack" unpack
[ -d $image/main ] && image=$image/main
mkdir -p $image/{proc,dev,run,root}
devices $image/dev

# As the initramfs does with this command line. What is said there goes to the console; here there is none, so it can be read.
real=$vm/real
run() { # WORDS...
  printf '%s\n' "BOOT_IMAGE=/vmlinuz quiet $*" >"$work/cmdline"
  # shellcheck disable=SC2016  # expanded inside
  capture unshare --mount --propagation private sh -c '
    mount --bind "$2" "$1/root" && mount -t proc proc "$1/proc" && mount --bind "$3" "$1/proc/cmdline" && mount -t tmpfs tmpfs "$1/run" || exit 99
    chroot "$1" ${4:-/bin/sh} -c "(set -- /root; . /usr/lib/sdme/initramfs)"
    code=$?
    ls "$1/run/systemd/system/multi-user.target.wants" 2>/dev/null
    exit $code
  ' _ "$image" "$real" "$work/cmdline" "${shell:-}"
  # The boot goes on, whatever was said.
  [ "$status" = 0 ] || { shown run "$@"; fail "status $status"; }
}
fresh() { rm -rf --one-file-system $real && cp -a $vm/system $real; }
nothing() {
  checks=$((checks + 1))
  [ ! -e $real/var/lib/sdme/fs ] || [ -z "$(ls -A $real/var/lib/sdme/fs)" ] || { ls -A $real/var/lib/sdme/fs; fail "something was imported"; }
  equals "$stdout" ""
}
refused() { # PATTERN WORDS...
  local pattern=$1
  shift
  run "$@"
  contains "$stderr" "$pattern"
  equals "$(wc -l <<<"$stderr")" 1
  nothing
}
source="sdme.import=$here_web/tiny.tar.gz"

fresh
run quiet splash
equals "$stderr" ""
nothing
refused 'needs sdme.sha256=' "$source"
refused 'needs sdme.sha256=' "$source" sdme.sha256= sdme.new=web
refused 'needs sdme.sha256=' "$source" "sdme.pubkey=RWQ="
refused 'needs sdme.sha256=' "$source" "sdme.signature=$web/x"
refused 'is the key itself' "$source" "sdme.pubkey=$here_web/minisign.pub" "sdme.signature=$here_web/x"
refused 'no sdme.import=' sdme.new=web
refused 'not an http, https or file URL' sdme.import=/root "sdme.sha256=$sum"
refused 'not an http, https or file URL' sdme.import=--force "sdme.sha256=$sum"
refused '404' "sdme.import=$here_web/none.tar.gz" "sdme.sha256=$sum"
refused "$sum.*$next|$next.*$sum" "$source" "sdme.sha256=$next" sdme.new=web
refused 'not a name' "$source" "sdme.sha256=$sum" sdme.name=../../etc
refused 'not a name' "$source" "sdme.sha256=$sum" 'sdme.new=--all'
refused 'is not the 64 hexadecimal digits of one' "$source" 'sdme.sha256=*'

note "what the command line says is text"
for text in '$(touch${IFS}/root/ran)' '`touch${IFS}/root/ran`' ';touch${IFS}/root/ran;' '/ro*' "'" '"' '\' '%s%n' '${new}' '-rf'; do
  refused 'is not the 64 hexadecimal digits of one' "$source" "sdme.sha256=$text"
  refused 'not a name' "$source" "sdme.sha256=$sum" "sdme.name=$text"
  refused 'nothing was imported$' "sdme.import=$here_web/$text" "sdme.sha256=$sum"
done
refuse "nothing ran" test -e $real/ran

note "a system whose datadir is elsewhere when it runs"
rm -rf ${real:?}/var && ln -s /srv/var $real/var
refused 'by a symlink' "$source" "sdme.sha256=$sum"
fresh
printf '# /dev/vdb /var ext4\n/dev/vdb\t/var ext4 defaults 0 2\n' >$real/etc/fstab
refused 'is on /var, which is not mounted yet' "$source" "sdme.sha256=$sum"
echo datadir=/data/sdme >$real/etc/sdme.conf
mkdir $real/data
run "$source" "sdme.sha256=$sum"
contains "$stderr" 'sdme: tiny is imported'
check "in the datadir of the system" test -d $real/data/sdme/fs/tiny

note "each shell that an initramfs may have"
cp "$tree/usr/bin/dash" $image/bin/dash
cp -a "$tree"/usr/lib/klibc/bin/sh $image/bin/klibc-sh
cp -a "$tree"/usr/lib/klibc-*.so $image/usr/lib/
for shell in /bin/sh /bin/dash /bin/klibc-sh; do
  fresh
  run "$source" "sdme.sha256=$sum" sdme.new=web sdme.typo=1
  equals "$stderr" "sdme: sdme.typo is not known, and not heeded
sdme: web is imported
sdme: web is made of web
sdme: web starts with the system"
  equals "$stdout" sdme@web.service
done
shell=''

note "the next boot: nothing is fetched again; another image takes its place, and the container stays"
before=$(asked tiny.tar.gz)
echo kept >"$real/var/lib/sdme/containers/web/kept"
run "$source" "sdme.sha256=$sum" sdme.new=web
equals "$stdout" sdme@web.service
equals "$(asked tiny.tar.gz)" "$before"
run "sdme.import=$here_web/next.tar.gz" "sdme.sha256=$next" sdme.new=web
equals "$stdout" sdme@web.service
contains "$(cat $real/var/lib/sdme/fs/web/etc/os-release)" 'Tiny 2'
equals "$(cat $real/var/lib/sdme/containers/web/kept)" kept
run "$source" "sdme.sha256=$next" sdme.new=web
equals "$stdout" sdme@web.service
run "$source" "sdme.sha256=$(printf '0%.0s' {1..64})" sdme.new=web
contains "$stderr" 'nothing was imported'
equals "$stdout" ""
contains "$(cat $real/var/lib/sdme/fs/web/etc/os-release)" 'Tiny 2'
run "$source" "sdme.sha256=$sum" sdme.name=other sdme.new=web
contains "$stderr" 'web is not started: .* of another root filesystem than other'
equals "$stdout" ""

note "a system that cannot start it"
fresh
rm $real/usr/lib/systemd/system/sdme@.service
run "$source" "sdme.sha256=$sum" sdme.new=web
contains "$stderr" 'web is not started: the system has no sdme@.service'
fresh
ln -sfn ../lib/sysvinit/init $real/sbin/init
run "$source" "sdme.sha256=$sum" sdme.new=web
contains "$stderr" "web is not started: the system's init is not systemd"
equals "$stdout" ""

note "the binary alone: no bus, no /etc, no /var, no PATH, no shell; standard input, output and error null or closed"
bare=$vm/bare
mkdir -p $bare/{proc,dev,data}
cp "$tree/usr/bin/sdme" $bare/sdme
cp $vm/served/tiny.tar.gz $bare/
devices $bare/dev
mount -t proc proc $bare/proc
alone() { env -i PATH=/nonexistent /usr/sbin/chroot $bare /sdme --datadir /data/sdme "$@"; }
to_null() { alone "$@" </dev/null >/dev/null 2>&1; }
closed() { alone "$@" <&- >&- 2>&-; }
check "import" alone fs import tiny /tiny.tar.gz --sha256 "$sum"
equals "$stdout" tiny
check "to null" to_null create one -r tiny
closed create two -r tiny
check "both are there" ls $bare/data/sdme/containers
equals "$stdout" "one
two"
check "verify" alone fs verify tiny
note "authorities are built in: one that nobody knows is refused by name"
expect_exit 1 alone fs import more "$here_web/tiny.tar.gz" --sha256 "$sum"
contains "$stderr" 'of no authority that is trusted here'
check "its authority" cp "$keys/ca.pem" $bare/
check "it is believed when it is named" alone fs import more "$here_web/tiny.tar.gz" --ca-file /ca.pem --sha256 "$sum"
check "nothing else was written" sh -c "ls -A $bare | tr '\n' ' '"
equals "$stdout" "ca.pem data dev proc sdme tiny.tar.gz "

note "both virtual machines"
wait $first || { cat "$work/qemu.1"; fail "qemu"; }
wait $second || { cat "$work/qemu.2"; fail "qemu"; }
booted initramfs-tools
contains "$(said initramfs-tools)" '^year 1970'
contains "$(said initramfs-tools)" '^verified=--sha256$'
booted dracut
contains "$(said dracut)" '^verified=.*sign'

if [ -n "$full" ]; then
  note "a whole Debian: its systemd starts what the initramfs made"
  check "its disk" debian $vm/debian
  check "it boots" boot debian initramfs-tools "sdme.import=$web/debian.tar.zst sdme.sha256=$(sha256sum <$vm/served/debian.tar.zst | cut -d ' ' -f 1) sdme.new=web"
  contains "$(said debian)" '^web +running +ready +Debian'
  contains "$(said debian)" '^running'
  contains "$(said debian)" '^VERSION_CODENAME=trixie'
  contains "$(said debian)" '^active'
  contains "$(said debian)" '^web starts with the system'
  lacks "$(said debian)" '^sdme@'
  contains "$(said debian)" '^that was all'
else
  note "not tried: a whole Debian whose systemd starts the container (SDME_TEST_FULL=1)"
fi

kill $server
wait $server 2>/dev/null
exec 7>&-
umount "$tree/srv/served" "$bare/proc" "$bare/dev" $image/dev "$tree/tmp" "$tree/dev" "$tree/proc" "$tree" $vm
