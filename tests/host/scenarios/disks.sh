# The same tree in disk images of every kind: each import equals the directory's, boots, and goes away again; a virtual
# machine's image becomes a container that waits for nothing.
# What reads an image does not ask for the host's systemd: without one it is tried in one suite.
# modes: systemd direct@trixie
# limit: 900
[ -d /srv/disks ] || skip "the disk images were not made: tests/host/disks"
disks=/srv/disks
tree_of() { tail -n 1 <<<"$stdout" | grep -o '"tree":"[^"]*"'; }
# Nothing but what has a name: no stage, no mount.
nothing_left() {
  lacks "$(ls -A /var/lib/sdme/fs)" 'stage|trash|bad'
  lacks "$(cat /proc/mounts)" '/dev/loop.*(stage|sdme/fs/\.)'
}
loops() { grep -sE 'sdme/fs/|/srv/disks' /sys/block/loop*/loop/backing_file | sort; }
gone() { check "fs rm" sdme fs rm --force "$1"; }
# The kernel's loop devices are everybody's. Those of other hosts' imports go with them; what stays is ours.
no_loops() {
  local before
  before=$(loops)
  for _ in {1..400}; do
    before=$(comm -12 <(printf '%s\n' "$before") <(loops))
    [ -n "$before" ] || return 0
    sleep 0.2
  done
  fail "loop devices were left: $before"
}

note "the tree itself: what all others have to equal"
check "import" sdme fs import --json plain $disks/tree
expected=$(tree_of)
contains "$expected" 'sha256:[0-9a-f]{64}'

for image in "$disks"/gpt-*.raw* "$disks"/mbr-*.raw "$disks"/bare-*.raw "$disks"/{plain,zlib,zstd}.qcow2*; do
  note "${image##*/}"
  check "import" sdme fs import --json guest "$image"
  equals "$(tree_of)" "$expected"
  contains "$stderr" 'the root is '
  nothing_left
  case $image in
    *gpt-btrfs.raw | *mbr-ext4.raw | *erofs.raw | *zstd.qcow2)
      check "it boots" sdme new web -r guest -- systemctl is-system-running --wait
      contains "$stdout" 'running|degraded'
      check "rm" sdme rm --force web
      ;;
  esac
  check "fs rm" sdme fs rm guest
done
for fs in xfs btrfs erofs squashfs; do
  grep -qw $fs /proc/filesystems || note "not tried: this kernel has no $fs"
done

note "checked, from standard input, and by its format"
check "with its sum" sdme fs import --json --sums "$disks/SHA256SUMS" guest "$disks/zlib.qcow2"
equals "$(tree_of)" "$expected"
check "from standard input" sh -c "sdme fs import --json -f guest --format qcow2 - <$disks/zstd.qcow2"
equals "$(tree_of)" "$expected"
check "a partition by its number" sdme fs import --json -f guest "$disks/gpt-ext4.raw" --partition 2
equals "$(tree_of)" "$expected"
contains "$stderr" 'it was asked for'

note "refused by name, and nothing is left"
expect_exit 2 sdme fs import bad "$disks/gpt-ext4.raw" --partition 9
contains "$stderr" 'there is partition 1 .*partition 2 '
expect_exit 1 sdme fs import bad "$disks/plain.qcow2" --format raw
contains "$stderr" 'looks like a QCOW2 disk image'
expect_exit 1 sdme fs import bad "$disks/gpt-ext4.raw.xz" --format tar
contains "$stderr" 'looks like a raw disk image'
head -c 100000000 "$disks/plain.qcow2" >"$work/cut.qcow2"
expect_exit 1 sdme fs import bad "$work/cut.qcow2"
contains "$stderr" 'cut short'
head -c 100000000 "$disks/gpt-ext4.raw" >"$work/cut.raw"
expect_exit 1 sdme fs import bad "$work/cut.raw"
contains "$stderr" 'cut short'
rm "$work"/cut.*
expect_exit 130 timeout --preserve-status -s INT 0.2 sdme fs import bad "$disks/gpt-ext4.raw.xz"
expect_exit 130 timeout --preserve-status -s INT 0.2 sdme fs import bad "$disks/zlib.qcow2"
nothing_left
no_loops

