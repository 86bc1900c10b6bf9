//! What partitions are for, by their types: the Discoverable Partitions Specification's and a few older ones.
//!
//! `systemd-id128 show` prints the same numbers; a test compares.

use crate::disk::partition::Guid;

/// In the specification's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Root(Architecture),
    Usr(Architecture),
    /// Hashes or signatures of another partition.
    Verity,
    /// The EFI system partition.
    Esp,
    /// `/boot` where it is not the ESP.
    XBootLdr,
    Swap,
    Home,
    Srv,
    Var,
    /// `/var/tmp`.
    Tmp,
    UserHome,
    /// A Linux filesystem of whatever use; what most tools give a root.
    Linux,
    /// A volume of LVM2.
    Lvm,
    Raid,
    Luks,
    /// Where GRUB puts itself on machines without EFI.
    BiosBoot,
    /// The same on POWER.
    Prep,
    /// Microsoft's basic data; old tools gave it to Linux's too.
    Data,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Architecture {
    X86_64,
    X86,
    Arm64,
    Arm,
    Riscv64,
    Ppc64Le,
    Ppc64,
    S390x,
    LoongArch64,
}

impl Architecture {
    /// This machine's. `None`: its partitions have no types of their own here.
    pub fn native() -> Option<Architecture> {
        Some(match std::env::consts::ARCH {
            "x86_64" => Architecture::X86_64,
            "x86" => Architecture::X86,
            "aarch64" => Architecture::Arm64,
            "arm" => Architecture::Arm,
            "riscv64" => Architecture::Riscv64,
            "powerpc64" if cfg!(target_endian = "little") => Architecture::Ppc64Le,
            "powerpc64" => Architecture::Ppc64,
            "s390x" => Architecture::S390x,
            "loongarch64" => Architecture::LoongArch64,
            _ => return None,
        })
    }

    /// As the specification names it.
    pub fn name(self) -> &'static str {
        match self {
            Architecture::X86_64 => "x86-64",
            Architecture::X86 => "x86",
            Architecture::Arm64 => "arm64",
            Architecture::Arm => "arm",
            Architecture::Riscv64 => "riscv64",
            Architecture::Ppc64Le => "ppc64-le",
            Architecture::Ppc64 => "ppc64",
            Architecture::S390x => "s390x",
            Architecture::LoongArch64 => "loongarch64",
        }
    }
}

impl Role {
    pub fn of_guid(guid: Guid) -> Option<Role> {
        TYPES.iter().find(|(digits, _)| Guid::of(*digits) == guid).map(|(_, role)| *role)
    }

    /// The type byte of an MBR.
    pub fn of_byte(byte: u8) -> Option<Role> {
        Some(match byte {
            0x82 => Role::Swap,
            0x83 => Role::Linux,
            0x8e => Role::Lvm,
            0xe8 => Role::Luks,
            0xef => Role::Esp,
            0xea => Role::XBootLdr,
            0xfd => Role::Raid,
            0x41 => Role::Prep,
            0x01 | 0x04 | 0x06 | 0x07 | 0x0b | 0x0c | 0x0e => Role::Data,
            _ => return None,
        })
    }
}

