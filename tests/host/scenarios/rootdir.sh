# A system is built in a directory, with a container that starts with it: by the scripts of docs/guide/examples. It boots, and so does
# the container. What enable links is what systemctl links.
# limit: 240
tree=/var/lib/sdme/fs/$suite
image=$work/image
changed=/srv/rootdir
links() { find "$1/etc/systemd/system" \( -name '*.wants' -o -name 'sdme@*' \) -printf '%P %l\n' | sort; }

# Where it is built overlays cannot be made, as in a CI container; what was built lies on a disk afterwards.
mkdir -p "$image" "$changed/upper" "$changed/work"
check "an overlay to build in" mount -t overlay -o "lowerdir=$tree,upperdir=$changed/upper,workdir=$changed/work" image "$image"
run_before=$(find /run/sdme 2>/dev/null | sort)
check "the pipeline" env GUEST="$tree" SDME=/usr/bin/sdme "$here/examples/debootstrap.sh" "$image"
contains "$stdout" '^web$'
equals "$(find /run/sdme 2>/dev/null | sort)" "$run_before"
check "ps" sdme --root "$image" ps --json
contains "$stdout" '"status":"stopped".*"enabled":true'
check "show" sdme --root "$image" show web
contains "$stdout" '^starts at boot: +yes'
check "verify" sdme --root "$image" fs verify guest

# The links are systemctl's own, made and removed.
ours=$(links "$image")
contains "$ours" 'machines.target.wants/sdme@web.service'
check "systemctl takes it for enabled" systemctl --root="$image" is-enabled sdme@web
check "systemctl disables it" systemctl --root="$image" disable sdme@web
without=$(links "$image")
check "systemctl enables it" systemctl --root="$image" enable sdme@web
equals "$(links "$image")" "$ours"
check "disable" sdme --root "$image" disable web
equals "$(links "$image")" "$without"
# On the running system, too.
check "a container here" sdme create here -r "$suite"
check "enable here" sdme enable here
ours=$(links /)
check "is enabled" systemctl is-enabled sdme@here
check "ps" sdme ps --json
contains "$stdout" '"name":"here".*"enabled":true'
check "systemctl disables it" systemctl disable sdme@here
without=$(links /)
check "systemctl enables it" systemctl enable sdme@here
equals "$(links /)" "$ours"
check "disable here" sdme disable here
equals "$(links /)" "$without"
contains "$without" '^sdme@.service'
check "away" sdme rm -f here
rm /etc/systemd/system/sdme@.service
systemctl daemon-reload

# The same from mkosi, as it calls its script.
check "all away" sdme --root "$image" rm -f --all
check "the root filesystem" sdme --root "$image" fs rm -f guest
mkdir "$work/mkosi"
ln -s "$tree" "$work/mkosi/guest"
check "mkosi's script" env BUILDROOT="$image" SRCDIR="$work/mkosi" "$here/examples/mkosi.finalize"
check "ps" sdme --root "$image" ps
contains "$stdout" '^web +stopped'

# In a user namespace, as a build tool that was not started as root makes one: all but devices, and that is said.
mkdir -p "$work/tree/etc" "$work/tree/usr/bin" "$work/plain"
mknod "$work/tree/null" c 1 3
check "an archive with a device" tar -C "$work/tree" -cf "$work/device.tar" .
check "an archive without" tar -C "$work/tree" -cf "$work/plain.tar" --exclude=./null .
unprivileged() { unshare --user --map-root-user sdme --root "$work/plain" "$@"; }
expect_exit 1 unprivileged fs import device "$work/device.tar"
contains "$stderr" 'null": devices are made with CAP_MKNOD and outside of user namespaces only; else leave them out of the source: mknodat'
check "the other" unprivileged fs import plain "$work/plain.tar"
equals "$(ls "$work/plain/var/lib/sdme/fs")" "plain
plain.manifest
plain.origin"

# It boots, what was built in it on a disk.
check "the image boots" systemd-run -q --unit=rootdir -p Delegate=yes -p KillMode=mixed -p Type=notify \
  systemd-nspawn -q --boot --keep-unit --notify-ready=yes --machine=rootdir --directory="$image" \
  --bind="$changed/upper/var/lib/sdme:/var/lib/sdme" --private-network
leader=$(machinectl show rootdir -p Leader --value)
inside() { nsenter -t "$leader" -a "$@"; }
check "ps in it" inside /usr/local/bin/sdme ps --json
contains "$stdout" '"name":"web".*"enabled":true'
is_up() { inside /usr/local/bin/sdme ps | grep -q '^web *running'; }
wait_for 60 is_up
check "the container runs" inside /usr/local/bin/sdme exec web cat /etc/machine-id
check "its machine ID was drawn at its first boot" grep -x "machine_id=$stdout" "$changed/upper/var/lib/sdme/containers/web/state"
check "the image is stopped" systemctl stop rootdir
umount "$image"
rm -rf --one-file-system "$changed"
