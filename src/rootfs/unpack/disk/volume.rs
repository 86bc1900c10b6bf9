//! What an image holds, a volume each: a partition, or the whole disk without a table; and which is tried as the root. Pure.

use crate::error::{Error, Result};
use crate::text::fstab::Spec;
use crate::text::{sanitize, size};

/// What a partition is for, by its type (the Discoverable Partitions Specification; MBR types tell little).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The root of a system for this processor.
    Root,
    /// Its /usr.
    Usr,
    Var,
    Home,
    Srv,
    /// The extended boot loader partition.
    Boot,
    /// The EFI system partition.
    Esp,
    Swap,
    Other,
}

/// What the bytes of a volume are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holds {
    /// `fstype` is the kernel's word.
    Filesystem {
        fstype: &'static str,
        uuid: String,
        label: String,
    },
    /// Something known that is not read, and why.
    Refused(String),
    Nothing,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// As the partition table has it; None without one.
    pub number: Option<u32>,
    /// Bytes.
    pub start: u64,
    pub length: u64,
    pub role: Role,
    /// By the partition table, lower case; empty where it has none.
    pub part_uuid: String,
    pub part_label: String,
    pub holds: Holds,
}

/// Why a volume is tried as the root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    Asked,
    Type,
    /// It is there, and there may be a system in it.
    Search,
}

impl Volume {
    pub fn fstype(&self) -> Option<&'static str> {
        match &self.holds {
            Holds::Filesystem { fstype, .. } => Some(fstype),
            _ => None,
        }
    }

    /// "partition 2 (ext4, 3.0G, \"root\")"
    pub fn shown(&self) -> String {
        let mut facts = vec![match &self.holds {
            Holds::Filesystem { fstype, .. } => (*fstype).to_string(),
            Holds::Refused(why) => why.clone(),
            Holds::Nothing => "no filesystem that is known".to_string(),
        }];
        facts.push(size::render(self.length));
        if !self.part_label.is_empty() {
            facts.push(format!("{:?}", sanitize::line(&self.part_label)));
        }
        let what = self.number.map_or("the whole disk".to_string(), |number| format!("partition {number}"));
        format!("{what} ({})", facts.join(", "))
    }

    /// Whether an entry of fstab is of this volume.
    pub fn is_meant(&self, spec: &Spec) -> bool {
        let own = match &self.holds {
            Holds::Filesystem { uuid, label, .. } => (uuid.as_str(), label.as_str()),
            _ => ("", ""),
        };
        let is = |ours: &str, theirs: &str| !ours.is_empty() && ours == theirs;
        match spec {
            Spec::Uuid(uuid) => is(&own.0.to_ascii_lowercase(), uuid),
            Spec::Label(label) => is(own.1, label),
            Spec::PartUuid(uuid) => is(&self.part_uuid, uuid),
            Spec::PartLabel(label) => is(&self.part_label, label),
            Spec::Device(name) => self.number.is_some() && self.number == partition_of(name),
            Spec::Other => false,
        }
    }
}

/// The number of a partition of the first disk: `sda1`, `vda1`, `nvme0n1p1`, `mmcblk0p1`.
fn partition_of(device: &str) -> Option<u32> {
    let disks = ["sda", "vda", "hda", "xvda", "nvme0n1p", "mmcblk0p"];
    disks.iter().find_map(|disk| device.strip_prefix(disk)?.parse().ok())
}

/// The volumes to look into for a root, in order.
///
/// Errors: `Usage` for a number that is no partition's; `Invalid` when there is nothing to look into, naming what there is.
pub fn candidates(volumes: &[Volume], asked: Option<u32>) -> Result<Vec<(usize, Why)>> {
    if let Some(number) = asked {
        return match volumes.iter().position(|volume| volume.number == Some(number)) {
            Some(index) if volumes.get(index).is_some_and(|volume| volume.fstype().is_some()) => {
                Ok(vec![(index, Why::Asked)])
            }
            Some(index) => Err(unreadable(&volumes[index..=index])),
            None => Err(Error::usage(format!("--partition {number}: there is {}", listed(volumes)))),
        };
    }
    let readable = |index: &usize| volumes.get(*index).is_some_and(|volume| volume.fstype().is_some());
    let role = |index: &usize| volumes.get(*index).map_or(Role::Other, |volume| volume.role);
    let all: Vec<usize> = (0..volumes.len()).filter(readable).collect();
    let typed = all.iter().filter(|index| role(index) == Role::Root).map(|index| (*index, Why::Type));
    let others = all.iter().filter(|index| role(index) == Role::Other).map(|index| (*index, Why::Search));
    let found: Vec<(usize, Why)> = typed.chain(others).collect();
    if found.is_empty() { Err(unreadable(volumes)) } else { Ok(found) }
}

/// Nothing in it can be the root.
fn unreadable(volumes: &[Volume]) -> Error {
    Error::invalid(format!("it holds no filesystem that could be a root: there is {}", listed(volumes)))
}

pub fn listed(volumes: &[Volume]) -> String {
    match volumes {
        [] => "an empty partition table".to_string(),
        some => some.iter().map(Volume::shown).collect::<Vec<_>>().join("; "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volume(number: u32, role: Role, fstype: Option<&'static str>) -> Volume {
        let holds = fstype.map_or(Holds::Refused("LUKS: encrypted".into()), |fstype| Holds::Filesystem {
            fstype,
            uuid: format!("AB-{number}"),
            label: "my".into(),
        });
        let (part_uuid, part_label) = (format!("cd-{number}"), format!("p{number}"));
        Volume { number: Some(number), start: 0, length: 3 << 30, role, part_uuid, part_label, holds }
    }

    #[test]
    fn the_type_comes_first_then_what_there_is() {
        let volumes = [
            volume(1, Role::Esp, Some("vfat")),
            volume(2, Role::Other, Some("ext4")),
            volume(3, Role::Root, Some("xfs")),
            volume(4, Role::Root, None),
        ];
        assert_eq!(candidates(&volumes, None).unwrap(), [(2, Why::Type), (1, Why::Search)]);
        assert_eq!(candidates(&volumes, Some(1)).unwrap(), [(0, Why::Asked)]);
        let error = candidates(&volumes, Some(9)).unwrap_err();
        assert!(error.exit_code() == 2 && error.to_string().contains("partition 2 (ext4, 3.0G, \"p2\")"), "{error}");
        for asked in [None, Some(4)] {
            let error = candidates(&volumes[3..], asked).unwrap_err().to_string();
            assert!(error.contains("LUKS: encrypted"), "{error}");
        }
        assert!(candidates(&[], None).is_err());
    }

    #[test]
    fn an_entry_is_of_the_volume_that_it_names() {
        let one = volume(1, Role::Other, Some("ext4"));
        for spec in [
            Spec::Uuid("ab-1".into()),
            Spec::Label("my".into()),
            Spec::PartUuid("cd-1".into()),
            Spec::PartLabel("p1".into()),
            Spec::Device("vda1".into()),
            Spec::Device("nvme0n1p1".into()),
        ] {
            assert!(one.is_meant(&spec), "{spec:?}");
        }
        for spec in [
            Spec::Uuid(String::new()),
            Spec::Label("My".into()),
            Spec::Device("vdb1".into()),
            Spec::Device("vda".into()),
            Spec::Device("vda11".into()),
            Spec::Other,
        ] {
            assert!(!one.is_meant(&spec), "{spec:?}");
        }
    }
}
