# A root filesystem of every systemd version boots on every host.
# modes: systemd nobus direct
# limit: 240
for guest in $guests; do
  check "create $guest" sdme create "$guest-1" -r "$guest"
  within 60000 sdme start "$guest-1"
  check "its own system" sdme exec "$guest-1" sh -c '. /etc/os-release; echo "$VERSION_CODENAME"; systemctl --version'
  case $guest in
    bookworm) contains "$stdout" '^systemd 252 ' ;;
    trixie) contains "$stdout" '^systemd 257 ' ;;
    sid) note "$stdout" ;;
  esac
  check "a shell in a session" sdme exec "$guest-1" -u alice id -un
  equals "$stdout" alice
done
check "ps" sdme ps
for guest in $guests; do contains "$stdout" "^$guest-1 +running.*$guest"; done
check "stop all" sdme stop --all
check "rm all" sdme rm --force --all
refuse "a root filesystem that is not there" sdme create x -r nonesuch
