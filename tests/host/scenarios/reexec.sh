# The container's systemd reads its units again, or executes itself anew, as when it is upgraded, under a running command.
# modes: systemd nobus direct
# limit: 240
# What ends while there is no manager to see it has a status that nobody knows: then that is said, and nothing else.
known_or_lost() { # CODE CMD...
  local code=$1
  shift
  checks=$((checks + 1))
  capture "$@"
  [ "$status" = "$code" ] || { [ "$status" = 125 ] && grep -q 'its exit status is lost' <<<"$stderr"; } || { shown "$@"; fail "exit status $status, not $code"; }
}
for guest in $guests; do
  note "$guest"
  check "create" sdme create "re-$guest" -r "$guest"
  check "start" sdme start "re-$guest"
  expect_exit 5 sdme exec "re-$guest" sh -c 'systemctl daemon-reload; exit 5'
  expect_exit 6 sdme exec "re-$guest" sh -c 'systemctl daemon-reload; sleep 0.3; exit 6'
  expect_exit 7 sdme exec "re-$guest" sh -c 'systemctl daemon-reexec; sleep 2; exit 7'
  known_or_lost 8 sdme exec "re-$guest" sh -c 'systemctl daemon-reexec; exit 8'
  known_or_lost 0 sdme exec "re-$guest" systemctl daemon-reexec
  terminal -- sdme join "re-$guest" <<STEPS
expect root@re-$guest
send systemctl daemon-reexec; sleep 2; echo still=here\n
expect still=here\r
send exit 9\n
exit 9
STEPS
  check "rm" sdme rm --force "re-$guest"
done
