//! stand-in: to be replaced by the readers of `disk/`
use crate::error::{Error, Result};
use crate::rootfs::unpack::disk::image::Image;
use crate::rootfs::unpack::disk::volume::{Holds, Role, Volume};

const HEAD: usize = 70 << 10;

pub fn scan(image: &mut Image<'_>) -> Result<(Vec<Volume>, &'static str)> {
    let length = image.length();
    let head = read(image, 0, HEAD)?;
    if head.get(512..520) == Some(b"EFI PART") {
        return Ok((gpt(image, &head)?, "GPT"));
    }
    let whole = holds(&head);
    if whole == Holds::Nothing && head.get(510..512) == Some(&[0x55, 0xaa]) {
        return Ok((mbr(image, &head)?, "MBR"));
    }
    let length = length / 512 * 512;
    let volume = Volume {
        number: None,
        start: 0,
        length,
        role: Role::Other,
        part_uuid: String::new(),
        part_label: String::new(),
        holds: whole,
    };
    Ok((vec![volume], "no partition table"))
}

fn read(image: &mut Image<'_>, at: u64, length: usize) -> Result<Vec<u8>> {
    let mut head = vec![0; length];
    let mut done = 0;
    while done < length {
        let Some(rest) = head.get_mut(done..) else { break };
        match image.read_at(at + done as u64, rest)? {
            0 => break,
            read => done += read,
        }
    }
    head.truncate(done);
    Ok(head)
}

fn le(bytes: &[u8], at: usize, length: usize) -> u64 {
    let mut value = 0;
    for (index, byte) in bytes.get(at..at + length).unwrap_or_default().iter().enumerate() {
        value |= u64::from(*byte) << (8 * index);
    }
    value
}

fn uuid(bytes: &[u8]) -> String {
    let hex = |range: std::ops::Range<usize>| {
        bytes.get(range).unwrap_or_default().iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    format!("{}-{}-{}-{}-{}", hex(0..4), hex(4..6), hex(6..8), hex(8..10), hex(10..16))
}

fn guid(bytes: &[u8]) -> String {
    format!(
        "{:08x}-{:04x}-{:04x}-{}",
        le(bytes, 0, 4),
        le(bytes, 4, 2),
        le(bytes, 6, 2),
        uuid(bytes).get(19..).unwrap_or_default()
    )
}

fn gpt(image: &mut Image<'_>, head: &[u8]) -> Result<Vec<Volume>> {
    let (count, size) = (le(head, 592, 4), le(head, 596, 4));
    if size != 128 || count > 1024 {
        return Err(Error::invalid("GPT"));
    }
    let table = read(image, le(head, 584, 8).saturating_mul(512), (count * size) as usize)?;
    let mut volumes = Vec::new();
    for (index, entry) in table.chunks_exact(128).enumerate() {
        let kind = guid(entry);
        if kind.starts_with("00000000-") {
            continue;
        }
        let role = match kind.as_str() {
            "4f68bce3-e8cd-4db1-96e7-fbcaf984b709" => Role::Root,
            "8484680c-9521-48c6-9c11-b0720656f69e" => Role::Usr,
            "4d21b016-b534-45c2-a9fb-5c16e091fd2d" => Role::Var,
            "933ac7e1-2eb4-4f13-b844-0e14e2aef915" => Role::Home,
            "3b8f8425-20e0-4f3b-907f-1a25a76f98e8" => Role::Srv,
            "bc13c2ff-59e6-4262-a352-b275fd6f7172" => Role::Boot,
            "c12a7328-f81f-11d2-ba4b-00a0c93ec93b" => Role::Esp,
            "0657fd6d-a4ab-43c4-84e5-0933c84b4f4f" => Role::Swap,
            _ => Role::Other,
        };
        let units: Vec<u16> = entry
            .get(56..)
            .unwrap_or_default()
            .chunks_exact(2)
            .map(|pair| le(pair, 0, 2) as u16)
            .take_while(|unit| *unit != 0)
            .collect();
        let (first, last) = (le(entry, 32, 8), le(entry, 40, 8));
        volumes.push(volume(
            image,
            index as u32 + 1,
            first,
            last.saturating_sub(first) + 1,
            role,
            guid(entry.get(16..).unwrap_or_default()),
            String::from_utf16_lossy(&units),
        )?);
    }
    Ok(volumes)
}

fn mbr(image: &mut Image<'_>, head: &[u8]) -> Result<Vec<Volume>> {
    let mut volumes = Vec::new();
    for index in 0..4 {
        let entry = head.get(446 + 16 * index..).unwrap_or_default();
        if le(entry, 4, 1) != 0 && le(entry, 12, 4) != 0 {
            let id = format!("{:08x}-{:02x}", le(head, 440, 4), index + 1);
            volumes.push(volume(
                image,
                index as u32 + 1,
                le(entry, 8, 4),
                le(entry, 12, 4),
                Role::Other,
                id,
                String::new(),
            )?);
        }
    }
    Ok(volumes)
}

fn volume(
    image: &mut Image<'_>,
    number: u32,
    first: u64,
    count: u64,
    role: Role,
    part_uuid: String,
    part_label: String,
) -> Result<Volume> {
    let (start, length) = (first.saturating_mul(512), count.saturating_mul(512));
    let head = read(image, start, HEAD)?;
    Ok(Volume { number: Some(number), start, length, role, part_uuid, part_label, holds: holds(&head) })
}

fn text(head: &[u8], at: usize, length: usize) -> String {
    let bytes: Vec<u8> =
        head.get(at..at + length).unwrap_or_default().iter().copied().take_while(|byte| *byte != 0).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn holds(head: &[u8]) -> Holds {
    let begins = |offset: usize, magic: &[u8]| head.get(offset..).is_some_and(|rest| rest.starts_with(magic));
    let of = |fstype: &'static str, id: usize, label: (usize, usize)| Holds::Filesystem {
        fstype,
        uuid: uuid(head.get(id..).unwrap_or_default()),
        label: text(head, label.0, label.1),
    };
    match () {
        _ if begins(0, b"LUKS\xba\xbe") => Holds::Refused("LUKS".into()),
        _ if begins(512, b"LABELONE") => Holds::Refused("LVM".into()),
        _ if begins(0, b"XFSB") => of("xfs", 32, (108, 12)),
        _ if begins(1080, b"\x53\xef") => of("ext4", 1024 + 104, (1024 + 120, 16)),
        _ if begins(65600, b"_BHRfS_M") => of("btrfs", 65536 + 32, (65536 + 299, 256)),
        _ if begins(0, b"hsqs") => of("squashfs", 100_000, (100_000, 0)),
        _ if begins(1024, b"\xe2\xe1\xf5\xe0") => of("erofs", 1024 + 48, (1024 + 64, 16)),
        _ if begins(54, b"FAT1") || begins(82, b"FAT32") => of("vfat", 100_000, (100_000, 0)),
        _ => Holds::Nothing,
    }
}
