# The system that runs is imported while it changes: whole, without what is mounted, without the datadir; and boots.
# modes: systemd direct
# suites: trixie
note "while logs grow and files come and go"
sdme create other >/dev/null || fail "create"
(while :; do echo line >>/var/log/busy; touch /var/tmp/fleeting; rm /var/tmp/fleeting; done) &
busy=$!
for round in 1 2 3 4; do
  check "import $round" sdme fs import --force itself /
  contains "$stderr" 'the system that runs here: .* the datadir are left out'
done
kill "$busy"
wait "$busy" 2>/dev/null

note "on one filesystem, without itself"
tree=/var/lib/sdme/fs/itself
lacks "$(ls -A "$tree/var/lib")" sdme
equals "$(ls -A "$tree/proc" "$tree/sys" "$tree/srv/archives" | grep -v :)" ""
lacks "$(ls -A /var/lib/sdme/fs)" 'stage|trash'
check "show" sdme fs show itself
contains "$stdout" '"var/lib/sdme": the datadir'
contains "$stdout" '"proc": what is mounted there'
check "verify" sdme fs verify itself

note "with what is mounted, but not what the kernel makes up"
check "import" unshare -m bash -c "umount -R /srv/*; sdme fs import --cross-mounts --force itself /"
equals "$(ls -A "$tree/proc" "$tree/sys" | grep -v :)" ""
check "it boots" sdme new web -r itself -- systemctl is-system-running --wait
contains "$stdout" 'running|degraded'
check "rm" sdme rm --force web other
check "fs rm" sdme fs rm itself
rm -f /var/log/busy
