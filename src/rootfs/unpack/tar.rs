//! A tar archive of one tree, put into the writer's, entry by entry in the archive's order.

use crate::error::Result;
use crate::rootfs::unpack::entry;
use crate::rootfs::unpack::fill::filling;
use crate::rootfs::writer::Writer;
use crate::stream::tar::Archive;

/// Unpacks all entries; what the reader left out goes to the writer's notes. The caller finishes both: the archive to
/// know that nothing follows it, the writer to give directories their attributes.
pub fn unpack(archive: &mut Archive<'_>, writer: &mut Writer) -> Result<()> {
    filling(|filler| {
        while let Some(entry) = archive.next()? {
            entry::write(archive, &entry, writer, filler)?;
        }
        Ok(())
    })?;
    archive.notes().into_iter().for_each(|note| writer.note(|| note));
    Ok(())
}
