//! From each form in which a root filesystem comes to calls of the writer, the only code that writes in a foreign tree.

pub mod dir;
mod entry;
mod fill;
pub mod oci;
pub mod tar;
mod transfer;
