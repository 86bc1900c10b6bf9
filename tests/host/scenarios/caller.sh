# Odd callers: umask, no HOME, closed descriptors, an empty PATH, a read-only /etc, a closed pipe.
# modes: systemd direct
check "umask 077" sh -c 'umask 077; sdme create strict'
check "umask 000" sh -c 'umask 000; sdme create loose'
check "start both" sdme start strict loose
for name in strict loose; do
  check "everybody can use it" sdme exec "$name" -u alice ls /etc/passwd
  check "modes" sdme exec "$name" stat -c '%a %U' /
  equals "$stdout" "755 root"
done
equals "$(stat -c %a /var/lib/sdme)" 700
check "no environment at all" env -i /usr/bin/sdme exec strict true
check "nothing on PATH" env PATH=/nonexistent /usr/bin/sdme create pathless -r trixie
check "closed descriptors" sh -c '/usr/bin/sdme ps <&- >&- 2>&-; test $? -lt 126'
check "a closed stdin" sh -c '/usr/bin/sdme exec strict true <&-'
expect_exit 125 bash -c 'set -o pipefail; (ulimit -f 0; exec sdme exec strict true 2>&1) | cat'
contains "$stdout" '^sdme: .*File too large$'
expect_exit 125 unshare -m sh -c 'umount -l /proc; exec sdme exec strict true'
contains "$stderr" '/proc is not mounted'
check "a closed pipe is no failure" bash -c 'set -o pipefail; sdme ps | true'
check "json" sdme ps --json
cp "$work/stdout" "$work/ps.json"
check "it is JSON" python3 -c 'import json,sys; json.load(open(sys.argv[1]))' "$work/ps.json"
check "that of show too" sh -c 'sdme show strict --json | python3 -m json.tool'
# shellcheck disable=SC2016  # expanded by the inner shell
for json in '' --json; do
  expect_exit 1 sh -c 'sdme fs import -f kept /var/lib/sdme/fs/trixie $1 >/dev/full' _ "$json"
  equals "$stderr" "sdme: kept is imported, but that could not be written: standard output: write: No space left on device"
  check "it is" sdme fs show kept
done
check "fs rm" sdme fs rm kept
expect_exit 1 sh -c 'sdme create -r trixie >/dev/full'
contains "$stderr" '^sdme: [a-z0-9-]+ is created, but its name could not be written: standard output: write: No space left on device$'
told=$(sed -E 's/^sdme: ([a-z0-9-]+) is.*/\1/' <<<"$stderr")
check "it is, and can be named" sdme rm "$told"
check "help for a user without rights" setpriv --reuid 1000 --regid 1000 --clear-groups sdme --help
refuse "and nothing else" setpriv --reuid 1000 --regid 1000 --clear-groups sdme ps
contains "$stderr" root
sdme rm --force --all >/dev/null 2>&1
check "read-only /etc" unshare -m sh -c 'mount --bind /etc /etc && mount -o remount,bind,ro /etc && sdme create ro -r trixie && sdme start ro && sdme exec ro true && sdme rm --force ro'
