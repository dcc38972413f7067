//! The engine on this machine: journal, committer, sled as index, body files.
/// See the module.
#[derive(Debug)]
pub struct Local {
    _private: (),
}
