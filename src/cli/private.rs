//! The memory of a command that holds keys is its own: no core dump has it, and no other process of the same user reads it.

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// Before any key is read. What the system refuses stays as it was.
pub(super) fn keep_memory() {
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
}
