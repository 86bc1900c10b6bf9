//! Completions as the shells themselves do them: real bash, zsh and fish, with the built program and a datadir.

use crate::sandbox::{self, Sandbox};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

/// What was typed, and what must be offered: exactly that, or at least that.
enum Offer {
    All(&'static [&'static str]),
    Some(&'static str),
}
use Offer::{All, Some as Among};

const CASES: [(&str, Offer); 38] = [
    ("sdme st", All(&["start", "stop"])),
    ("sdme start ", All(&["db", "web"])),
    ("sdme start w", All(&["web"])),
    ("sdme stop --all w", All(&["web"])),
    ("sdme stop db w", All(&["web"])),
    ("sdme -v show d", All(&["db"])),
    ("sdme show web w", All(&[])),
    ("sdme create -r ", All(&["jammy", "noble"])),
    ("sdme create --fs n", All(&["noble"])),
    ("sdme create we", All(&[])),
    ("sdme fs ", All(&["import", "ls", "rename", "rm", "show", "verify"])),
    ("sdme fs sh", All(&["show"])),
    ("sdme fs rm n", All(&["noble"])),
    ("sdme fs rename j", All(&["jammy"])),
    ("sdme config get boot", All(&["boot_timeout"])),
    ("sdme config set interactive y", All(&["yes"])),
    ("sdme start --wait ", All(&["booted", "none", "reachable"])),
    ("sdme start --wa", All(&["--wait"])),
    ("sdme start --timeout 2", All(&["2min"])),
    ("sdme start -t i", All(&["infinity"])),
    ("sdme exec -u roo", All(&["root"])),
    ("sdme help fs im", All(&["import"])),
    ("sdme fs import --max-bytes 2", Among("2G")),
    ("sdme exec web tru", Among("true")),
    ("sdme new web -- tru", Among("true")),
    ("sdme --datadir other start ", All(&["elsewhere"])),
    ("sdme --datadir=other start ", All(&["elsewhere"])),
    ("sdme start --datadir other ", All(&["elsewhere"])),
    ("sdme --root image enable ", All(&["inside"])),
    ("sdme --root=image/ enable ", All(&["inside"])),
    ("sdme enable --root image ", All(&["inside"])),
    ("sdme --root image fs rm ", All(&["lower"])),
    ("sdme --root image create -r ", All(&["lower"])),
    ("sdme --root image --datadir /srv/other show ", All(&["moved"])),
    ("sdme --root configured show ", All(&["told"])),
    ("sdme --root none show ", All(&[])),
    ("sdme --root / start ", All(&["db", "web"])),
    ("sdme start -t 2min ", All(&["db", "web"])),
];

struct Shell {
    program: &'static str,
    /// Run as `program WORDS`, with the line typed in `$LINE`; prints what is offered, a line each.
    script: String,
}

