//! Whether a tree is a machine that sdme can boot, and which: read by the in-tree resolver alone.

use crate::error::{Error, Result};
use crate::rootfs::prepare::manager::{self, Installer, Need};
use crate::sys::resolve::Root;
use crate::systemd::installed;
use crate::text::osrelease::{OS_RELEASE_MAX, OsRelease};
use std::path::{Path, PathBuf};

/// Where os-release(5) may be; NixOS has an empty /etc before its first start.
const RELEASES: [&str; 3] = ["/etc/os-release", "/usr/lib/os-release", "/nix/var/nix/profiles/system/etc/os-release"];
/// One of these beside /etc makes a tree a system.
const PROGRAMS: [&str; 4] = ["usr", "bin", "nix", "sbin"];
/// Of an ELF file: magic, class, data, ..., type, machine (elf(5)).
const ELF_HEAD: usize = 20;
/// NixOS starts by a script; this is the program it starts.
const NIXOS_SYSTEMD: &str = "/nix/var/nix/profiles/system/systemd/lib/systemd/systemd";

/// e_machine of elf(5), and what Rust and uname(1) call it.
const MACHINES: [(u16, &str); 9] = [
    (62, "x86_64"),
    (183, "aarch64"),
    (3, "x86"),
    (40, "arm"),
    (243, "riscv64"),
    (21, "powerpc64"),
    (22, "s390x"),
    (258, "loongarch64"),
    (8, "mips"),
];

/// What a tree without systemd has, whatever it is, to tell the processor by.
const SHELLS: [&str; 3] = ["/bin/sh", "/usr/bin/sh", "/usr/bin/env"];

/// What a tree is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// It has /etc and programs.
    pub is_system: bool,
    /// os-release's PRETTY_NAME; empty when nobody says.
    pub title: String,
    /// The program that would be PID 1.
    pub init: Option<PathBuf>,
    pub has_bus: bool,
    /// Of the init, or the shell where there is none, when it is a program of a known one.
    pub architecture: Option<String>,
    /// How packages are installed in it.
    pub installer: Option<Installer>,
}

pub fn inspect(root: &Root) -> Facts {
    let is_directory = |name: &str| root.is_directory(Path::new(name));
    let init = installed::init(root);
    let release = RELEASES.iter().find_map(|path| root.read_limited(Path::new(path), OS_RELEASE_MAX).ok());
    Facts {
        is_system: is_directory("etc") && PROGRAMS.iter().any(|name| is_directory(name)),
        title: release.map(|bytes| OsRelease::parse(&bytes).title()).unwrap_or_default(),
        architecture: init.as_deref().map_or_else(|| shells(root), |init| architecture(root, init)),
        init,
        has_bus: installed::has_bus(root),
        installer: manager::find(root),
    }
}

fn architecture(root: &Root, init: &Path) -> Option<String> {
    let head = |path: &Path| root.read_head(path, ELF_HEAD).ok();
    let machine = head(init).and_then(|head| elf_machine(&head));
    machine.or_else(|| head(Path::new(NIXOS_SYSTEMD)).and_then(|head| elf_machine(&head)))
}

fn shells(root: &Root) -> Option<String> {
    SHELLS.iter().find_map(|path| elf_machine(&root.read_head(Path::new(path), ELF_HEAD).ok()?))
}

/// The architecture in an ELF file's first bytes.
fn elf_machine(head: &[u8]) -> Option<String> {
    let [0x7f, b'E', b'L', b'F', _, order, ..] = head else { return None };
    let field: [u8; 2] = head.get(18..20)?.try_into().ok()?;
    let number = if *order == 2 { u16::from_be_bytes(field) } else { u16::from_le_bytes(field) };
    let known = MACHINES.iter().find(|(machine, _)| *machine == number);
    Some(known.map_or_else(|| format!("ELF machine {number}"), |(_, name)| (*name).to_string()))
}

impl Facts {
    /// Errors: it is made for another processor, or it is no system at all.
    pub fn check(&self, force: bool) -> Result<()> {
        if !self.is_system {
            return Err(Error::invalid(
                "it holds no system: there is no /etc beside /usr, /bin, /sbin or /nix in it, nor in its one top directory",
            ));
        }
        match &self.architecture {
            Some(its) if its != std::env::consts::ARCH && !force => {
                let ours = std::env::consts::ARCH;
                Err(Error::failed(format!(
                    "it is made for {its} and this machine is {ours}: --force imports it all the same"
                )))
            }
            _ => Ok(()),
        }
    }

