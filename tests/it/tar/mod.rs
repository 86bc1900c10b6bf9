//! The reader of tar archives: against what other tools write, and against what nobody should.

mod attacks;
mod made;
mod tools;
