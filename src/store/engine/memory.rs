//! The engine in memory: a plain ordered map behind a lock; the model that other engines are compared with.
/// See the module.
#[derive(Debug)]
pub struct Memory {
    _private: (),
}
