//! What packages carry and nobody writes by hand: manual pages, completions, the unit, the config file. `make generated`
//! writes it, and this test compares, so that it is never stale; then the tools that read it look at it.

use sdme::cli::complete::{self, Key, Kind};
use sdme::cli::man::{self, Edition, Setting};
use sdme::cli::spec::GLOBAL;
use sdme::{cmd, config, systemd};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Set by `make generated`: write, do not compare.
const WRITE: &str = "SDME_WRITE_GENERATED";
/// Where packages put the program; who puts it elsewhere changes the path in the unit.
const BINARY: &str = "/usr/bin/sdme";
/// Pages that are written by hand.
const BY_HAND: [&str; 1] = ["packaging/man/sdme@.service.8"];

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The day of the newest entry of the changelog, which is that of Debian's package: "-- Who <mail>  Wed, 25 Nov 2026 ...".
fn date() -> String {
    let changelog = fs::read_to_string(top().join("packaging/deb/changelog")).unwrap();
    let trailer = changelog.lines().find(|line| line.starts_with(" -- ")).unwrap();
    let words: Vec<&str> = trailer.rsplit("  ").next().unwrap().split(' ').collect();
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = months.iter().position(|month| *month == words[2]).unwrap() + 1;
    format!("{}-{month:02}-{:02}", words[3], words[1].parse::<u8>().unwrap())
}

fn settings() -> Vec<Setting<'static>> {
    let setting =
        |key: &'static config::Key| Setting { name: key.name, default: key.default, about: key.about, form: key.form };
    config::KEYS.iter().map(setting).collect()
}

fn keys() -> Vec<Key<'static>> {
    config::KEYS.iter().map(|key| Key { name: key.name, value: Kind::of_form(key.form) }).collect()
}

fn generated() -> BTreeMap<String, String> {
    let table = cmd::table();
    let date = date();
    let edition = Edition { version: env!("CARGO_PKG_VERSION"), date: &date };
    let mut files = BTreeMap::from([
        ("packaging/man/sdme.1".to_string(), man::program(&table, edition)),
        ("packaging/man/sdme.conf.5".to_string(), man::config(&settings(), edition)),
        ("packaging/sdme.conf".to_string(), man::config_file(&settings())),
        ("packaging/completions/sdme.bash".to_string(), complete::bash(&table, &keys())),
        ("packaging/completions/_sdme".to_string(), complete::zsh(&table, &keys())),
        ("packaging/completions/sdme.fish".to_string(), complete::fish(&table, &keys())),
        ("packaging/sdme@.service".to_string(), systemd::unit::template(Path::new(BINARY)).unwrap()),
    ]);
    for command in table {
        files.insert(format!("packaging/man/{}.1", man::page_name(command)), man::command(command, edition));
    }
    files
}

#[test]
fn pages_by_hand_have_the_version_and_the_day_of_the_others() {
    let margin = format!("{} \"sdme {}\" \"sdme\"", date(), env!("CARGO_PKG_VERSION"));
    for page in BY_HAND {
        let text = fs::read_to_string(top().join(page)).unwrap();
        assert!(text.lines().any(|line| line.starts_with(".TH ") && line.ends_with(&margin)), "{page}: {margin}");
    }
}

fn pages() -> Vec<PathBuf> {
    let mut pages: Vec<PathBuf> =
        fs::read_dir(top().join("packaging/man")).unwrap().map(|entry| entry.unwrap().path()).collect();
    pages.sort();
    pages
}

/// Runs a tool if it is here; its output and error together, or None, having said so.
fn tool(program: &str, words: &[&str]) -> Option<(bool, String)> {
    let output = match Command::new(program).args(words).stdin(Stdio::null()).output() {
        Err(_) => {
            eprintln!("skipped: {program} is not installed (packaging/setup test)");
            return None;
        }
        Ok(output) => output,
    };
    let text = [output.stdout, output.stderr].concat();
    Some((output.status.success(), String::from_utf8_lossy(&text).into_owned()))
}

#[test]
fn what_is_committed_is_what_the_table_says() {
    let files = generated();
    if std::env::var_os(WRITE).is_some() {
        for page in pages() {
            let kept = BY_HAND.iter().any(|kept| page.ends_with(kept));
            if !kept {
                fs::remove_file(page).unwrap();
            }
        }
        for (path, text) in &files {
            fs::write(top().join(path), text).unwrap();
        }
    }
    for (path, text) in &files {
        let there = fs::read_to_string(top().join(path)).unwrap_or_default();
        assert!(there == *text, "{path} is not what the sources say: make generated");
    }
    for page in pages() {
        let known = files.keys().any(|path| page.ends_with(path)) || BY_HAND.iter().any(|kept| page.ends_with(kept));
        assert!(known, "{page:?} is of no verb: make generated");
    }
}

#[test]
fn every_value_and_every_operand_is_known_to_the_completions() {
    for command in cmd::table() {
        assert!(complete::places(command, &keys()).is_some(), "{}: {:?}", command.name, command.operands.usage);
        for flag in command.flags.iter().chain(GLOBAL) {
            let metavar = flag.value.unwrap_or("N");
            assert!(
                Kind::of_metavar(metavar).is_some(),
                "{} --{} {metavar}: see cli/complete",
                command.name,
                flag.long
            );
        }
    }
}

/// Whether what is printed is so, scenario `schemas` of tests/host looks.
#[test]
fn every_verb_that_prints_json_has_a_schema() {
    for command in cmd::table() {
        let file = top().join(format!("docs/schemas/{}.json", command.name.replace(' ', "-")));
        let has_flag = command.flags.iter().any(|flag| flag.long == "json");
        assert_eq!(has_flag, file.exists(), "{}: {file:?}", command.name);
    }
    let keys = fs::read_to_string(top().join("docs/schemas/config-get.json")).unwrap();
    for key in &config::KEYS {
        assert!(keys.contains(&format!("\"{}\": {{", key.name)), "config-get.json lacks {}", key.name);
    }
}

#[test]
fn the_config_file_sets_nothing_and_names_every_key() {
    let text = man::config_file(&settings());
    assert_eq!(config::Config::parse(&text).unwrap(), config::Config::default());
    let bare: String = text.lines().map(|line| format!("{}\n", line.strip_prefix('#').unwrap_or(line))).collect();
    let keys = bare.lines().filter(|line| !line.starts_with(' ') && line.contains('='));
    let parsed = config::Config::parse(&keys.map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    for key in &config::KEYS {
        assert!(!parsed.text(key).is_empty(), "{}", key.name);
    }
}

#[test]
fn manual_pages_are_clean() {
    for page in pages() {
        let page = page.to_str().unwrap();
        if let Some((_, said)) = tool("mandoc", &["-Tlint", "-Wwarning", page]) {
            assert_eq!(said, "", "{page}");
        }
        if let Some((_, said)) = tool("groff", &["-ww", "-man", "-z", "-Tutf8", page]) {
            assert_eq!(said, "", "{page}");
        }
    }
}

#[test]
fn scripts_of_completion_are_clean() {
    let file = |name: &str| top().join("packaging/completions").join(name).to_str().unwrap().to_string();
    let bash = file("sdme.bash");
    let checks: [(&str, &[&str]); 4] = [
        ("bash", &["-n", &bash]),
        ("shellcheck", &["-S", "warning", &bash]),
        ("zsh", &["-n", &file("_sdme")]),
        ("fish", &["-n", &file("sdme.fish")]),
    ];
    for (program, words) in checks {
        if let Some((well, said)) = tool(program, words) {
            assert!(well && said.is_empty(), "{program}: {said}");
        }
    }
}
