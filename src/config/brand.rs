//! `logo` and `colour` of `[organisation]`: checked for what people can see and read.

use std::io::Read;
use std::path::Path;

use super::kinds;
use super::reader::Table;
use crate::text::page::Accent;
use crate::web::{Brand, Logo, MOST_LOGO};

/// Reads both; what is wrong is noted and left out.
pub fn read(table: &Table<'_, '_>) -> Brand {
    let logo = table.optional("logo", &kinds::file()).and_then(|path| {
        let logo = start_of(&path).ok().and_then(Logo::new);
        if logo.is_none() {
            let allowed = format!("an SVG, PNG or WebP picture of at most {} KiB", MOST_LOGO / 1024);
            table.refuse("logo", format!("{}, which is not one", path.display()), &allowed);
        }
        logo
    });
    let form = "a colour as \"#rrggbb\"";
    let accent = table.optional("colour", &kinds::from_text(form, Accent::parse)).filter(|accent| {
        let readable = accent.is_readable();
        if !readable {
            let found = format!("a colour with contrast {:.1} to white", accent.on_white());
            table.refuse("colour", &found, "one with at least 4.5: white letters on it must be readable");
        }
        readable
    });
    Brand { logo, accent }
}

/// The file, or so much of it that it is seen to be too long.
fn start_of(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(MOST_LOGO + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
