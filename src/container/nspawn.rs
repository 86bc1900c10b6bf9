//! The whole command line of systemd-nspawn(1) for one container, from facts; pure.

use crate::store::name::Name;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// nspawn's exit status after a reboot inside.
pub const REBOOT: i32 = 133;

/// What the command line depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    pub place: Place,
    pub resolv_conf: ResolvConf,
    /// Whether something else keeps the guest from the host's devices; if not, it loses CAP_MKNOD.
    pub devices_closed: bool,
    /// The program of the tree that is to be PID 1, where nspawn would not find it; None: it looks for systemd itself.
    pub init: Option<PathBuf>,
}

/// In which control group the container is to live, and who is told of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In the unit that runs us; machined is told when there is one.
    Unit { register: bool },
    /// In a scope of its own that nspawn asks PID 1 for: a command typed on a host with systemd.
    Scope { register: bool },
    /// In the group we are in, told to nobody: no systemd.
    Group,
}

/// Where the guest's name servers come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResolvConf {
    /// The host's file names servers: the guest, on the same network, gets a copy.
    Host,
    /// The host runs systemd-resolved: its stub listens on the loopback that the guest shares.
    Stub,
    /// The host names none.
    Off,
}

impl ResolvConf {
    fn word(self) -> &'static str {
        match self {
            // "replace": a clone holds a symlink into /run that dangles inside.
            ResolvConf::Host => "replace-host",
            ResolvConf::Stub => "replace-stub",
            ResolvConf::Off => "off",
        }
    }
}

/// Chooses from the text of the host's /etc/resolv.conf (`None`: there is none) and whether resolved's stub file is there.
pub fn resolv_conf(host: Option<&str>, stub_file: bool) -> ResolvConf {
    let servers: Vec<&str> = host.unwrap_or("").lines().filter_map(nameserver).collect();
    if servers.is_empty() {
        ResolvConf::Off
    } else if stub_file && servers.iter().all(|server| *server == "127.0.0.53") {
        ResolvConf::Stub
    } else {
        ResolvConf::Host
    }
}

fn nameserver(line: &str) -> Option<&str> {
    let mut words = line.split_ascii_whitespace();
    (words.next()? == "nameserver").then_some(words.next()?)
}

/// The arguments after the program's name. `directory` is where the tree is mounted.
pub fn arguments(name: &Name, directory: &Path, facts: &Facts) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = [
        "--quiet",
        // An image must not bring settings of its own (CVE-2026-40226).
        "--settings=no",
        "--notify-ready=yes",
        "--private-users=no",
        // The guest's journal stays inside; "auto" would write into the host's /var/log/journal.
        "--link-journal=no",
        // systemd's number for "power off" (systemd(1), SIGRTMIN+4); nspawn's default is "halt".
        "--kill-signal=SIGRTMIN+4",
    ]
    .map(OsString::from)
    .into();
    arguments.push(format!("--machine={name}").into());
    arguments.push(joined("--directory=", directory));
    arguments.push(format!("--resolv-conf={}", facts.resolv_conf.word()).into());
    arguments.extend(place(facts.place).into_iter().map(OsString::from));
    if !facts.devices_closed {
        arguments.push("--drop-capability=CAP_MKNOD".into());
    }
    // "--boot" adds three things: the search for systemd, the refusal of a tree without os-release, and a kill signal,
    // which is given above. A program that is named is PID 1 just so (NixOS starts its own containers in this way).
    arguments.push(facts.init.as_ref().map_or("--boot".into(), OsString::from));
    arguments
}

fn place(place: Place) -> Vec<&'static str> {
    let register = |yes| if yes { "--register=yes" } else { "--register=no" };
    match place {
        Place::Unit { register: yes } => vec!["--keep-unit", register(yes)],
        Place::Scope { register: yes } => vec![register(yes)],
        Place::Group => vec!["--keep-unit", register(false)],
    }
}

fn joined(option: &str, path: &Path) -> OsString {
    let mut argument = OsString::from(option);
    argument.push(path);
    argument
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(place: Place) -> Facts {
        Facts { place, resolv_conf: ResolvConf::Host, devices_closed: true, init: None }
    }

    fn words(facts: &Facts) -> Vec<String> {
        let arguments = arguments(&Name::parse("web").unwrap(), Path::new("/run/sdme/mnt/web"), facts);
        arguments.into_iter().map(|word| word.into_string().unwrap()).collect()
    }

    #[test]
    fn what_every_container_gets() {
        for place in [Place::Unit { register: true }, Place::Scope { register: true }, Place::Group] {
            let words = words(&facts(place));
            for word in [
                "--settings=no",
                "--notify-ready=yes",
                "--machine=web",
                "--directory=/run/sdme/mnt/web",
                "--link-journal=no",
            ] {
                assert!(words.iter().any(|it| it == word), "{word} in {words:?}");
            }
            assert_eq!(words.last().unwrap(), "--boot");
            assert!(!words.iter().any(|it| it.starts_with("--user")));
        }
    }

    #[test]
    fn an_init_that_nspawn_does_not_know_is_named() {
        let named = Facts { init: Some("/nix/var/nix/profiles/system/init".into()), ..facts(Place::Group) };
        let words = words(&named);
        assert_eq!(words.last().unwrap(), "/nix/var/nix/profiles/system/init");
        assert!(!words.contains(&"--boot".into()));
        for word in ["--notify-ready=yes", "--kill-signal=SIGRTMIN+4"] {
            assert!(words.iter().any(|it| it == word), "{word} in {words:?}");
        }
    }

    #[test]
    fn only_a_scope_leaves_the_unit() {
        assert!(words(&facts(Place::Unit { register: true })).contains(&"--keep-unit".into()));
        assert!(!words(&facts(Place::Scope { register: true })).contains(&"--keep-unit".into()));
        let direct = words(&facts(Place::Group));
        assert!(direct.contains(&"--keep-unit".into()) && direct.contains(&"--register=no".into()));
    }

    #[test]
    fn open_devices_cost_the_guest_mknod() {
        let open = Facts { devices_closed: false, ..facts(Place::Group) };
        assert!(words(&open).contains(&"--drop-capability=CAP_MKNOD".into()));
        assert!(!words(&facts(Place::Group)).contains(&"--drop-capability=CAP_MKNOD".into()));
    }

    #[test]
    fn name_servers_come_from_facts() {
        assert_eq!(resolv_conf(None, false), ResolvConf::Off);
        assert_eq!(resolv_conf(Some("# nothing\n"), true), ResolvConf::Off);
        assert_eq!(resolv_conf(Some("nameserver 10.0.0.1\n"), true), ResolvConf::Host);
        assert_eq!(resolv_conf(Some("nameserver 127.0.0.53\noptions edns0\n"), true), ResolvConf::Stub);
        assert_eq!(resolv_conf(Some("nameserver 127.0.0.53\n"), false), ResolvConf::Host);
    }
}