    /// What a machine needs and it has not; None when it has all.
    pub fn need(&self) -> Option<Need> {
        let need = Need { systemd: self.init.is_none(), bus: !self.has_bus };
        (need.systemd || need.bus).then_some(need)
    }

    /// What keeps it from booting; None when nothing does.
    pub fn misses(&self) -> Option<&'static str> {
        let Need { systemd, bus } = self.need()?;
        Some(match (systemd, bus) {
            (false, _) => "has systemd but no D-Bus, without which there are no logins",
            (true, false) => "has no systemd: it cannot boot",
            (true, true) => "has neither systemd nor D-Bus: it cannot boot",
        })
    }

    /// The same, and what to do.
    pub fn lacks(&self) -> Option<String> {
        let (missing, need) = (self.misses()?, self.need()?);
        Some(match self.installer.map(|installer| installer.manager) {
            Some(manager) if !manager.offers_systemd() => {
                format!("{missing}; its distribution does not offer systemd ({})", manager.name)
            }
            Some(manager) => format!("{missing}; its own package manager brings it: {}", manager.words(need)),
            None => format!("{missing}; install it there"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::tree::Scratch;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn put(scratch: &Scratch, path: &str, bytes: &[u8]) {
        let path = scratch.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn facts(scratch: &Scratch) -> Facts {
        inspect(&Root::open_path(scratch.path()).unwrap())
    }

    fn elf(machine: u8) -> Vec<u8> {
        let mut head = b"\x7fELF\x02\x01\x01".to_vec();
        head.resize(64, 0);
        head[18] = machine;
        head
    }

    #[test]
    fn a_machine_of_another_processor_is_refused_unless_forced() {
        let scratch = Scratch::new("inspect-elf");
        put(&scratch, "etc/os-release", b"PRETTY_NAME=\"Odd 1\"\n");
        let foreign = if std::env::consts::ARCH == "x86_64" { 183 } else { 62 };
        put(&scratch, "usr/lib/systemd/systemd", &elf(foreign));
        let facts = facts(&scratch);
        assert_eq!((facts.title.as_str(), facts.is_system), ("Odd 1", true));
        assert!(facts.check(false).unwrap_err().to_string().contains("--force"));
        facts.check(true).unwrap();
    }

    #[test]
    fn without_systemd_the_shell_tells_the_processor() {
        let scratch = Scratch::new("inspect-shell");
        put(&scratch, "etc/passwd", b"");
        let foreign = if std::env::consts::ARCH == "x86_64" { 183 } else { 62 };
        put(&scratch, "usr/bin/dash", &elf(foreign));
        symlink("usr/bin", scratch.path().join("bin")).unwrap();
        symlink("dash", scratch.path().join("usr/bin/sh")).unwrap();
        assert!(facts(&scratch).check(false).unwrap_err().to_string().contains("--force"));
        facts(&scratch).check(true).unwrap();
    }

    #[test]
    fn what_is_missing_is_said_with_the_trees_own_words() {
        let scratch = Scratch::new("inspect-lacks");
        put(&scratch, "etc/passwd", b"");
        assert!(facts(&scratch).check(true).unwrap_err().to_string().contains("no system"));
        put(&scratch, "usr/bin/apt-get", b"");
        let words = "apt-get install systemd systemd-sysv libpam-systemd dbus";
        assert!(facts(&scratch).lacks().unwrap().ends_with(words));
        put(&scratch, "usr/lib/systemd/systemd", b"#!/bin/sh\n");
        assert!(facts(&scratch).lacks().unwrap().contains("no D-Bus"));
        assert!(facts(&scratch).lacks().unwrap().ends_with("apt-get install dbus"));
        put(&scratch, "usr/lib/systemd/system/dbus.socket", b"");
        assert_eq!(facts(&scratch).lacks(), None);
        facts(&scratch).check(false).unwrap();
    }

    /// A name, links and their targets, files, the init, and the package manager.
    type Shape<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a [&'a str], &'a str, Option<&'static str>);

    /// A tree of a distribution's shape: links, then programs and files.
    fn shaped(name: &str, links: &[(&str, &str)], files: &[&str]) -> Scratch {
        let scratch = Scratch::new(&format!("inspect-{name}"));
        for (link, target) in links {
            let path = scratch.path().join(link);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            symlink(target, path).unwrap();
        }
        let ours = if std::env::consts::ARCH == "x86_64" { 62 } else { 183 };
        for file in files {
            put(&scratch, file, &if file.ends_with("/systemd") { elf(ours) } else { format!("NAME={name}\n").into() });
        }
        scratch
    }

    #[test]
    fn a_machine_of_every_shape_is_known() {
        const MERGED: [(&str, &str); 4] =
            [("bin", "usr/bin"), ("sbin", "usr/sbin"), ("lib", "usr/lib"), ("lib64", "usr/lib64")];
        const ARCH: [(&str, &str); 5] = [
            ("bin", "usr/bin"),
            ("sbin", "usr/bin"),
            ("lib", "usr/lib"),
            ("lib64", "usr/lib"),
            ("etc/os-release", "../usr/lib/os-release"),
        ];
        const NIXOS: [(&str, &str); 4] = [
            ("nix/var/nix/profiles/system", "system-1-link"),
            ("nix/var/nix/profiles/system-1-link", "/nix/store/s-nixos-system"),
            ("nix/store/s-nixos-system/etc", "/nix/store/e-etc/etc"),
            ("nix/store/s-nixos-system/systemd", "/nix/store/d-systemd"),
        ];
        let usual = "/usr/lib/systemd/systemd";
        let (systemd, socket) = ("usr/lib/systemd/systemd", "usr/lib/systemd/system/dbus.socket");
        let shapes: [Shape<'_>; 7] = [
            ("debian", &MERGED, &[systemd, socket, "usr/bin/apt-get", "etc/os-release"], usual, Some("apt-get")),
            (
                "split",
                &[("usr/lib/os-release", "/etc/os-release")],
                &["lib/systemd/systemd", "lib/systemd/system/dbus.socket", "usr/bin/apt-get", "etc/os-release"],
                "/lib/systemd/systemd",
                Some("apt-get"),
            ),
            (
                "fedora",
                &MERGED,
                &[systemd, socket, "usr/bin/dnf", "usr/lib/os-release", "etc/passwd"],
                usual,
                Some("dnf"),
            ),
            ("arch", &ARCH, &[systemd, socket, "usr/bin/pacman", "usr/lib/os-release"], usual, Some("pacman")),
            (
                "suse",
                &MERGED,
                &[systemd, socket, "usr/bin/zypper", "usr/lib/os-release", "etc/passwd"],
                usual,
                Some("zypper"),
            ),
            // systemd in a place of its own, which only the link to it tells.
            (
                "linked",
                &[("sbin/init", "/opt/systemd/systemd")],
                &["opt/systemd/systemd", socket, "etc/os-release"],
                "/sbin/init",
                None,
            ),
            (
                "nixos",
                &NIXOS,
                &[
                    "nix/store/s-nixos-system/init",
                    "nix/store/e-etc/etc/os-release",
                    "nix/store/e-etc/etc/systemd/system/dbus.socket",
                    "nix/store/d-systemd/lib/systemd/systemd",
                    "etc/.keep",
                ],
                "/nix/var/nix/profiles/system/init",
                None,
            ),
        ];
        for (name, links, files, init, manager) in shapes {
            let facts = facts(&shaped(name, links, files));
            let expected = Facts {
                is_system: true,
                title: name.to_string(),
                init: Some(init.into()),
                has_bus: true,
                architecture: Some(std::env::consts::ARCH.to_string()),
                installer: facts.installer,
            };
            assert_eq!(facts.installer.map(|installer| installer.manager.name), manager, "{name}");
            assert_eq!(facts, expected);
            assert_eq!((facts.lacks(), facts.check(false).is_ok()), (None, true), "{name}");
        }
    }

    #[test]
    fn nothing_of_the_tree_leads_out_of_it() {
        let scratch = Scratch::new("inspect-out");
        fs::create_dir(scratch.path().join("usr")).unwrap();
        symlink("/etc", scratch.path().join("etc")).unwrap();
        assert!(!facts(&scratch).is_system, "the host's /etc is not the tree's");
        fs::remove_file(scratch.path().join("etc")).unwrap();
        fs::create_dir(scratch.path().join("etc")).unwrap();
        symlink("/etc/os-release", scratch.path().join("usr/x")).unwrap();
        symlink("../../../../../../../../etc/os-release", scratch.path().join("etc/os-release")).unwrap();
        assert_eq!(facts(&scratch).title, "");
    }
}
