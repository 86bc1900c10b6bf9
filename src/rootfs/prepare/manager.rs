//! Package managers by which a tree can be given what it lacks to be a machine: one table, and the command lines that follow
//! from it. Pure, but for the search for their programs, which stays in the tree.

use crate::rootfs::prepare::contain::FETCHED;
use crate::sys::resolve::{Executable, Root};
use std::path::Path;

/// Stands for the packages in a command line.
const PACKAGES: &str = "{packages}";
/// Stands for [`FETCHED`].
const HERE: &str = "{fetched}";

/// One package manager, as its distributions have it.
#[derive(Debug, PartialEq, Eq)]
pub struct Manager {
    pub name: &'static str,
    /// Where a tree has it.
    programs: &'static [&'static str],
    /// What brings systemd, an init, and logins that logind knows.
    systemd: &'static [&'static str],
    bus: &'static [&'static str],
    /// How somebody would ask for packages.
    typed: &'static str,
    /// The arguments of each run, in order; none where the distribution has no systemd.
    runs: &'static [&'static [&'static str]],
    /// Exit statuses beside 0 that mean that all was installed.
    accepted: &'static [i32],
    environment: &'static [(&'static str, &'static str)],
    /// Files for it to find in [`FETCHED`], and directories that it does not make there by itself.
    pub files: &'static [(&'static str, &'static str)],
    pub directories: &'static [&'static str],
    /// Whether its packages start services unless `policy-rc.d` forbids it.
    pub heeds_policy: bool,
}

/// None of them keeps what it fetches in the tree, but for microdnf, which has no word for another place and is told to clean up.
/// The first that a tree has is taken: dnf is there beside a microdnf that somebody installed, never the other way.
pub const TABLE: &[Manager] = &[
    Manager {
        name: "apt-get",
        programs: &["/usr/bin/apt-get"],
        systemd: &["systemd", "systemd-sysv", "libpam-systemd"],
        bus: &["dbus"],
        typed: "apt-get install",
        runs: &[&["-q", "-y", "update"], &["-q", "-y", "--no-install-recommends", "install", PACKAGES]],
        // By a file: tools that packages call (apt-extracttemplates) have to know it too.
        environment: &[("DEBIAN_FRONTEND", "noninteractive"), ("APT_CONFIG", "{fetched}/apt.conf")],
        files: &[(
            "apt.conf",
            "Dir::Cache \"{fetched}\";\n\
             Dir::State::lists \"{fetched}/lists\";\n\
             Acquire::Languages \"none\";\n\
             APT::Update::Error-Mode \"any\";\n\
             Dpkg::Use-Pty \"false\";\n\
             Dpkg::Options { \"--force-confdef\"; \"--force-confold\"; };\n",
        )],
        directories: &["lists", "lists/partial", "archives", "archives/partial"],
        heeds_policy: true,
        ..NONE
    },
    Manager {
        name: "dnf",
        programs: &["/usr/bin/dnf"],
        systemd: &["systemd", "util-linux"],
        bus: &["dbus"],
        typed: "dnf install",
        // dnf 5 has the second name for root's; dnf 4 says that it does not know it, and goes on.
        runs: &[&[
            "-y",
            "--setopt=install_weak_deps=False",
            "--setopt=keepcache=False",
            "--setopt=cachedir={fetched}",
            "--setopt=system_cachedir={fetched}",
            "install",
            PACKAGES,
        ]],
        ..NONE
    },
    Manager {
        name: "microdnf",
        programs: &["/usr/bin/microdnf"],
        systemd: &["systemd", "util-linux"],
        bus: &["dbus"],
        typed: "microdnf install",
        runs: &[&["install", "-y", "--setopt=install_weak_deps=0", PACKAGES], &["clean", "all"]],
        ..NONE
    },
    Manager {
        name: "zypper",
        programs: &["/usr/bin/zypper"],
        systemd: &["systemd", "util-linux"],
        bus: &["dbus-1"],
        typed: "zypper install",
        runs: &[
            &["--non-interactive", "--cache-dir", HERE, "refresh"],
            &["--non-interactive", "--cache-dir", HERE, "install", "--no-recommends", PACKAGES],
        ],
        // "Reboot needed", "restart zypper": said of what has been installed.
        accepted: &[102, 103],
        ..NONE
    },
    Manager {
        name: "pacman",
        programs: &["/usr/bin/pacman"],
        systemd: &["systemd", "util-linux"],
        bus: &["dbus"],
        // All of it: Arch does not support a tree of which a part is newer than the rest.
        typed: "pacman -Syu",
        runs: &[&["-Syu", "--noconfirm", "--needed", "--noprogressbar", "--cachedir", HERE, PACKAGES]],
        ..NONE
    },
    Manager { name: "apk", programs: &["/sbin/apk", "/usr/bin/apk"], ..NONE },
];

const NONE: Manager = Manager {
    name: "",
    programs: &[],
    systemd: &[],
    bus: &[],
    typed: "",
    runs: &[],
    accepted: &[],
    environment: &[],
    files: &[],
    directories: &[],
    heeds_policy: false,
};

/// A package manager that a tree has, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Installer {
    pub manager: &'static Manager,
    pub program: &'static str,
}

/// What a tree needs of a distribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    pub systemd: bool,
    pub bus: bool,
}

