# A tree of NixOS's shape boots: its init is a script below /nix, found through absolute symlinks, and nspawn would find none.
# modes: systemd nobus direct
# limit: 300
[ -d /var/lib/sdme/fs/trixie ] || skip "there is no trixie tree to make one of"

# A Debian tree in NixOS's order. Programs, systemd and /etc are in three places of the store, a profile names them, and /usr, /bin,
# /sbin and what is in /etc are made by the script that starts systemd, as NixOS's stage 2 does. /lib and /lib64 stay, as
# links: Debian's programs name their loader by them.
nixos() { # TREE
  local tree=$1 store=$1/nix/store link
  mkdir -p "$store" "$tree/nix/var/nix/profiles"
  mv "$tree/usr" "$store/a-debian"
  rm "$tree/bin" "$tree/sbin" "$tree/lib" "$tree/lib64"
  for link in lib lib64; do ln -s "/nix/store/a-debian/$link" "$tree/$link"; done
  mkdir -p "$store/b-sw" "$store/c-systemd/lib" "$store/e-nixos-system"
  mv "$store/a-debian/bin" "$store/b-sw/bin"
  find "$store/a-debian/sbin" -mindepth 1 -exec mv -n -t "$store/b-sw/bin" {} +
  rm -rf "$store/a-debian/sbin"
  mv "$store/a-debian/lib/systemd" "$store/c-systemd/lib/systemd"
  ln -s /run/current-system/systemd/lib/systemd "$store/a-debian/lib/systemd"
  ln -sfn /nix/store/c-systemd/lib/systemd/systemd "$store/b-sw/bin/init"
  # Debian's units name their programs by /usr/bin, or by nothing.
  find "$store/c-systemd/lib/systemd/system" -type f -exec sed -i -E \
    -e 's#=([-@!+:|]*)(/usr)?/s?bin/#=\1/run/current-system/sw/bin/#' \
    -e 's#^(Exec[A-Za-z]*=[-@!+:]*)([a-z])#\1/run/current-system/sw/bin/\2#' {} +
  mv "$tree/etc" "$store/d-etc"
  mkdir "$tree/etc"
  sed -i 's#^root:\(.*\):[^:]*$#root:\1:/run/current-system/sw/bin/bash#' "$store/d-etc/passwd"
  echo 'export PATH=/run/wrappers/bin:/run/current-system/sw/bin' >"$store/d-etc/profile"
  printf 'ID=nixos\nPRETTY_NAME="NixOS, nearly"\n' >"$store/d-etc/os-release.new"
  rm -f "$store/d-etc/os-release"
  mv "$store/d-etc/os-release.new" "$store/d-etc/os-release"
  ln -s /nix/store/c-systemd/lib/systemd/system/dbus.socket "$store/d-etc/systemd/system/dbus.socket"
  ln -s /nix/store/b-sw "$store/e-nixos-system/sw"
  ln -s /nix/store/c-systemd "$store/e-nixos-system/systemd"
  ln -s /nix/store/d-etc "$store/e-nixos-system/etc"
  cat >"$store/e-nixos-system/init" <<'INIT'
#!/nix/store/b-sw/bin/bash
export PATH=/nix/store/b-sw/bin
[ $$ = 1 ] || exit 1
[ "$container" = systemd-nspawn ] || exit 1
mkdir -p /run /usr /bin /tmp
ln -sfn "$(readlink -f /nix/var/nix/profiles/system)" /run/current-system
for name in /nix/store/a-debian/*; do ln -sfn "$name" "/usr/${name##*/}"; done
mkdir -p /usr/bin
# What Debian's systemd and PAM have compiled in.
mkdir -p /usr/sbin /sbin
for name in /usr/sbin /sbin; do ln -sfn /run/current-system/sw/bin/unix_chkpwd "$name/unix_chkpwd"; done
for name in env mount umount; do ln -sfn "/run/current-system/sw/bin/$name" "/usr/bin/$name"; done
ln -sfn /run/current-system/sw/bin/bash /bin/sh
ln -sfn "$(readlink -f /run/current-system/etc)" /etc/static
for name in /etc/static/*; do
  case ${name##*/} in
    machine-id | hostname | hosts | resolv.conf) ;;
    passwd | group | shadow | gshadow) [ -e "/etc/${name##*/}" ] || cp -p "$name" "/etc/${name##*/}" ;;
    *) ln -sfn "$name" "/etc/${name##*/}" ;;
  esac
done
echo "$*" >/run/activated
exec /run/current-system/systemd/lib/systemd/systemd "$@"
INIT
  chmod 0755 "$store/e-nixos-system/init"
  ln -s system-1-link "$tree/nix/var/nix/profiles/system"
  ln -s /nix/store/e-nixos-system "$tree/nix/var/nix/profiles/system-1-link"
}

cp -a /var/lib/sdme/fs/trixie "$work/tree"
nixos "$work/tree"
for name in usr bin sbin etc/os-release lib/systemd/systemd; do
  [ ! -e "$work/tree/$name" ] || fail "$name is there: the tree is not NixOS's shape"
done
if command -v systemd-nspawn >/dev/null; then
  note "what nspawn makes of it alone"
  expect_exit 1 systemd-nspawn --quiet --register=no --keep-unit -D "$work/tree" --boot
  note "$stderr"
fi

check "import" sdme fs import --json nixos "$work/tree"
contains "$stdout" '"os":"NixOS, nearly"'
contains "$stdout" '"lacks":null'
rm -rf "$work/tree"
check "create" sdme create web -r nixos
before=$(cd /var/lib/sdme/fs/nixos && find . -printf '%p %y %m %T@\n' | sort | sha256sum)

for round in first second; do
  note "the $round start"
  check "start" sdme start web
  check "its script ran, and no more was told to it than by --boot" sdme exec web cat /run/activated
  equals "$stdout" ""
  check "PID 1 is its systemd" sdme exec web cat /proc/1/comm
  equals "$stdout" systemd
  check "it is up" sdme exec web systemctl is-system-running --wait
  check "a program that only its profile has" sdme exec web sh -c 'command -v systemctl; echo "$PATH"'
  contains "$stdout" '^/run/current-system/sw/bin/systemctl$'
  expect_exit 3 sdme exec web -u alice bash -c 'exit 3'
  check "a session" sdme join web -- bash -c 'loginctl --no-legend list-sessions; echo "shell $SHELL"'
  contains "$stdout" ' root '
  contains "$stdout" 'shell /run/current-system/sw/bin/bash'
  terminal -- sdme join web <<'STEPS'
expect [#$]
send echo $0 $(id -un)\n
expect -bash root
send exit\n
exit 0
STEPS
  check "ps" sdme ps
  contains "$stdout" '^web +running.*NixOS, nearly'
  check "stop" sdme stop web
done

note "the tree itself is as it was imported"
equals "$(cd /var/lib/sdme/fs/nixos && find . -printf '%p %y %m %T@\n' | sort | sha256sum)" "$before"
check "verify" sdme fs verify nixos
check "rm" sdme rm --force web
check "fs rm" sdme fs rm nixos
