//! What the fuzz targets run, in a library so that each is one line.

pub mod formats;
pub mod smtp;
pub mod stream;
pub mod targets;
