//! The one table of what a container does not get from the tree beneath it; `show` prints it.
//!
//! Paths are absolute; `*` and `?` stand in any component. An exact name is hidden even while nothing has it, so that
//! what the host gets later does not appear; a pattern hides what matches at boot. No rule lies below another that
//! makes a directory new.

/// One kind of thing that belongs to the host.
#[derive(Debug)]
pub struct Rule {
    /// What these are, in a few words.
    pub what: &'static str,
    pub scope: Scope,
    pub action: Action,
    pub paths: &'static [&'static str],
}

/// For which containers a rule holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// All, those of an imported root filesystem too.
    Every,
    /// Clones of the host's `/`.
    Host,
    /// Clones that start what the distribution starts on its own.
    Basic,
    /// Clones that start what the host's administrator enabled.
    Services,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Not there.
    Whiteout,
    /// An empty directory of the same mode and owner.
    Empty,
    /// A directory with the host's subdirectories, but without a file.
    Skeleton,
    /// A directory with what has one of these names, and nothing else.
    Keep(&'static [&'static str]),
    /// A unit directory with the host's masks and the choice of its bus, and nothing else.
    Masks,
    /// A file of the container's own.
    Seed(Seed),
}

/// What is written into a file of the container's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seed {
    MachineId,
    Hostname,
    Hosts,
    /// A line that says why there is nothing else.
    Comment,
}

impl Action {
    pub fn as_str(self) -> &'static str {
        match self {
            Action::Whiteout => "hidden",
            Action::Empty => "empty",
            Action::Skeleton => "directories only",
            Action::Keep(_) => "public files only",
            Action::Masks => "masks only",
            Action::Seed(_) => "renewed",
        }
    }
}

