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

# Of events every line is a document, and the last one says how it went.
as_events() { # EVENT STATUS WORDS...
  local last=$1 status=$2 got=0 line
  shift 2
  sdme "$@" --json >"$work/events" 2>/dev/null || got=$?
  check "sdme $* ends with $status" test "$got" = "$status"
  while IFS= read -r line; do
    printf '%s' "$line" >"$work/json"
    check "an event is as its schema says: $line" sh -c 'python3 "$1" "$2" <"$3"' sh "$here/schema" "$here/schemas/fs-import.json" "$work/json"
  done <"$work/events"
  check "the first line of sdme $* tells the progress" sh -c 'head -n 1 "$1" | grep -q "^{.event.:.progress."' sh "$work/events"
  check "the last line of sdme $* says $last" sh -c 'tail -n 1 "$1" | grep -q "^{.event.:.$2."' sh "$work/events" "$last"
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
as_events done 0 fs import toy "$work/tree"
as_events failed 1 fs import gone "$work/none"
mkdir /var/lib/sdme/fs/nothing
as_schema fs-ls fs ls
for name in toy trixie nothing; do as_schema fs-show fs show "$name"; done
check "away" sdme fs rm -f toy
rmdir /var/lib/sdme/fs/nothing

as_schema config-get config get
check "settings" sdme config set stop_timeout 30
as_schema config-get config get
rm /etc/sdme.conf
