//! The organisation's own colour for buttons and marks on the pages, in light and in dark, always readable (WCAG 2.2 §1.4.3).

use std::fmt::Write as _;

/// Least contrast of text with what is behind it (WCAG 2.2 §1.4.3).
const LEAST: f64 = 4.5;
const WHITE: Accent = Accent { rgb: [255; 3] };
/// `--paper` and `--seal-ink` of the style sheet in dark.
const DARK_PAPER: Accent = Accent { rgb: [0x1f, 0x22, 0x26] };
const DARK_INK: Accent = Accent { rgb: [0x15, 0x17, 0x1a] };

/// A colour of sRGB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accent {
    rgb: [u8; 3],
}

impl Accent {
    /// Reads `#rrggbb`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6)?;
        let mut rgb = [0; 3];
        data_encoding::HEXLOWER_PERMISSIVE.decode_mut(digits.as_bytes(), &mut rgb).ok()?;
        Some(Self { rgb })
    }

    /// Contrast with white, 1 to 21 (WCAG 2.2, "contrast ratio").
    #[must_use]
    pub fn on_white(self) -> f64 {
        self.contrast(WHITE)
    }

    /// Whether white letters on it, and it as letters on white, can be read.
    #[must_use]
    pub fn is_readable(self) -> bool {
        self.on_white() >= LEAST
    }

    /// What comes behind the style sheet: this colour in light, and in dark as much lighter as reading it there takes.
    #[must_use]
    pub fn css(self) -> String {
        let (mut css, dark) = (String::new(), self.in_dark());
        let _ = writeln!(css, ":root{{--seal:{};--seal-ink:#fff}}", self.hex());
        let _ =
            writeln!(css, "@media (prefers-color-scheme:dark){{:root{{--seal:{};--seal-ink:#15171a}}}}", dark.hex());
        css
    }

    fn hex(self) -> String {
        format!("#{}", data_encoding::HEXLOWER.encode(&self.rgb))
    }

    fn in_dark(self) -> Self {
        let fits = |colour: &Self| colour.contrast(DARK_PAPER) >= LEAST && colour.contrast(DARK_INK) >= LEAST;
        (0..=20).map(|twentieths| self.lighter(twentieths)).find(fits).unwrap_or(WHITE)
    }

    /// Mixed with so many twentieths of white.
    fn lighter(self, twentieths: u8) -> Self {
        let mix = |part: u8| part + u8::try_from(u16::from(255 - part) * u16::from(twentieths) / 20).unwrap_or(0);
        Self { rgb: self.rgb.map(mix) }
    }

    fn contrast(self, other: Self) -> f64 {
        let (a, b) = (self.luminance(), other.luminance());
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    /// Relative luminance (WCAG 2.2).
    fn luminance(self) -> f64 {
        let [red, green, blue] = self.rgb.map(|part| {
            let part = f64::from(part) / 255.0;
            if part <= 0.040_45 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        });
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours() {
        for wrong in ["", "#", "b3122a", "#b3122", "#b3122a0", "#b3122g", "#é3122", "red", "#b3 22a"] {
            assert_eq!(Accent::parse(wrong), None, "{wrong}");
        }
        // Contrast with white, by the formula of WCAG as other calculators print it.
        for (text, contrast) in [
            ("#000000", 21.0),
            ("#FFFFFF", 1.0),
            ("#767676", 4.54),
            ("#777777", 4.48),
            ("#0000ff", 8.59),
            ("#FF0000", 4.0),
        ] {
            let accent = Accent::parse(text).unwrap();
            assert!((accent.on_white() - contrast).abs() < 0.01, "{text}: {}", accent.on_white());
            assert_eq!(accent.is_readable(), contrast >= 4.5, "{text}");
        }
    }

    #[test]
    fn every_colour_that_is_readable_in_light_is_so_in_dark() {
        for rgb in (0..=0xff_ffff_u32).step_by(0x3_0f1b) {
            let [_, red, green, blue] = rgb.to_be_bytes();
            let dark = Accent { rgb: [red, green, blue] }.in_dark();
            assert!(dark.contrast(DARK_PAPER) >= LEAST && dark.contrast(DARK_INK) >= LEAST, "{rgb:06x}: {dark:?}");
        }
        let blue = Accent::parse("#1A5FB4").unwrap();
        assert!(blue.css().starts_with(":root{--seal:#1a5fb4;--seal-ink:#fff}\n@media (prefers-color-scheme:dark)"));
    }
}
