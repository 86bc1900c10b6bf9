# What --json prints is as docs/schemas says, of containers in every condition and of root filesystems with and without a record.
# modes: systemd direct
# limit: 240
# A check has no input: what is printed goes through a file.
as_schema() { # SCHEMA WORDS...
  local schema=$here/schemas/$1.json
  shift
  check "sdme $*" sdme "$@" --json
  printf '%s' "$stdout" >"$work/json"
  check "sdme $* is as its schema says" sh -c 'python3 "$1" "$2" <"$3"' sh "$here/schema" "$schema" "$work/json"
}

as_schema ps ps
check "one that runs" sdme new up -- true
check "one that is stopped" sdme create down -r trixie
check "one that never will" sdme create never -r trixie
rm -rf /var/lib/sdme/containers/never/layers
mkdir /var/lib/sdme/containers/broken
printf 'version=1\nnonsense' >/var/lib/sdme/containers/broken/state
as_schema ps ps
for name in up down never broken; do as_schema show show "$name"; done

mkdir -p "$work/tree/etc" "$work/tree/usr/bin"
printf 'ID=toy\nPRETTY_NAME="A toy"\n' >"$work/tree/etc/os-release"
check "an import" sdme fs import toy "$work/tree"
mkdir /var/lib/sdme/fs/nothing
as_schema fs-ls fs ls
for name in toy trixie nothing; do as_schema fs-show fs show "$name"; done
check "away" sdme fs rm -f toy
rmdir /var/lib/sdme/fs/nothing

as_schema config-get config get
check "settings" sdme config set stop_timeout 30
as_schema config-get config get
rm /etc/sdme.conf
