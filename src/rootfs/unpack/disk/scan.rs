//! What an image is divided into, in the words of `volume`.

use crate::disk::partition::{self, Architecture, Guid, Partition, PartitionType, Table, TableKind};
use crate::disk::probe;
use crate::disk::{ReadAt, partition::Role as Kind};
use crate::error::Result;
use crate::rootfs::unpack::disk::volume::{Holds, Role, Volume};

/// Where an MBR has the number that its partitions are named by.
const SIGNATURE: u64 = 440;

/// All volumes, and what kind of table says so.
pub fn scan(disk: &dyn ReadAt) -> Result<(Vec<Volume>, &'static str)> {
    let whole = whole(disk)?;
    // The boot sector of a filesystem ends like an MBR.
    if matches!(whole.holds, Holds::Filesystem { fstype, .. } if fstype != "vfat") {
        return Ok((vec![whole], "no partition table"));
    }
    let Some(table) = partition::read(disk)? else { return Ok((vec![whole], "no partition table")) };
    let signature = signature(disk, &table)?;
    let volumes = table.partitions.iter().map(|part| volume(disk, part, signature)).collect::<Result<_>>()?;
    Ok((volumes, name(&table)))
}

fn name(table: &Table) -> &'static str {
    match table.kind {
        TableKind::Gpt => "GPT",
        TableKind::GptBackup => "GPT, by its backup",
        TableKind::Mbr => "MBR",
    }
}

fn whole(disk: &dyn ReadAt) -> Result<Volume> {
    // Loop devices count in sectors.
    let length = disk.size()? / 512 * 512;
    Ok(Volume {
        number: None,
        start: 0,
        length,
        role: Role::Other,
        part_uuid: String::new(),
        part_label: String::new(),
        holds: holds(disk, 0, length)?,
    })
}

fn volume(disk: &dyn ReadAt, part: &Partition, signature: u32) -> Result<Volume> {
    Ok(Volume {
        number: Some(part.number),
        start: part.offset,
        length: part.length,
        role: role(part),
        part_uuid: match (part.kind, part.unique) {
            (PartitionType::Mbr(_), _) => format!("{signature:08x}-{:02x}", part.number),
            (_, unique) => unique.as_ref().map(Guid::to_string).unwrap_or_default(),
        },
        part_label: part.name.clone(),
        holds: holds(disk, part.offset, part.length)?,
    })
}

fn signature(disk: &dyn ReadAt, table: &Table) -> Result<u32> {
    let mut number = [0; 4];
    if table.kind == TableKind::Mbr {
        disk.read_exact_at(SIGNATURE, &mut number, "the number of the disk")?;
    }
    Ok(u32::from_le_bytes(number))
}

fn role(part: &Partition) -> Role {
    let native = |architecture| Architecture::native() == Some(architecture);
    match part.role() {
        // Bit 63: whoever made it does not want it found by its type.
        _ if matches!(part.kind, PartitionType::Gpt(_)) && part.is_no_auto() => Role::Other,
        Some(Kind::Root(architecture)) if native(architecture) => Role::Root,
        Some(Kind::Usr(architecture)) if native(architecture) => Role::Usr,
        Some(Kind::Var) => Role::Var,
        Some(Kind::Home) => Role::Home,
        Some(Kind::Srv) => Role::Srv,
        Some(Kind::XBootLdr) => Role::Boot,
        Some(Kind::Esp) => Role::Esp,
        Some(Kind::Swap) => Role::Swap,
        _ => Role::Other,
    }
}

fn holds(disk: &dyn ReadAt, start: u64, length: u64) -> Result<Holds> {
    let Some(found) = probe::probe(disk, start, length)? else { return Ok(Holds::Nothing) };
    Ok(match (found.kind.fstype(), found.elsewhere) {
        (Some(fstype), Some(elsewhere)) => Holds::Refused(format!("{fstype}: {elsewhere}")),
        (Some(fstype), None) => Holds::Filesystem { fstype, uuid: found.uuid, label: found.label },
        (None, _) => Holds::Refused(found.kind.refusal().to_string()),
    })
}
