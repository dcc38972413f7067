//! Texts that people read: Dutch and English, one Fluent file each, and the templates that use them.
//!
//! Both files hold the same messages with the same variables; a test compares them, and every template renders in both with
//! its sample context.

/// A language that we write in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lang {
    /// Dutch, at B1 level.
    #[default]
    Nl,
    /// English.
    En,
}
