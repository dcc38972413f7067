//! The local engine under damage, errors and stops.
