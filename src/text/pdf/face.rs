//! One font: how wide letters are, and the glyphs of a stretch of text.

use std::ops::Range;

use harfrust::{Direction, ShapeOptions, ShaperData, UnicodeBuffer};
use krilla::text::{Font, GlyphId, KrillaGlyph};
use skrifa::MetadataProvider;
use skrifa::charmap::Charmap;
use skrifa::instance::{LocationRef, Size};
use skrifa::metrics::GlyphMetrics;

/// What is drawn for a letter that the font does not have. The text behind it stays what it was, so it can still be found and copied.
const UNKNOWN: char = '\u{fffd}';

/// A font, ready to measure, shape and draw with.
pub(super) struct Face {
    /// To draw with.
    pub font: Font,
    file: skrifa::FontRef<'static>,
    shaper: ShaperData,
    charmap: Charmap<'static>,
    metrics: GlyphMetrics<'static>,
    em: f32,
    unknown: u32,
}

/// Glyphs from left to right, and their width in ems.
pub(super) struct Shaped {
    pub glyphs: Vec<KrillaGlyph>,
    pub width: f32,
}

impl Face {
    /// `None` when the bytes are no font.
    pub fn new(bytes: &'static [u8]) -> Option<Self> {
        let file = skrifa::FontRef::new(bytes).ok()?;
        let charmap = file.charmap();
        let metrics = file.glyph_metrics(Size::unscaled(), LocationRef::default());
        let font = Font::new(bytes.into(), 0)?;
        let unknown = charmap.map(UNKNOWN)?.to_u32();
        Some(Self { shaper: ShaperData::new(&file), em: font.units_per_em(), font, charmap, metrics, unknown, file })
    }

    /// The width of a letter alone, in ems.
    pub fn width(&self, letter: char) -> f32 {
        let glyph = self.charmap.map(letter).unwrap_or_else(|| self.unknown.into());
        self.metrics.advance_width(glyph).unwrap_or_default() / self.em
    }

    /// The glyphs of `text[range]`, which runs in one direction. Their ranges are of `text`.
    pub fn shape(&self, text: &str, range: Range<usize>, leftward: bool) -> Shaped {
        let Some(run) = text.get(range.clone()) else { return Shaped { glyphs: Vec::new(), width: 0.0 } };
        let mut buffer = UnicodeBuffer::new();
        buffer.push_str(run);
        buffer.set_direction(if leftward { Direction::RightToLeft } else { Direction::LeftToRight });
        buffer.guess_segment_properties();
        let shaped = self.shaper.shaper(&self.file).build().shape(buffer, ShapeOptions::default());
        let mut starts: Vec<usize> = shaped.glyph_infos().iter().map(|info| at(info.cluster)).collect();
        starts.sort_unstable();
        starts.dedup();
        let end_of = |start: usize| {
            let next = starts.partition_point(|other| *other <= start);
            starts.get(next).copied().unwrap_or(run.len())
        };
        let glyphs = shaped.glyph_infos().iter().zip(shaped.glyph_positions()).map(|(info, place)| {
            let start = at(info.cluster);
            let glyph = if info.glyph_id == 0 { self.unknown } else { info.glyph_id };
            let covers = range.start + start..range.start + end_of(start);
            let ems = |units: i32| self.ems(units);
            let advance = if info.glyph_id == 0 { self.width(UNKNOWN) } else { ems(place.x_advance) };
            KrillaGlyph::new(GlyphId::new(glyph), advance, ems(place.x_offset), ems(place.y_offset), 0.0, covers, None)
        });
        let glyphs: Vec<KrillaGlyph> = glyphs.collect();
        let width = glyphs.iter().map(|glyph| glyph.x_advance).sum();
        Shaped { glyphs, width }
    }

    #[expect(clippy::cast_precision_loss, reason = "font units are small numbers")]
    fn ems(&self, units: i32) -> f32 {
        units as f32 / self.em
    }
}

fn at(cluster: u32) -> usize {
    usize::try_from(cluster).unwrap_or(usize::MAX)
}
