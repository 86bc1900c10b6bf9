# What a scenario says. Sourced inside the test host, before the scenario; the first thing that does not hold ends it.
#
#   check WHAT CMD...        CMD succeeds
#   refuse WHAT CMD...       CMD fails (with whatever status)
#   expect_exit CODE CMD...  CMD exits with exactly CODE
#   capture CMD...           runs it; $status, $stdout, $stderr
#   equals A B               two texts are the same
#   contains TEXT PATTERN    TEXT has a line that the extended regular expression matches; lacks: none
#   within MS CMD...         CMD succeeds, in at most so many milliseconds
#   wait_for SECONDS CMD...  CMD succeeds sooner or later
#   terminal ARGS <<STEPS    a command on a real terminal, driven by these steps: see the file terminal
#   serve VARIABLE ARGS...   a web server (tests/server/serve) whose port is then in VARIABLE; it ends with the scenario
#   note TEXT                shown when the scenario fails
#   skip WHY                 this cannot be tried here
#   fail WHAT
#
# $suite (bookworm trixie sid), $mode (systemd nobus direct bare overlay hybrid) and $guests (root filesystems at hand) say where
# it runs; $full is set when time does not matter. What the scenario makes with sdme in the default datadir is removed after it; what cannot be is a failure.
# shellcheck shell=bash disable=SC2034,SC2154

set -uo pipefail
here=/usr/local/lib/sdme-test
guests="bookworm trixie sid"
work=$(mktemp -d /run/scenario.XXXXXX)
checks=0
status=0 stdout='' stderr=''

note() { printf '%s\n' "$*"; }

fail() {
  # The outermost frame is the scenario's own line.
  printf 'failed: %s (%s line %s)\n' "$*" "$scenario" "${BASH_LINENO[${#BASH_LINENO[@]} - 2]}"
  exit 1
}

skip() { printf 'skip: %s\n' "$*"; exit 77; }

capture() {
  status=0
  "$@" >"$work/stdout" 2>"$work/stderr" </dev/null || status=$?
  # NUL bytes cannot be in a variable; compare files where they matter.
  stdout=$(tr -d '\0' <"$work/stdout") stderr=$(tr -d '\0' <"$work/stderr")
}

# What a failed command was and said.
shown() {
  printf '  $'; printf ' %q' "$@"; printf '\n  status %s\n' "$status"
  sed 's/^/  out: /' "$work/stdout" | head -n 40
  sed 's/^/  err: /' "$work/stderr" | head -n 40
}

check() {
  local what=$1
  shift
  checks=$((checks + 1))
  capture "$@"
  [ "$status" = 0 ] || { shown "$@"; fail "$what"; }
}

refuse() {
  local what=$1
  shift
  checks=$((checks + 1))
  capture "$@"
  [ "$status" != 0 ] || { shown "$@"; fail "$what"; }
}

expect_exit() {
  local code=$1
  shift
  checks=$((checks + 1))
  capture "$@"
  [ "$status" = "$code" ] || { shown "$@"; fail "exit status $status, not $code"; }
}

equals() {
  checks=$((checks + 1))
  [ "$1" = "$2" ] || fail "not equal: $(printf '%q and %q' "$1" "$2")"
}

contains() {
  checks=$((checks + 1))
  grep -Eq -- "$2" <<<"$1" || { sed 's/^/  | /' <<<"$1" | head -n 60; fail "nothing matches $2"; }
}

lacks() {
  checks=$((checks + 1))
  ! grep -Eq -- "$2" <<<"$1" || { sed 's/^/  | /' <<<"$1" | head -n 60; fail "something matches $2"; }
}

now_ms() { local t=${EPOCHREALTIME//[.,]/}; echo $((t / 1000)); }

within() {
  local limit=$1 began
  shift
  began=$(now_ms)
  check "$*" "$@"
  took=$(($(now_ms) - began))
  [ "$took" -le "$limit" ] || { shown "$@"; fail "took $took ms, more than $limit"; }
}

wait_for() {
  local until=$((SECONDS + $1))
  shift
  checks=$((checks + 1))
  until capture "$@" && [ "$status" = 0 ]; do
    [ "$SECONDS" -lt "$until" ] || { shown "$@"; fail "did not come true in time"; }
    sleep 0.1
  done
}

terminal() {
  checks=$((checks + 1))
  status=0
  "$here/terminal" "$@" >"$work/stdout" 2>"$work/stderr" || status=$?
  stdout=$(tr -d '\0' <"$work/stdout") stderr=$(tr -d '\0' <"$work/stderr")
  [ "$status" = 0 ] || { shown terminal "$@"; fail "$stderr"; }
}

# They end with their standard input: when this shell does, however that comes.
servers=()
serve() {
  local variable=$1 said=$work/port.$1
  shift
  [ -p "$work/hold" ] || { mkfifo "$work/hold" && exec 7<>"$work/hold"; }
  python3 "$here/serve" "$@" <"$work/hold" >"$said" 2>/dev/null 7>&- &
  servers+=($!)
  wait_for 10 grep -q . "$said"
  printf -v "$variable" %s "$(cat "$said")"
}

serve_no_more() {
  kill "${servers[@]}"
  wait "${servers[@]}" 2>/dev/null
  exec 7>&-
  servers=()
}

tidy() {
  local code=$?
  trap - EXIT
  sdme rm --force --all >/dev/null 2>&1 </dev/null
  rm -rf --one-file-system "$work"
  [ "$code" != 0 ] || printf '%s checks\n' "$checks"
  exit "$code"
}
trap tidy EXIT