const fn rule(scope: Scope, action: Action, what: &'static str, paths: &'static [&'static str]) -> Rule {
    Rule { what, scope, action, paths }
}

use Action::{Empty, Keep, Masks, Skeleton, Whiteout};
use Scope::{Basic, Every, Host, Services};

/// What of `/etc/ssh` is the same on every machine. Host keys have other names.
const SSH_CONFIG: &[&str] =
    &["moduli", "ssh_config", "ssh_config.d", "ssh_import_id", "sshd_config", "sshd_config.d", "sshd.pam"];

pub const TABLE: &[Rule] = &[
    rule(Every, Action::Seed(Seed::MachineId), "machine ID", &["/etc/machine-id"]),
    rule(Every, Whiteout, "machine ID", &["/var/lib/dbus/machine-id"]),
    rule(Every, Action::Seed(Seed::Hostname), "host name", &["/etc/hostname"]),
    rule(Host, Action::Seed(Seed::Hosts), "host name", &["/etc/hosts"]),
    rule(Host, Whiteout, "host name", &["/etc/machine-info", "/etc/HOSTNAME", "/etc/hostid"]),
    rule(Host, Action::Seed(Seed::Comment), "mounts of the host", &["/etc/fstab"]),
    rule(
        Host,
        Whiteout,
        "mounts of the host",
        &[
            "/etc/crypttab",
            "/etc/integritytab",
            "/etc/veritytab",
            "/etc/fstab.d",
            "/etc/auto.*",
            "/etc/exports",
            "/etc/exports.d",
            "/etc/zfs/zfs-list.cache",
            "/etc/zfs/zpool.cache",
            "/usr/local/lib/systemd/system/*.mount",
            "/usr/local/lib/systemd/system/*.automount",
            "/usr/local/lib/systemd/system/*.swap",
        ],
    ),
    rule(
        Host,
        Whiteout,
        "swap",
        &["/swapfile", "/swap.img", "/swap", "/var/swap", "/var/swapfile", "/var/cache/swap", "/.swapfile"],
    ),
    rule(Basic, Masks, "services that the host's administrator enabled", &["/etc/systemd/system"]),
    rule(
        Basic,
        Empty,
        "services that the host's administrator enabled",
        &["/etc/rc?.d", "/etc/rc.d/rc?.d", "/etc/runlevels"],
    ),
    rule(
        Basic,
        Whiteout,
        "services that the host's administrator enabled",
        &[
            "/etc/rc.local",
            "/etc/rc.d/rc.local",
            "/etc/init.d/boot.local",
            "/etc/init.d/after.local",
            "/usr/local/lib/systemd/system/*.wants",
            "/usr/local/lib/systemd/system/*.requires",
        ],
    ),
    rule(
        Services,
        Whiteout,
        "mounts and containers among the host's services",
        &[
            "/etc/systemd/system/*.mount",
            "/etc/systemd/system/*.automount",
            "/etc/systemd/system/*.swap",
            "/etc/systemd/system/*.mount.d",
            "/etc/systemd/system/*.mount.wants",
            "/etc/systemd/system/*.wants/*.mount",
            "/etc/systemd/system/*.wants/*.automount",
            "/etc/systemd/system/*.wants/*.swap",
            "/etc/systemd/system/*.requires/*.mount",
            "/etc/systemd/system/*.requires/*.automount",
            "/etc/systemd/system/*.requires/*.swap",
            "/etc/systemd/system/*.wants/sdme@*",
            "/etc/systemd/system/*.requires/sdme@*",
            "/etc/systemd/system/*.wants/systemd-nspawn@*",
            "/etc/systemd/system/*.requires/systemd-nspawn@*",
        ],
    ),
    rule(
        Host,
        Empty,
        "settings made for units of the host",
        &[
            "/etc/systemd/system.control",
            "/etc/systemd/system.attached",
            "/etc/systemd/system-generators",
            "/usr/local/lib/systemd/system-generators",
            "/etc/systemd/nspawn",
        ],
    ),
    rule(Host, Action::Seed(Seed::Comment), "network of the host", &["/etc/network/interfaces"]),
    rule(
        Host,
        Empty,
        "network of the host",
        &[
            "/etc/systemd/network",
            "/etc/netplan",
            "/etc/network/interfaces.d",
            "/etc/NetworkManager/system-connections",
            "/var/lib/NetworkManager",
            "/etc/wicked",
            "/var/lib/wicked",
            "/var/lib/connman",
            "/var/lib/iwd",
            "/var/lib/systemd/network",
            "/var/lib/dhcp",
            "/var/lib/dhcp3",
            "/var/lib/dhclient",
            "/var/lib/dhcpcd",
            "/var/lib/dhcpcd5",
            "/var/db/dhcpcd",
            "/var/lib/bluetooth",
        ],
    ),
    rule(
        Host,
        Whiteout,
        "network of the host",
        &[
            "/etc/wpa_supplicant/*.conf",
            "/etc/wpa_supplicant.conf",
            "/etc/hostapd/*.conf",
            "/etc/dhcpcd.duid",
            "/etc/dhcpcd.secret",
            "/etc/conf.d/net",
            "/etc/sysconfig/network-scripts/ifcfg-*",
            "/etc/sysconfig/network-scripts/keys-*",
            "/etc/sysconfig/network-scripts/route*-*",
            "/etc/sysconfig/network-scripts/rule*-*",
            "/etc/sysconfig/network/ifcfg-*",
            "/etc/sysconfig/network/ifroute-*",
            "/etc/sysconfig/network/routes",
        ],
    ),
    rule(
        Host,
        Empty,
        "keys of virtual private networks",
        &[
            "/etc/wireguard",
            "/etc/amnezia",
            "/etc/openvpn",
            "/etc/openfortivpn",
            "/etc/tinc",
            "/etc/nebula",
            "/etc/fastd",
            "/etc/swanctl",
            "/etc/ipsec.d",
            "/etc/strongswan",
            "/etc/racoon",
            "/etc/cloudflared",
            "/var/lib/ipsec",
            "/var/lib/tailscale",
            "/var/lib/zerotier-one",
            "/var/lib/netbird",
            "/var/lib/tor",
        ],
    ),
    rule(
        Host,
        Whiteout,
        "keys of virtual private networks",
        &[
            "/etc/ipsec.secrets",
            "/etc/ppp/chap-secrets",
            "/etc/ppp/pap-secrets",
            "/etc/ppp/srp-secrets",
            "/etc/ppp/peers",
            "/etc/xl2tpd/l2tp-secrets",
            "/etc/vpnc/*.conf",
        ],
    ),
    rule(
        Host,
        Whiteout,
        "seeds of random numbers",
        &[
            "/var/lib/systemd/random-seed",
            "/var/lib/random-seed",
            "/var/lib/urandom/random-seed",
            "/var/lib/misc/random-seed",
            "/var/lib/seedrng",
            "/boot/loader/random-seed",
            "/boot/efi/loader/random-seed",
            "/efi/loader/random-seed",
        ],
    ),
    rule(
        Host,
        Whiteout,
        "credentials of the host's services",
        &["/var/lib/systemd/credential.secret", "/boot/loader/credentials", "/efi/loader/credentials"],
    ),
    rule(
        Host,
        Empty,
        "credentials of the host's services",
        &["/etc/credstore", "/etc/credstore.encrypted", "/usr/local/lib/credstore"],
    ),
    rule(
        Host,
        Empty,
        "state of the host's systemd",
        &[
            "/var/lib/systemd/linger",
            "/var/lib/systemd/coredump",
            "/var/lib/systemd/pstore",
            "/var/lib/systemd/home",
            "/var/lib/systemd/pcrlock",
            "/var/lib/systemd/timers",
            "/var/lib/systemd/backlight",
            "/var/lib/systemd/rfkill",
        ],
    ),
    rule(Host, Whiteout, "state of the host's systemd", &["/etc/nologin", "/.autorelabel", "/forcefsck", "/fastboot"]),
    rule(
        Host,
        Empty,
        "crash dumps",
        &["/var/crash", "/var/lib/apport", "/var/lib/kdump", "/var/lib/whoopsie", "/lost+found"],
    ),
    rule(Host, Keep(SSH_CONFIG), "SSH host keys", &["/etc/ssh"]),
    rule(Host, Whiteout, "SSH host keys", &["/etc/dropbear/dropbear_*", "/etc/tinyssh/sshkeydir"]),
    rule(Host, Empty, "SSH host keys", &["/etc/dropbear-initramfs", "/etc/dropbear/initramfs"]),
    rule(
        Host,
        Empty,
        "private keys of certificates",
        &[
            "/etc/ssl/private",
            "/etc/pki/tls/private",
            "/etc/pki/consumer",
            "/etc/pki/entitlement",
            "/etc/pki/CA/private",
            "/etc/letsencrypt",
            "/etc/acme",
            "/etc/lego",
            "/etc/certbot",
            "/etc/cups/ssl",
            "/etc/cockpit/ws-certs.d",
            "/etc/dovecot/private",
            "/etc/pki/dovecot/private",
            "/etc/pki/libvirt/private",
            "/etc/dkimkeys",
            "/etc/opendkim/keys",
            "/var/lib/acme",
            "/var/lib/caddy",
            "/var/lib/dehydrated",
            "/var/lib/letsencrypt",
        ],
    ),
    rule(
        Host,
        Whiteout,
        "keytabs and secrets of the host in its domain",
        &[
            "/etc/krb5.keytab",
            "/etc/*.keytab",
            "/etc/httpd/*.keytab",
            "/etc/apache2/*.keytab",
            "/etc/samba/secrets.tdb",
            "/etc/samba/passdb.tdb",
            "/etc/samba/smbpasswd",
            "/etc/security/opasswd",
            "/etc/sssd/sssd.conf",
            "/etc/sssd/conf.d/*.conf",
            "/etc/nslcd.conf",
            "/etc/ldap.secret",
            "/etc/pam_ldap.secret",
            "/etc/libnss-ldap.secret",
            "/etc/cifs-credentials",
            "/etc/samba/credentials",
            "/etc/davfs2/secrets",
            "/etc/postfix/sasl_passwd",
            "/etc/postfix/sasl_passwd.db",
            "/etc/postfix/sasl_passwd.lmdb",
            "/etc/exim4/passwd.client",
            "/etc/msmtprc",
            "/var/cache/debconf/passwords.dat",
            "/var/cache/debconf/passwords.dat-old",
        ],
    ),
    rule(
        Host,
        Skeleton,
        "keytabs and secrets of the host in its domain",
        &["/var/lib/sss", "/var/lib/samba", "/var/lib/ipa", "/var/lib/ipa-client", "/var/lib/winbind"],
    ),
    rule(
        Host,
        Empty,
        "keytabs and secrets of the host in its domain",
        &["/etc/krb5kdc", "/var/lib/krb5kdc", "/var/kerberos", "/var/lib/realmd", "/etc/realmd.d"],
    ),
    rule(
        Host,
        Empty,
        "keys of disks and of the firmware",
        &[
            "/etc/cryptsetup-keys.d",
            "/etc/luks",
            "/etc/luks-keys",
            "/etc/keys",
            "/etc/zfs/keys",
            "/etc/secureboot",
            "/var/lib/sbctl",
            "/usr/share/secureboot/keys",
            "/var/lib/shim-signed/mok",
            "/var/lib/tpm",
            "/var/lib/tpm2-tss",
            "/var/lib/tpm2_pkcs11",
        ],
    ),
    rule(
        Host,
        Whiteout,
        "keys of disks and of the firmware",
        &[
            "/crypto_keyfile.bin",
            "/boot/crypto_keyfile.bin",
            // With the keys of encrypted disks in them, where the host was so set up.
            "/boot/initrd*",
            "/boot/initramfs*",
            "/var/lib/dkms/mok.key",
            "/etc/pki/akmods/private",
            "/boot/grub2/user.cfg",
            "/boot/grub/user.cfg",
            "/etc/iscsi/initiatorname.iscsi",
            "/etc/iscsi/iscsid.conf",
            "/etc/nvme/hostid",
            "/etc/nvme/hostnqn",
            "/etc/nvme/config.json",
            "/etc/target/saveconfig.json",
        ],
    ),
    rule(
        Host,
        Empty,
        "keys of disks and of the firmware",
        &["/etc/iscsi/nodes", "/etc/iscsi/send_targets", "/var/lib/iscsi", "/var/lib/fprint", "/var/lib/boltd"],
    ),
    rule(Host, Action::Seed(Seed::Comment), "identity in a cloud", &["/etc/cloud/cloud-init.disabled"]),
    rule(
        Host,
        Empty,
        "identity in a cloud",
        &[
            "/var/lib/cloud",
            "/var/lib/waagent",
            "/var/lib/amazon",
            "/var/lib/google",
            "/var/lib/ubuntu-advantage/private",
            "/var/lib/landscape",
            "/var/lib/fwupd/pki",
            "/var/lib/rhsm",
            "/etc/zypp/credentials.d",
        ],
    ),
    rule(
        Host,
        Whiteout,
        "identity in a cloud",
        &[
            "/etc/cloud/cloud.cfg.d/99-installer.cfg",
            "/etc/google_instance_id",
            "/etc/apt/auth.conf.d/90ubuntu-advantage",
            "/etc/insights-client/machine-id",
            "/etc/sysconfig/rhn/systemid",
            "/etc/ovirt-engine-agent",
        ],
    ),
    rule(
        Host,
        Whiteout,
        "keys of the host in its cluster",
        &[
            "/etc/chrony.keys",
            "/etc/chrony/chrony.keys",
            "/etc/ntp.keys",
            "/etc/ntp/keys",
            "/etc/rndc.key",
            "/etc/bind/rndc.key",
            "/etc/unbound/unbound_control.key",
            "/etc/unbound/unbound_server.key",
            "/etc/munge/munge.key",
            "/etc/corosync/authkey",
            "/etc/pacemaker/authkey",
            "/etc/ceph/*.keyring",
            "/etc/chef/*.pem",
            "/etc/docker/key.json",
        ],
    ),
    rule(
        Host,
        Empty,
        "keys of the host in its cluster",
        &[
            "/etc/kubernetes",
            "/etc/rancher",
            "/etc/salt/pki",
            "/etc/puppetlabs/puppet/ssl",
            "/var/lib/puppet",
            "/var/lib/ceph",
            "/var/lib/consul",
            "/var/lib/etcd",
            "/var/lib/glusterd",
            "/var/lib/k0s",
            "/var/lib/kubelet",
            "/var/lib/minikube",
            "/var/lib/nomad",
            "/var/lib/pve-cluster",
            "/var/lib/rancher",
            "/var/lib/vault",
        ],
    ),
    rule(
        Host,
        Empty,
        "other containers, machines and snapshots",
        &[
            "/var/lib/sdme",
            "/var/lib/docker",
            "/var/lib/docker-engine",
            "/var/lib/containerd",
            "/var/lib/containers",
            "/var/lib/buildkit",
            "/var/lib/cni",
            "/var/lib/lxc",
            "/var/lib/lxcfs",
            "/var/lib/lxd",
            "/var/lib/incus",
            "/var/lib/machines",
            "/var/lib/nixos-containers",
            "/var/lib/portables",
            "/var/lib/vz",
            "/var/lib/waydroid",
            "/var/lib/snapd",
            "/var/snap",
            "/snap",
            "/etc/libvirt/secrets",
            "/sysroot",
            "/.snapshots",
            "/home/.snapshots",
            "/timeshift",
        ],
    ),
    rule(Host, Skeleton, "other containers, machines and snapshots", &["/var/lib/libvirt", "/var/lib/xen"]),
    rule(Host, Skeleton, "logs, queues and mail of the host", &["/var/log", "/var/spool", "/var/mail"]),
    rule(Host, Empty, "temporary files of the host", &["/tmp", "/var/tmp"]),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    fn paths() -> impl Iterator<Item = (&'static Rule, &'static str)> {
        TABLE.iter().flat_map(|rule| rule.paths.iter().map(move |path| (rule, *path)))
    }

    #[test]
    fn every_path_is_plain_and_there_once() {
        let mut seen = BTreeSet::new();
        for (_, path) in paths() {
            assert!(seen.insert(path), "{path} is there twice");
            let words: Vec<&str> = path.split('/').skip(1).collect();
            assert!(path.starts_with('/') && !words.iter().any(|word| matches!(*word, "" | "." | "..")), "{path}");
        }
    }

    #[test]
    fn nothing_lies_below_a_directory_that_is_made_new() {
        let renewing = |rule: &Rule| matches!(rule.action, Empty | Skeleton | Keep(_) | Masks | Whiteout);
        for (above, outer) in paths().filter(|(rule, _)| renewing(rule)) {
            for (below, inner) in paths() {
                let apart = matches!((above.scope, below.scope), (Basic, Services) | (Services, Basic));
                assert!(inner == outer || apart || !Path::new(inner).starts_with(outer), "{inner} is below {outer}");
            }
        }
    }

    #[test]
    fn seeds_have_exact_names() {
        for (rule, path) in paths() {
            assert!(!matches!(rule.action, Action::Seed(_)) || !path.contains(['*', '?']), "{path}");
        }
    }
}