fn shells() -> [Shell; 3] {
    let completions = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/completions");
    let bash = r#"
        set -f
        . COMPLETIONS/sdme.bash
        split=${LINE//=/ = }
        read -ra COMP_WORDS <<<"$split"
        if [[ $LINE == *' ' ]]; then COMP_WORDS+=(''); fi
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMP_LINE=$LINE COMP_POINT=${#LINE}
        set +f
        _sdme sdme
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    // A completion widget in an interactive zsh on a terminal of its own; compadd tells what it adds.
    let zsh = r#"
        zmodload zsh/zpty
        export ZDOTDIR=$PWD OUT=$PWD/offered.$$
        : >$OUT
        zpty z zsh -f -i
        zpty -w z 'PROMPT= fpath=(COMPLETIONS $fpath); autoload -Uz compinit; compinit -D -u
            compadd() {
                if [[ ${@[1,(i)(-|--)]} == *-(O|A|D)\ * ]]; then builtin compadd "$@"; return; fi
                local -a hits
                builtin compadd -A hits "$@"
                print -rl -- $hits >>$OUT
                builtin compadd "$@"
            }
            capture() { _main_complete; print END >>$OUT }
            zle -C capture complete-word capture; bindkey "^I" capture; print READY >>$OUT'
        for i in {1..200}; do grep -q READY $OUT && break; sleep 0.05; zpty -r -t z x; done
        zpty -w -n z "$LINE"$'\t'
        for i in {1..200}; do grep -q END $OUT && break; sleep 0.05; zpty -r -t z x; done
        zpty -d z
        grep -vx -e READY -e END -e '' $OUT
        rm -f $OUT
    "#;
    let fish = r#"
        source COMPLETIONS/sdme.fish
        complete -C "$LINE" | string split -f 1 \t
    "#;
    [("bash", bash), ("zsh", zsh), ("fish", fish)]
        .map(|(program, script)| Shell { program, script: script.replace("COMPLETIONS", completions) })
}

/// Root's own datadir, with containers and root filesystems, and others that are none.
fn datadir(sandbox: &Sandbox) {
    for folder in ["containers/web", "containers/db", "containers/.stage", "containers/$(x)", "fs/noble", "fs/jammy"] {
        fs::create_dir_all(sandbox.dir.join("data").join(folder)).unwrap();
    }
    // Images: one with the default datadir and another, one whose config names its own.
    for folder in [
        "other/containers/elsewhere",
        "image/var/lib/sdme/containers/inside",
        "image/var/lib/sdme/fs/lower",
        "image/srv/other/containers/moved",
        "configured/srv/own/containers/told",
        "configured/etc",
    ] {
        fs::create_dir_all(sandbox.dir.join(folder)).unwrap();
    }
    fs::write(sandbox.dir.join("configured/etc/sdme.conf"), "datadir=/srv/own\n").unwrap();
    fs::write(sandbox.dir.join("data/fs/noble.origin"), "").unwrap();
    fs::set_permissions(sandbox.dir.join("data"), fs::Permissions::from_mode(0o700)).unwrap();
    let program = sandbox.dir.join("bin");
    fs::create_dir(&program).unwrap();
    fs::copy(env!("CARGO_BIN_EXE_sdme"), program.join("sdme")).unwrap();
}

/// What a shell offers, sorted; None when it is not installed. Whatever it complains of is a failure.
fn offered(sandbox: &Sandbox, shell: &Shell, line: &str, nobody: bool) -> Option<Vec<String>> {
    let mut command = Command::new(shell.program);
    match shell.program {
        "bash" => command.args(["--norc", "--noprofile"]),
        "zsh" => command.arg("-f"),
        _ => command.arg("--no-config"),
    };
    command.arg("-c").arg(&shell.script).env_clear().current_dir(&sandbox.dir).stdin(Stdio::null());
    let path = format!("{}/bin:/usr/bin:/bin", sandbox.dir.display());
    command.env("PATH", path).env("HOME", &sandbox.dir).env("TERM", "dumb").env("LINE", line);
    command.env("SDME_DATADIR", sandbox.dir.join("data"));
    if nobody {
        command.uid(65534).gid(65534);
    }
    let output = match command.output() {
        Err(_) => {
            eprintln!("skipped: {} is not installed (packaging/setup test)", shell.program);
            return None;
        }
        Ok(output) => output,
    };
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{} {line:?}", shell.program);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut words: Vec<String> = text.lines().map(|word| word.trim_end().to_string()).collect();
    words.retain(|word| !word.is_empty());
    words.sort();
    words.dedup();
    Some(words)
}

fn check(shell: &Shell) {
    let sandbox = Sandbox::new(&format!("complete-{}", shell.program));
    datadir(&sandbox);
    for (line, offer) in &CASES {
        let Some(words) = offered(&sandbox, shell, line, false) else { return };
        match offer {
            All(all) => assert_eq!(words, *all, "{} {line:?}", shell.program),
            Among(one) => assert!(words.iter().any(|word| word == one), "{} {line:?}: {words:?}", shell.program),
        }
    }
}

#[test]
fn bash_offers_what_there_is() {
    check(&shells()[0]);
}

#[test]
fn zsh_offers_what_there_is() {
    check(&shells()[1]);
}

#[test]
fn fish_offers_what_there_is() {
    check(&shells()[2]);
}

#[test]
fn bash_parts_a_flag_from_its_value_by_itself() {
    let sandbox = Sandbox::new("complete-equals");
    datadir(&sandbox);
    for (line, all) in [("sdme start --wait=b", "booted"), ("sdme create --fs=n", "noble")] {
        assert_eq!(offered(&sandbox, &shells()[0], line, false), Some(vec![all.to_string()]));
    }
}

#[test]
fn who_may_not_read_the_datadir_is_offered_nothing_in_silence() {
    if !sandbox::root_or_skip("completion as nobody") {
        return;
    }
    for shell in shells().iter().filter(|shell| shell.program != "zsh") {
        let sandbox = Sandbox::new(&format!("complete-nobody-{}", shell.program));
        datadir(&sandbox);
        // fish wants to write below $HOME.
        fs::set_permissions(&sandbox.dir, fs::Permissions::from_mode(0o777)).unwrap();
        for line in ["sdme start ", "sdme create -r "] {
            let words = offered(&sandbox, shell, line, true).unwrap_or_default();
            assert!(words.is_empty(), "{} {line:?}: {words:?}", shell.program);
        }
        assert_eq!(offered(&sandbox, shell, "sdme st", true).map_or(2, |words| words.len()), 2);
    }
}
