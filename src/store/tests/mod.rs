//! The operations, from one source on every engine.

mod bed;
mod intake;
