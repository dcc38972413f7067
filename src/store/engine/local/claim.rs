//! A data folder that is this process's alone, before anything in it is read or changed: whoever finds that it cannot be opened
//! leaves it as it is.

use std::io;
use std::path::{Path, PathBuf};

use super::super::super::{OpenError, Settings};
use super::folder::{Folder, Lock, at};
use super::{Options, segment};

/// See [`super::super::Claim`].
#[derive(Debug)]
pub(in super::super) struct Claim {
    pub(super) settings: Settings,
    pub(super) options: Options,
    pub(super) folder: Folder,
    pub(super) lock: Lock,
}

impl Claim {
    pub(in super::super) fn new(settings: &Settings) -> Result<Self, OpenError> {
        Self::with(settings, Options::default())
    }

    pub(super) fn with(settings: &Settings, options: Options) -> Result<Self, OpenError> {
        let (folder, lock) = Folder::open(&settings.folder, options.io.clone())?;
        Ok(Self { settings: settings.clone(), options, folder, lock })
    }

    /// See [`super::super::Claim::with_segments_of`].
    pub(in super::super) fn with_segments_of(self, bytes: u64) -> Self {
        Self { options: Options { segment_size: bytes, ..self.options }, ..self }
    }

    /// See [`super::super::Claim::unknown_format`].
    pub(in super::super) fn unknown_format(&self) -> Result<Option<PathBuf>, OpenError> {
        let journal = self.folder.journal();
        segment::any_of_newer_format(&journal).map_err(at(&journal))
    }

    /// See [`super::super::Claim::is_used`].
    pub(in super::super) fn is_used(&self) -> Result<bool, OpenError> {
        let journal = self.folder.journal();
        segment::any_written(&journal).map_err(at(&journal))
    }
}

/// See [`super::super::Engine::has_written`].
pub(in super::super) fn has_written(folder: &Path) -> io::Result<bool> {
    match segment::any_written(&folder.join("journal")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        other => other,
    }
}
