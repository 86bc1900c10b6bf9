//! OCI images (image-spec 1.1) and `docker save` archives: what their documents say, and where their blobs are.

pub mod blobs;
pub mod docker;
pub mod image;
pub mod layout;
pub mod member;
pub mod platform;
pub mod select;
//pub mod spool;
pub mod types;
