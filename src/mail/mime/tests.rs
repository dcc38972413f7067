//! Structures as data, and any bytes in any chunks.
use super::*;
