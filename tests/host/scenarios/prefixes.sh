# A unique beginning is a name; an exact name wins; an ambiguous one lists the candidates; rm and stop ask.
# modes: systemd direct
for name in web web-one web-two database; do check "create" sdme create "$name" -r trixie; done
check "a unique beginning" sdme start data
expect_exit 0 sdme exec data true
expect_exit 0 sdme exec d true
check "an exact name wins" sdme show web
refuse "an ambiguous one" sdme show web-
contains "$stderr" 'web-one.*web-two'
refuse "rm does not take a beginning off a terminal" sdme rm data
refuse "stop neither" sdme stop data
check "it still runs" sdme exec database true
terminal -- sdme stop data <<'STEPS'
expect database
send n\n
exit 1
STEPS
check "it was asked and said no" sdme exec database true
check "made-up names" sh -c 'sdme create -r trixie && sdme create -r trixie'
equals "$(sort -u <<<"$stdout" | wc -l)" 2
contains "$stdout" '^[a-z]{6,}$'
check "--name" sdme create --name named -r trixie
equals "$stdout" named
for bad in '' . .. a/b 'a b' -a ../x "$(printf 'a\nb')" "$(printf 'x%.0s' $(seq 300))" 'a%i' 'a$b' "é"; do
  refuse "a bad name: $(printf '%q' "$bad")" sdme create --name "$bad" -r trixie
done
