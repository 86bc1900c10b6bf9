# Root filesystems that are replaced while containers start, and ones whose systemd is the host's.
# modes: systemd direct
# suites: trixie
note "a container is started while its tree's successor is unpacked"
tar -cf "$work/tree.tar" -C /var/lib/sdme/fs/trixie . || fail "tar"
mkfifo "$work/pipe"
check "import" sdme fs import guest "$work/tree.tar"
check "create" sdme create web -r guest
successor() { # CMD...: run while the half of it has been unpacked
  sdme fs import --force guest - <"$work/pipe" >"$work/out" 2>"$work/err" &
  local import=$!
  exec 9>"$work/pipe"
  head -c 50000000 "$work/tree.tar" >&9
  "$@"
  tail -c +50000001 "$work/tree.tar" >&9
  exec 9>&-
  status=0
  wait "$import" || status=$?
}
meanwhile() { check "start" sdme start web; }
successor meanwhile
equals "$status" 1
contains "$(cat "$work/err")" '^sdme: importing "-": guest cannot be replaced while web run'
check "it runs" sdme exec web true
check "its tree is whole" sdme fs verify guest
lacks "$(ls -A /var/lib/sdme/fs)" 'stage|trash'

note "one that was stopped again has the new one"
check "stop" sdme stop web
meanwhile() {
  check "start" sdme start web
  check "stop" sdme stop web
  refuse "rm" sdme fs rm guest
  refuse "rename" sdme fs rename guest other
}
successor meanwhile
equals "$status" 0
within 15000 sdme start web
check "its tree is whole" sdme fs verify guest
lacks "$(ls -A /var/lib/sdme/fs)" 'stage|trash'
check "rm" sdme rm --force web

note "its systemd is the host's"
mkdir -p "$work/linked/etc" "$work/linked/usr/bin" "$work/linked/usr/lib" "$work/linked/sbin"
echo ID=x >"$work/linked/etc/os-release"
ln -s /lib/systemd/systemd "$work/linked/sbin/init"
ln -s usr/lib "$work/linked/lib"
for target in /usr/lib/systemd /proc/self/root/usr/lib/systemd /proc/1/root/usr/lib/systemd ../../../../../../../../usr/lib/systemd; do
  ln -sfn "$target" "$work/linked/usr/lib/systemd"
  check "import" sdme fs import --force linked "$work/linked"
  contains "$stderr" 'linked has neither systemd nor D-Bus'
  refuse "$target" sdme create web -r linked
  contains "$stderr" 'has no systemd that could be its PID 1'
done
rm "$work/linked/usr/lib/systemd"
mkdir "$work/linked/usr/lib/systemd"
ln -s /usr/lib/systemd/systemd "$work/linked/usr/lib/systemd/systemd"
check "import" sdme fs import --force linked "$work/linked"
contains "$stderr" 'linked has neither systemd nor D-Bus'
refuse "the program alone" sdme create web -r linked
check "fs rm" sdme fs rm linked guest