note "kill -9 in the middle: no device and no mount stays, and the next import removes the stage"
for image in gpt-ext4.raw gpt-ext4.raw.xz zlib.qcow2; do
  for after in 0.1 0.3; do capture timeout -s KILL "$after" sdme fs import bad "$disks/$image"; done
  # One may have been done.
  [ ! -e /var/lib/sdme/fs/bad ] || gone bad
done
no_loops
# The kernel takes a while to end what held much; until then its stage is not one that was left.
swept() { sdme fs import -f --json guest "$disks/zstd.qcow2" && [ -z "$(find /var/lib/sdme/fs -maxdepth 1 -name '.stage*')" ]; }
wait_for 60 swept
equals "$(tree_of)" "$expected"
nothing_left
no_loops

if [ -f "$here/keys/server.pem" ]; then
  serve port "$disks" --tls "$here/keys/server.pem" "$here/keys/server.key"
  web=https://127.0.0.1:$port ca=(--ca-file "$here/keys/ca.pem")
  sum() { sed -n "s/ .* *$1\$//p" "$disks/SHA256SUMS"; }
  # A raw one that is small.
  raw=bare-squashfs.raw
  [ -f "$disks/$raw" ] || raw=gpt-ext4.raw
  for image in zstd.qcow2 gpt-ext4.raw.xz $raw; do
    note "$image from a server that cuts every 9 MB, checked by the sums beside it"
    check "import" sdme fs import served "$web/$image?cut=9000000&etag=$image" "${ca[@]}" --sums "$web/SHA256SUMS"
    contains "$stderr" 'trying again'
    contains "$stderr" 'the root is '
    check "show" sdme fs show served
    contains "$stdout" "tree: +${expected:8:-1}"
    contains "$stdout" "digest: +sha256:$(sum "$image")"
    case $image in
      *.qcow2)
        check "it boots" sdme new web -r served -- systemctl is-system-running --wait
        contains "$stdout" 'running|degraded'
        check "rm" sdme rm --force web
        ;;
    esac
    gone served
    note "$image: another digest, lengths that lie, and a server that stops"
    wrong=$(printf '0%.0s' {1..64})
    expect_exit 1 sdme fs import bad "$web/$image" "${ca[@]}" --sha256 "$wrong"
    contains "$stderr" "$wrong"
    contains "$stderr" "$(sum "$image")"
    expect_exit 1 sdme fs import bad "$web/$image?length=5&etag=a" "${ca[@]}"
    contains "$stderr" "$web/$image"
    # What comes is shorter than the file, as is said: only a digest tells, where the format does not.
    expect_exit 1 sdme fs import bad "$web/$image?length=-5&etag=a" "${ca[@]}" --sums "$web/SHA256SUMS"
    contains "$stderr" "$image"
    expect_exit 130 timeout --preserve-status -s INT 1 sdme fs import bad "$web/$image?stall=5000000" "${ca[@]}"
    nothing_left
  done
  serve_no_more
  no_loops
else
  note "not tried from a server: openssl is missing outside"
fi

note "a virtual machine: what belongs to its root is joined, what waits for hardware is taken out and told"
check "import" sdme fs import vm "$disks/vm.qcow2"
for part in '/boot is partition 2' '/var is partition 4'; do contains "$stderr" "$part"; done
check "show" sdme fs show vm
for change in '/etc/fstab: [0-9]+ entries' 'cloud-init.disabled: made' 'serial-getty@ttyS0.service: masked' 'more.mount: masked'; do
  contains "$stdout" "$change"
done
tree=/var/lib/sdme/fs/vm
check "what its /boot held" grep -q kernel $tree/boot/vmlinuz
refuse "and not what was below it" test -e $tree/boot/hidden
refuse "nothing above the tree" test -e /var/lib/sdme/fs/escape
check "its /var" test -d $tree/var/lib/dpkg
lacks "$(grep -v '^#' $tree/etc/fstab)" 'UUID|LABEL|/dev/'
contains "$(cat $tree/etc/fstab)" '^tmpfs /tmp'
began=$(now_ms)
check "it boots" sdme new web -r vm -- systemctl is-system-running --wait
contains "$stdout" 'running|degraded'
[ $(($(now_ms) - began)) -lt 60000 ] || fail "it took $(($(now_ms) - began)) ms to boot"
check "rm" sdme rm --force web
check "verify" sdme fs verify vm
check "fs rm" sdme fs rm --force plain guest vm
nothing_left
no_loops
