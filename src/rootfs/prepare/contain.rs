//! The command line of systemd-nspawn(1) for a program of a tree that is being imported; pure.
//!
//! The program is root of the container and has what packages need of that: files, owners, identities. It has no device,
//! mounts nothing, and sees of the host what nspawn itself shows, its network, and its resolv.conf.

use std::ffi::OsString;

/// Where the tree stands, in the mount namespace of the process that becomes nspawn.
pub const TREE: &str = "/run/sdme/mnt/tree";
/// There too: the directory for what is fetched, and a `policy-rc.d` that forbids to start services.
pub const STORE: &str = "/run/sdme/mnt/fetched";
pub const POLICY: &str = "/run/sdme/mnt/policy-rc.d";
/// Where the container has that directory: below a filesystem in memory, so that nothing of it is left in the tree.
pub const FETCHED: &str = "/run/sdme-packages";
/// What is mounted on in the tree, and therefore made there when it is missing.
pub const RESOLV_CONF: &str = "/etc/resolv.conf";
pub const POLICY_RC_D: &str = "/usr/sbin/policy-rc.d";

/// Capabilities that nspawn leaves a container and the installation of packages does not need. Without CAP_SYS_ADMIN nothing
/// is mounted, so the device nodes that an image brings stay shut (its tree is mounted nodev) where no rule on the control group
/// keeps them so; without CAP_DAC_READ_SEARCH no file is opened by handle.
const DROPPED: &str = "CAP_MKNOD,CAP_SYS_ADMIN,CAP_SYS_PTRACE,CAP_SYS_BOOT,CAP_SYS_RESOURCE,CAP_SYS_NICE,\
                       CAP_SYS_TTY_CONFIG,CAP_DAC_READ_SEARCH,CAP_LINUX_IMMUTABLE,CAP_LEASE,CAP_AUDIT_CONTROL,\
                       CAP_IPC_OWNER,CAP_NET_ADMIN,CAP_NET_BROADCAST";

/// What the command line depends on.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// A name that no other machine has.
    pub machine: &'a str,
    /// Whether the host has a resolv.conf to be shown.
    pub resolv_conf: bool,
    /// Whether packages would start services if `policy-rc.d` did not forbid it.
    pub policy: bool,
    /// Variables whose values nspawn is to take from its own environment: they may hold passwords.
    pub variables: &'a [&'a str],
}

/// The arguments after nspawn's name, by which it runs `program` of the tree with `words`.
pub fn arguments(facts: &Facts<'_>, program: &str, words: &[String]) -> Vec<OsString> {
    let mut arguments: Vec<String> = [
        "--quiet",
        // An image must not bring settings of its own (CVE-2026-40226).
        "--settings=no",
        "--register=no",
        "--keep-unit",
        "--as-pid2",
        "--pipe",
        "--private-users=no",
        "--link-journal=no",
        "--timezone=off",
        // Of its ways to hand on a resolv.conf one writes into the tree and the other fails at a link into /run.
        "--resolv-conf=off",
        "--hostname=localhost",
        "--setenv=TERM=dumb",
        "--setenv=LC_ALL=C",
    ]
    .map(String::from)
    .into();
    arguments.push(format!("--directory={TREE}"));
    arguments.push(format!("--machine={}", facts.machine));
    arguments.push(format!("--drop-capability={DROPPED}"));
    arguments.push(format!("--bind={STORE}:{FETCHED}"));
    if facts.resolv_conf {
        arguments.push(format!("--bind-ro={RESOLV_CONF}"));
    }
    if facts.policy {
        arguments.push(format!("--bind-ro={POLICY}:{POLICY_RC_D}"));
    }
    arguments.extend(facts.variables.iter().map(|name| format!("--setenv={name}")));
    arguments.extend(["--".to_string(), program.to_string()]);
    arguments.extend_from_slice(words);
    arguments.into_iter().map(OsString::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(facts: &Facts<'_>) -> Vec<String> {
        let arguments = arguments(facts, "/usr/bin/apt-get", &["-y".into(), "update".into()]);
        arguments.into_iter().map(|word| word.into_string().unwrap()).collect()
    }

    #[test]
    fn it_is_contained_and_leaves_nothing() {
        let words = words(&Facts { machine: "install-1", resolv_conf: true, policy: true, variables: &[] });
        for word in [
            "--settings=no",
            "--register=no",
            "--keep-unit",
            "--as-pid2",
            "--pipe",
            "--machine=install-1",
            "--directory=/run/sdme/mnt/tree",
            "--resolv-conf=off",
            "--bind-ro=/etc/resolv.conf",
            "--bind-ro=/run/sdme/mnt/policy-rc.d:/usr/sbin/policy-rc.d",
            "--bind=/run/sdme/mnt/fetched:/run/sdme-packages",
        ] {
            assert!(words.iter().any(|it| it == word), "{word} in {words:?}");
        }
        let dropped = words.iter().find(|word| word.starts_with("--drop-capability=")).unwrap();
        for capability in ["CAP_MKNOD", "CAP_SYS_ADMIN", "CAP_DAC_READ_SEARCH", "CAP_SYS_PTRACE"] {
            assert!(dropped.contains(capability) && !dropped.contains(' '), "{dropped}");
        }
        assert_eq!(words[words.len() - 4..], ["--", "/usr/bin/apt-get", "-y", "update"]);
        assert!(!words.iter().any(|word| word.starts_with("--private-network") || word.starts_with("--user")));
    }

    #[test]
    fn what_is_not_needed_is_not_mounted_and_no_value_of_a_variable_is_shown() {
        let variables = ["https_proxy"];
        let words = words(&Facts { machine: "m", resolv_conf: false, policy: false, variables: &variables });
        assert_eq!(words.iter().filter(|word| word.starts_with("--bind")).count(), 1);
        assert!(words.contains(&"--setenv=https_proxy".to_string()));
    }
}