/// As [`Guid::of`] takes them.
const TYPES: &[(u128, Role)] = &[
    (0x4f68bce3_e8cd_4db1_96e7_fbcaf984b709, Role::Root(Architecture::X86_64)),
    (0x8484680c_9521_48c6_9c11_b0720656f69e, Role::Usr(Architecture::X86_64)),
    (0x44479540_f297_41b2_9af7_d131d5f0458a, Role::Root(Architecture::X86)),
    (0x75250d76_8cc6_458e_bd66_bd47cc81a812, Role::Usr(Architecture::X86)),
    (0xb921b045_1df0_41c3_af44_4c6f280d3fae, Role::Root(Architecture::Arm64)),
    (0xb0e01050_ee5f_4390_949a_9101b17104e9, Role::Usr(Architecture::Arm64)),
    (0x69dad710_2ce4_4e3c_b16c_21a1d49abed3, Role::Root(Architecture::Arm)),
    (0x7d0359a3_02b3_4f0a_865c_654403e70625, Role::Usr(Architecture::Arm)),
    (0x72ec70a6_cf74_40e6_bd49_4bda08e8f224, Role::Root(Architecture::Riscv64)),
    (0xbeaec34b_8442_439b_a40b_984381ed097d, Role::Usr(Architecture::Riscv64)),
    (0xc31c45e6_3f39_412e_80fb_4809c4980599, Role::Root(Architecture::Ppc64Le)),
    (0x15bb03af_77e7_4d4a_b12b_c0d084f7491c, Role::Usr(Architecture::Ppc64Le)),
    (0x912ade1d_a839_4913_8964_a10eee08fbd2, Role::Root(Architecture::Ppc64)),
    (0x2c9739e2_f068_46b3_9fd0_01c5a9afbcca, Role::Usr(Architecture::Ppc64)),
    (0x5eead9a9_fe09_4a1e_a1d7_520d00531306, Role::Root(Architecture::S390x)),
    (0x8a4f5770_50aa_4ed3_874a_99b710db6fea, Role::Usr(Architecture::S390x)),
    (0x77055800_792c_4f94_b39a_98c91b762bb6, Role::Root(Architecture::LoongArch64)),
    (0xe611c702_575c_4cbe_9a46_434fa0bf7e3f, Role::Usr(Architecture::LoongArch64)),
    (0x2c7357ed_ebd2_46d9_aec1_23d437ec2bf5, Role::Verity),
    (0x41092b05_9fc8_4523_994f_2def0408b176, Role::Verity),
    (0xd13c5d3b_b5d1_422a_b29f_9454fdc89d76, Role::Verity),
    (0x5996fc05_109c_48de_808b_23fa0830b676, Role::Verity),
    (0xdf3300ce_d69f_4c92_978c_9bfb0f38d820, Role::Verity),
    (0x6db69de6_29f4_4758_a7a5_962190f00ce3, Role::Verity),
    (0x7386cdf2_203c_47a9_a498_f2ecce45a2d6, Role::Verity),
    (0x42b0455f_eb11_491d_98d3_56145ba9d037, Role::Verity),
    (0xb6ed5582_440b_4209_b8da_5ff7c419ea3d, Role::Verity),
    (0xefe0f087_ea8d_4469_821a_4c2a96a8386a, Role::Verity),
    (0x906bd944_4589_4aae_a4e4_dd983917446a, Role::Verity),
    (0xd4a236e7_e873_4c07_bf1d_bf6cf7f1c3c6, Role::Verity),
    (0x9225a9a3_3c19_4d89_b4f6_eeff88f17631, Role::Verity),
    (0xf5e2c20c_45b2_4ffa_bce9_2a60737e1aaf, Role::Verity),
    (0xb325bfbe_c7be_4ab8_8357_139e652d2f6b, Role::Verity),
    (0xc80187a5_73a3_491a_901a_017c3fa953e9, Role::Verity),
    (0xf3393b22_e9af_4613_a948_9d3bfbd0c535, Role::Verity),
    (0x5afb67eb_ecc8_4f85_ae8e_ac1e7c50e7d0, Role::Verity),
    (0x77ff5f63_e7b6_4633_acf4_1565b864c0e6, Role::Verity),
    (0xe7bb33fb_06cf_4e81_8273_e543b413e2e2, Role::Verity),
    (0x8f461b0d_14ee_4e81_9aa9_049b6fb97abd, Role::Verity),
    (0x974a71c0_de41_43c3_be5d_5c5ccd1ad2c0, Role::Verity),
    (0x6e11a4e7_fbca_4ded_b9e9_e1a512bb664e, Role::Verity),
    (0xc23ce4ff_44bd_4b00_b2d4_b41b3419e02a, Role::Verity),
    (0xc215d751_7bcd_4649_be90_6627490a4c05, Role::Verity),
    (0xd7ff812f_37d1_4902_a810_d76ba57b975a, Role::Verity),
    (0x8f1056be_9b05_47c4_81d6_be53128e5b54, Role::Verity),
    (0xd2f9000a_7a18_453f_b5cd_4d32f77a7b32, Role::Verity),
    (0xee2b9983_21e8_4153_86d9_b6901a54d1ce, Role::Verity),
    (0xc8bfbd1e_268e_4521_8bba_bf314c399557, Role::Verity),
    (0xbdb528a5_a259_475f_a87d_da53fa736a07, Role::Verity),
    (0x0b888863_d7f8_4d9e_9766_239fce4d58af, Role::Verity),
    (0x31741cc4_1a2a_4111_a581_e00b447d2d06, Role::Verity),
    (0x3f324816_667b_46ae_86ee_9b0c0c6c11b4, Role::Verity),
    (0xf46b2c26_59ae_48f0_9106_c50ed47f673d, Role::Verity),
    (0xb024f315_d330_444c_8461_44bbde524e99, Role::Verity),
    (0xc12a7328_f81f_11d2_ba4b_00a0c93ec93b, Role::Esp),
    (0xbc13c2ff_59e6_4262_a352_b275fd6f7172, Role::XBootLdr),
    (0x0657fd6d_a4ab_43c4_84e5_0933c84b4f4f, Role::Swap),
    (0x933ac7e1_2eb4_4f13_b844_0e14e2aef915, Role::Home),
    (0x3b8f8425_20e0_4f3b_907f_1a25a76f98e8, Role::Srv),
    (0x4d21b016_b534_45c2_a9fb_5c16e091fd2d, Role::Var),
    (0x7ec6f557_3bc5_4aca_b293_16ef5df639d1, Role::Tmp),
    (0x773f91ef_66d4_49b5_bd83_d683bf40ad16, Role::UserHome),
    (0x0fc63daf_8483_4772_8e79_3d69d8477de4, Role::Linux),
    // Of other makers' lists.
    (0xe6d6d379_f507_44c2_a23c_238f2a3df928, Role::Lvm),
    (0xa19d880f_05fc_4d3b_a006_743f0f84911e, Role::Raid),
    (0xca7d7ccb_63ed_4c53_861c_1742536059cc, Role::Luks),
    (0x21686148_6449_6e6f_744e_656564454649, Role::BiosBoot),
    (0x9e1a2d38_c612_4316_aa26_8b49521e5a8b, Role::Prep),
    (0xebd0a0a2_b9e5_4433_87c0_68b6b72699c7, Role::Data),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    fn expected(name: &str) -> Option<Role> {
        let architectures = [
            Architecture::X86_64,
            Architecture::X86,
            Architecture::Arm64,
            Architecture::Arm,
            Architecture::Riscv64,
            Architecture::Ppc64Le,
            Architecture::Ppc64,
            Architecture::S390x,
            Architecture::LoongArch64,
        ];
        let of = |name: &str| architectures.into_iter().find(|architecture| architecture.name() == name);
        match name {
            "esp" => Some(Role::Esp),
            "xbootldr" => Some(Role::XBootLdr),
            "swap" => Some(Role::Swap),
            "home" => Some(Role::Home),
            "srv" => Some(Role::Srv),
            "var" => Some(Role::Var),
            "tmp" => Some(Role::Tmp),
            "user-home" => Some(Role::UserHome),
            "linux-generic" => Some(Role::Linux),
            _ => {
                let (role, rest) = name.split_once('-')?;
                let verity = rest.strip_suffix("-verity").or(rest.strip_suffix("-verity-sig"));
                of(verity.unwrap_or(rest)).map(|architecture| match (verity, role) {
                    (Some(_), _) => Role::Verity,
                    (None, "usr") => Role::Usr(architecture),
                    (None, _) => Role::Root(architecture),
                })
            }
        }
    }

    #[test]
    fn systemd_has_the_same_types() {
        let Ok(output) = Command::new("systemd-id128").arg("show").output() else {
            eprintln!("not compared: systemd-id128 is not installed");
            return;
        };
        let text = String::from_utf8(output.stdout).unwrap();
        let mut compared = 0;
        for line in text.lines().skip(1) {
            let (name, digits) = line.split_once(' ').unwrap();
            let Some(role) = expected(name) else { continue };
            let guid = Guid::of(u128::from_str_radix(&digits.trim().replace('-', ""), 16).unwrap());
            assert_eq!(Role::of_guid(guid), Some(role), "{name}");
            compared += 1;
        }
        if compared == 0 {
            eprintln!("not compared: this systemd-id128 lists no partition types");
        }
    }

    #[test]
    fn this_machine_has_a_root() {
        let root = Role::of_guid(Guid::of(0x4f68bce3_e8cd_4db1_96e7_fbcaf984b709));
        assert_eq!(root, Some(Role::Root(Architecture::X86_64)));
        assert_eq!(Role::of_guid(Guid([0; 16])), None);
        assert_eq!(Role::of_byte(0x83), Some(Role::Linux));
    }
}
