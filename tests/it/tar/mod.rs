//! The reader of tar archives: against what other tools write, and against what nobody should.

mod attacks;
pub mod made;
mod tools;
mod unpacked;
