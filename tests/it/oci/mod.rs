//! Images: those that umoci and skopeo make, flattened as umoci flattens them; and those that nobody should make.

mod attacks;
pub mod made;
mod tools;
