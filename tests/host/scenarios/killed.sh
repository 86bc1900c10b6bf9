# kill -9 of the unit, of nspawn, of sdme mid-way: no mount stays, the next command works.
# modes: systemd nobus direct
# limit: 300
check "create" sdme create web -r trixie
mounts() { awk '$1 == "overlay"' /proc/1/mounts; }
nspawn() { pgrep -f 'systemd-nspawn.*--machine=web' | head -n 1; }
stopped() { sdme ps | grep -E '^web ' | grep -Ev ' running'; }
check "start" sdme start web
note "nspawn killed"
kill -KILL "$(nspawn)"
wait_for 30 stopped
equals "$(mounts)" ''
check "start again" sdme start web
check "exec" sdme exec web true
if [ -d /run/systemd/system ]; then
  note "the whole unit killed"
  check "kill" systemctl kill --signal=KILL sdme@web
  wait_for 30 stopped
  equals "$(mounts)" ''
  check "start again" sdme start web
fi
note "its own PID 1 killed"
kill -KILL "$(pgrep -P "$(nspawn)" | head -n 1)"
wait_for 30 stopped
check "stop, whatever is left" sdme stop web

equals "$(find /tmp -name 'nspawn-root-*')" ''
note "sdme itself, at any moment of a start"
for delay in 0 0.002 0.005 0.01 0.02 0.05 0.1 0.2 0.5; do
  sdme start web >/dev/null 2>&1 &
  pid=$!
  sleep "$delay"
  kill -KILL $pid 2>/dev/null
  wait $pid 2>/dev/null
  check "start after a kill at $delay" sdme start web
  check "exec" sdme exec web true
  check "stop" sdme stop --kill web
done
note "of a create, an rm and a stop"
for delay in 0 0.001 0.002 0.004 0.008; do
  sdme create half -r trixie >/dev/null 2>&1 &
  pid=$!; sleep "$delay"; kill -KILL $pid 2>/dev/null; wait $pid 2>/dev/null
  sdme ps >"$work/ps" 2>&1 || fail "ps after a killed create"
  check "rm, whatever there is" sdme rm --force half
  check "create" sdme create half -r trixie
  sdme rm --force half >/dev/null 2>&1 &
  pid=$!; sleep "$delay"; kill -KILL $pid 2>/dev/null; wait $pid 2>/dev/null
  check "rm again" sdme rm --force half
done
note "an interrupted new leaves nothing, or a machine that runs"
for delay in 0.01 0.05 0.1 0.3; do
  # A shell's background jobs ignore SIGINT, and sdme would, too.
  env --default-signal=INT sdme new gone -r trixie -- sleep 60 >"$work/new" 2>&1 &
  pid=$!; sleep "$delay"; kill -INT $pid 2>/dev/null
  code=0; wait $pid || code=$?
  # Before it is reachable nothing stays; then it is the command's affair, and what was made stays.
  if test -e /var/lib/sdme/containers/gone; then
    check "it was made whole" sdme exec gone true
    check "rm" sdme rm --force gone
  else
    equals "$code" 130
  fi
done
note "an interrupted start stops what it has started, and nothing else"
check "create" sdme create web2 -r trixie
env --default-signal=INT sdme start web2 >/dev/null 2>&1 &
pid=$!; sleep 0.15; kill -INT $pid
code=0; wait $pid || code=$?
if [ "$code" = 130 ]; then check "it is stopped" sh -c 'sdme ps | grep -Eq "^web2 +stopped"'; else equals "$code" 0; fi
check "start" sdme start --wait none web2
env --default-signal=INT sdme start web2 >/dev/null 2>&1 &
pid=$!; sleep 0.05; kill -INT $pid
wait $pid
check "what another started goes on" sdme start web2
note "a container whose directory was taken away"
rm -rf /var/lib/sdme/containers/web2
check "ps" sdme ps
contains "$stdout" '^web2 '
check "rm" sdme rm --force web2
check "ps" sdme ps
lacks "$stdout" web2
note "a name that is mistyped leaves nothing"
refuse "boot" sdme boot typo
refuse "no record" test -e /run/sdme/units/typo
equals "$(stat -c %a /run/sdme)" 700
