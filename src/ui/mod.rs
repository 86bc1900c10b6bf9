//! What people see: streams, tables, questions.

pub mod ask;
pub mod events;
pub mod out;
pub mod progress;
pub mod table;
