//! What is on disk, and who works on it: names, records, stages, locks. No behaviour.

pub mod datadir;
pub mod fields;
pub mod image;
pub mod lock;
pub mod mounted;
pub mod name;
pub mod origin;
pub mod record;
pub mod resolve_name;
pub mod runtime;
pub mod stage;
