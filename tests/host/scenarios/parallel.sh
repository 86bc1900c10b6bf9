# Ten containers in parallel, as one batch and as ten commands; fifty commands on one name.
# modes: systemd nobus direct
# limit: 300
names=$(seq -f 'p%g' 10)
for name in $names; do check "create" sdme create "$name" -r trixie; done
# shellcheck disable=SC2086
check "start ten" sdme start $names
for name in $names; do check "exec in $name" sdme exec "$name" true; done
check "ps" sdme ps
equals "$(grep -c running <<<"$stdout")" 10
check "stop all" sdme stop --all
for name in $names; do sdme rm --force "$name" >/dev/null 2>&1 & done
wait
check "ps" sdme ps
lacks "$stdout" '^p[0-9]'

note "fifty creates of one name: exactly one makes it"
for try in $(seq 50); do (sdme create same -r trixie >"$work/$try.out" 2>"$work/$try.err" && : >"$work/$try.won") & done
wait
equals "$(find "$work" -name '*.won' | wc -l)" 1
note "start and rm at once: either order, but whole"
for try in $(seq 5); do
  sdme start same >/dev/null 2>&1 &
  sdme rm --force same >"$work/out" 2>&1 &
  wait
  sdme rm --force same >/dev/null 2>&1
  check "make it anew" sdme create same -r trixie
done
note "twenty starts of one name: it runs, and each says so"
for try in $(seq 20); do (sdme start same >"$work/$try.start" 2>&1 && : >"$work/$try.started") & done
wait
cat "$work"/*.start
equals "$(find "$work" -name '*.started' | wc -l)" 20
check "stop" sdme stop --kill same
note "a start that nobody waits for can be stopped and removed at once"
for try in $(seq 5); do
  check "start" sdme start --wait none same
  check "stop" sdme stop --kill same
  sleep 0.3
  check "ps" sdme ps
  contains "$stdout" '^same +stopped'
done
note "and one that has only begun to boot hears that it shall power off"
for delay in 0.02 0.05 0.08 0.11 0.14 0.17; do
  check "start" sdme start --wait none same
  sleep "$delay"
  within 30000 sdme stop -t 60 same
done
check "start" sdme start --wait none same
check "rm" sdme rm --force same
sleep 0.3
check "ps" sdme ps
lacks "$stdout" '^same '
note "all are removed by ten at once: whoever is late has nothing to complain of"
for number in $(seq 20); do check "create" sdme create "all$number" -r trixie; done
for try in $(seq 10); do (sdme rm --force --all >"$work/$try.rm" 2>&1 && : >"$work/$try.removed") & done
wait
cat "$work"/*.rm
equals "$(find "$work" -name '*.removed' | wc -l)" 10