pub fn find(root: &Root) -> Option<Installer> {
    let there = |program: &str| matches!(root.find_executable("", Path::new(program)), Executable::Found(_));
    TABLE.iter().find_map(|manager| {
        let program = manager.programs.iter().find(|program| there(program))?;
        Some(Installer { manager, program })
    })
}

impl Manager {
    /// Whether what makes a machine can be had from it at all.
    pub fn offers_systemd(&self) -> bool {
        !self.runs.is_empty()
    }

    pub fn packages(&self, need: Need) -> Vec<&'static str> {
        let of = |wanted: bool, packages: &'static [&'static str]| if wanted { packages } else { &[] };
        [of(need.systemd, self.systemd), of(need.bus, self.bus)].concat()
    }

    /// What somebody would type in the tree: "apt-get install dbus".
    pub fn words(&self, need: Need) -> String {
        format!("{} {}", self.typed, self.packages(need).join(" "))
    }

    /// The arguments of each run, the program's name not among them.
    pub fn runs(&self, need: Need) -> Vec<Vec<String>> {
        let packages = self.packages(need);
        let expand = |word: &&str| match *word {
            PACKAGES => packages.iter().map(|package| package.to_string()).collect(),
            word => vec![here(word)],
        };
        self.runs.iter().map(|run| run.iter().flat_map(expand).collect()).collect()
    }

    pub fn environment(&self) -> impl Iterator<Item = (&'static str, String)> {
        self.environment.iter().map(|(key, value)| (*key, here(value)))
    }

    pub fn accepts(&self, status: i32) -> bool {
        status == 0 || self.accepted.contains(&status)
    }
}

/// The text with the place that is meant.
pub fn here(text: &str) -> String {
    text.replace(HERE, FETCHED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::tree::Scratch;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    const BOTH: Need = Need { systemd: true, bus: true };

    fn of(name: &str) -> &'static Manager {
        TABLE.iter().find(|manager| manager.name == name).unwrap()
    }

    fn lines(name: &str, need: Need) -> Vec<String> {
        of(name).runs(need).iter().map(|run| run.join(" ")).collect()
    }

    #[test]
    fn the_command_lines_of_every_manager() {
        assert_eq!(
            lines("apt-get", BOTH),
            ["-q -y update", "-q -y --no-install-recommends install systemd systemd-sysv libpam-systemd dbus"]
        );
        assert_eq!(
            lines("dnf", BOTH),
            ["-y --setopt=install_weak_deps=False --setopt=keepcache=False --setopt=cachedir=/run/sdme-packages \
              --setopt=system_cachedir=/run/sdme-packages install systemd util-linux dbus"]
        );
        assert_eq!(
            lines("microdnf", BOTH),
            ["install -y --setopt=install_weak_deps=0 systemd util-linux dbus", "clean all"]
        );
        assert_eq!(
            lines("zypper", BOTH),
            [
                "--non-interactive --cache-dir /run/sdme-packages refresh",
                "--non-interactive --cache-dir /run/sdme-packages install --no-recommends systemd util-linux dbus-1"
            ]
        );
        assert_eq!(
            lines("pacman", BOTH),
            ["-Syu --noconfirm --needed --noprogressbar --cachedir /run/sdme-packages systemd util-linux dbus"]
        );
        assert!(lines("apk", BOTH).is_empty() && !of("apk").offers_systemd());
    }

    #[test]
    fn what_is_there_is_not_asked_for() {
        let bus = Need { systemd: false, bus: true };
        assert_eq!(of("zypper").words(bus), "zypper install dbus-1");
        assert!(lines("apt-get", bus)[1].ends_with(" install dbus"));
        let systemd = Need { systemd: true, bus: false };
        assert_eq!(of("pacman").words(systemd), "pacman -Syu systemd util-linux");
    }

    #[test]
    fn what_apt_fetches_stays_out_of_the_tree() {
        let (name, text) = of("apt-get").files[0];
        let environment: Vec<(&str, String)> = of("apt-get").environment().collect();
        assert!(environment.contains(&("APT_CONFIG", format!("{FETCHED}/{name}"))));
        let text = here(text);
        assert!(text.starts_with("Dir::Cache \"/run/sdme-packages\";\n"), "{text}");
        assert!(!text.contains('{') || text.matches('{').count() == 1, "{text}");
    }

    #[test]
    fn a_status_that_warns_is_no_failure() {
        assert!(of("zypper").accepts(0) && of("zypper").accepts(102) && !of("zypper").accepts(107));
        assert!(!of("dnf").accepts(102));
    }

    #[test]
    fn a_manager_is_looked_for_in_the_tree_alone() {
        let scratch = Scratch::new("prepare-find");
        let root = || Root::open_path(scratch.path()).unwrap();
        fs::create_dir_all(scratch.path().join("usr/bin")).unwrap();
        // The host's shell is no program of this tree.
        symlink("/bin/sh", scratch.path().join("usr/bin/apt-get")).unwrap();
        assert_eq!(find(&root()), None);
        let put = |name: &str| {
            let path = scratch.path().join("usr/bin").join(name);
            fs::write(&path, "").unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        };
        put("microdnf");
        assert_eq!(find(&root()).unwrap().manager.name, "microdnf");
        put("dnf-3");
        symlink("dnf-3", scratch.path().join("usr/bin/dnf")).unwrap();
        let found = find(&root()).unwrap();
        assert_eq!((found.manager.name, found.program), ("dnf", "/usr/bin/dnf"));
    }
}
