# A clone of "/" is made, listed, booted, used, stopped, booted again and removed.
# modes: systemd nobus direct bare hybrid
check "create" sdme create web
equals "$stdout" web
refuse "the name is taken" sdme create web
check "ps" sdme ps
contains "$stdout" '^web +stopped'
within 60000 sdme start web
check "it runs already" sdme start web
check "ps" sdme ps
contains "$stdout" '^web +running'
check "PID 1" sdme exec web cat /proc/1/comm
equals "$stdout" systemd
check "it has booted" sdme exec web sh -c 'systemctl is-system-running || test "$(systemctl is-system-running)" = degraded'
check "its name is its own" sdme exec web cat /proc/sys/kernel/hostname
equals "$stdout" web
check "it can write" sdme exec web sh -c 'echo 1 >/kept && rm /etc/debian_version'
refuse "the host does not see it" test -e /kept
check "the host keeps what is removed there" test -e /etc/debian_version
check "stop" sdme stop web
check "it is stopped already" sdme stop web
check "ps" sdme ps
contains "$stdout" '^web +stopped'
for way in --term --kill; do
  check "start" sdme start web
  check "stop $way" sdme stop $way web
  check "ps" sdme ps
  contains "$stdout" '^web +stopped'
done
check "start again" sdme start web
check "what was written stays" sdme exec web test -e /kept
refuse "what was removed stays away" sdme exec web test -e /etc/debian_version
check "show" sdme show web
contains "$stdout" web
check "rm of a running one" sdme rm --force web
check "ps" sdme ps
lacks "$stdout" web
refuse "nothing is left of it" test -e /var/lib/sdme/containers/web
