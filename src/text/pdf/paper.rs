//! Blocks of text on A4 pages, each with its tag, as PDF/A-2a and PDF/UA-1. The library checks both while it writes, and makes no file that is neither.

use std::num::NonZeroU16;
use std::ops::Range;

use krilla::configure::ConfigurationBuilder;
use krilla::configure::validate::{Accessibility, Archival};
use krilla::destination::XyzDestination;
use krilla::geom::Point;
use krilla::metadata::{DateTime, Metadata};
use krilla::outline::{Outline, OutlineNode};
use krilla::page::PageSettings;
use krilla::surface::Surface;
use krilla::tagging::{Artifact, ArtifactType, ContentTag, ListNumbering, SpanTag, Tag, TagGroup, TagTree};
use krilla::{Document, SerializeSettings};

use super::PdfError;
use super::face::Face;
use super::lines::{break_lines, printable, set};

/// A4 in points.
const WIDTH: f32 = 595.28;
const HEIGHT: f32 = 841.89;
/// 2 cm.
const MARGIN: f32 = 56.7;
/// Past this the rest is left out, and the last block says so.
const MOST_PAGES: usize = 400;

/// What a block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The heading of a message.
    Title,
    /// A heading within it.
    Heading,
    /// A paragraph.
    Text,
    /// A paragraph with little room above it.
    Close,
    /// One of a list.
    Item,
    /// Small print.
    Note,
}

impl Kind {
    const fn size(self) -> f32 {
        match self {
            Self::Title => 16.0,
            Self::Heading => 12.0,
            Self::Text | Self::Close | Self::Item => 10.5,
            Self::Note => 8.5,
        }
    }

    /// Room above, in points.
    const fn above(self) -> f32 {
        match self {
            Self::Title => 18.0,
            Self::Heading => 12.0,
            Self::Text | Self::Note => 7.0,
            Self::Close | Self::Item => 0.0,
        }
    }

    const fn is_bold(self) -> bool {
        matches!(self, Self::Title | Self::Heading)
    }
}

/// One paragraph, heading or item; without line ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    pub kind: Kind,
    pub text: String,
}

/// What the file says of itself, and what stands at the foot of its pages.
pub(super) struct Imprint<'a> {
    pub title: &'a str,
    pub language: &'a str,
    /// Year, month, day, hour, minute (UTC).
    pub made: (u16, u8, u8, u8, u8),
    /// The foot of a page.
    pub foot: &'a dyn Fn(usize) -> String,
    /// What is said when not all fits.
    pub cut: &'a str,
}

struct Faces {
    regular: Face,
    bold: Face,
}

/// Draws the blocks.
pub(super) fn write(blocks: Vec<Block>, imprint: &Imprint<'_>) -> Result<Vec<u8>, PdfError> {
    let load = |bytes| Face::new(bytes).ok_or(PdfError::Font);
    let faces = Faces { regular: load(dejavu::sans::regular())?, bold: load(dejavu::sans::bold())? };
    let configuration = ConfigurationBuilder::new()
        .with_archival_validator(Archival::A2_A)
        .with_accessibility_validator(Accessibility::UA1)
        .finish()
        .map_err(|_| PdfError::Invalid)?;
    let mut document = Document::new_with(SerializeSettings { configuration, ..SerializeSettings::default() });
    let (year, month, day, hour, minute) = imprint.made;
    let made = DateTime::new(year).month(month).day(day).hour(hour).minute(minute).second(0);
    let metadata = Metadata::new().title(imprint.title.to_owned()).language(imprint.language.to_owned());
    document.set_metadata(metadata.creator("Zegel".to_owned()).creation_date(made));
    let mut flow = Flow::new(&faces, blocks);
    let mut pages = 0;
    while flow.has_more() {
        pages += 1;
        if pages == MOST_PAGES {
            flow.end_with(Block { kind: Kind::Note, text: imprint.cut.to_owned() });
        }
        let settings = PageSettings::from_wh(WIDTH, HEIGHT).ok_or(PdfError::Invalid)?;
        let mut page = document.start_page_with(settings);
        let mut surface = page.surface();
        flow.fill(&mut surface, pages - 1);
        surface.start_tagged(ContentTag::Artifact(Artifact::with_kind(ArtifactType::PageNumber)));
        draw(&mut surface, &faces.regular, (imprint.foot)(pages).as_str(), (MARGIN, HEIGHT - MARGIN / 2.0), 8.5);
        surface.end_tagged();
        surface.finish();
        page.finish();
    }
    document.set_outline(std::mem::replace(&mut flow.outline, Outline::new()));
    document.set_tag_tree(flow.tags(imprint.language));
    document.finish().map_err(|_| PdfError::Invalid)
}

/// One line of text whose left end is at `place`.
fn draw(surface: &mut Surface<'_>, face: &Face, text: &str, (x, y): (f32, f32), size: f32) {
    let line = set(face, text, 0..text.len());
    let mut x = if line.leftward { WIDTH - MARGIN - line.width * size } else { x };
    for run in line.runs {
        surface.draw_glyphs(Point::from_xy(x, y), &run.glyphs, face.font.clone(), text, size, false);
        x += run.width * size;
    }
}

/// A block under way.
struct Begun {
    block: Block,
    lines: std::vec::IntoIter<Range<usize>>,
    tags: TagGroup,
    drawn: bool,
}

/// Blocks on their way to pages.
struct Flow<'a> {
    faces: &'a Faces,
    ahead: std::vec::IntoIter<Block>,
    now: Option<Begun>,
    done: Vec<TagGroup>,
    /// Items of a list that is not ended.
    items: Vec<TagGroup>,
    /// Where each message begins.
    outline: Outline,
}

impl<'a> Flow<'a> {
    fn new(faces: &'a Faces, blocks: Vec<Block>) -> Self {
        let mut flow = Self {
            faces,
            ahead: blocks.into_iter(),
            now: None,
            done: Vec::new(),
            items: Vec::new(),
            outline: Outline::new(),
        };
        flow.begin();
        flow
    }

    const fn has_more(&self) -> bool {
        self.now.is_some()
    }

    /// Leaves out the rest for this.
    fn end_with(&mut self, last: Block) {
        if self.ahead.len() == 0 && self.now.as_ref().is_none_or(|begun| begun.lines.len() < 40) {
            return;
        }
        if let Some(begun) = &mut self.now {
            begun.lines = Vec::new().into_iter();
        }
        self.ahead = vec![last].into_iter();
    }

    fn begin(&mut self) {
        let Some(mut block) = self.ahead.next() else { return };
        block.text = printable(&block.text).replace('\n', " ");
        let face = if block.kind.is_bold() { &self.faces.bold } else { &self.faces.regular };
        let lines = break_lines(face, &block.text, (WIDTH - 2.0 * MARGIN) / block.kind.size());
        let heading = |level| NonZeroU16::new(level).unwrap_or(NonZeroU16::MIN);
        let title = || Some(block.text.chars().take(200).collect());
        let tags = match block.kind {
            Kind::Title => TagGroup::new(Tag::Hn(heading(1), title())),
            Kind::Heading => TagGroup::new(Tag::Hn(heading(2), title())),
            Kind::Text | Kind::Close | Kind::Note => TagGroup::new(Tag::P),
            Kind::Item => TagGroup::new(Tag::LBody),
        };
        self.now = Some(Begun { block, lines: lines.into_iter(), tags, drawn: false });
    }

    /// Fills one page, the `page`-th from 0.
    fn fill(&mut self, surface: &mut Surface<'_>, page: usize) {
        let mut y = MARGIN;
        while let Some(begun) = &mut self.now {
            let kind = begun.block.kind;
            let face = if kind.is_bold() { &self.faces.bold } else { &self.faces.regular };
            let height = kind.size() * 1.45;
            if y > MARGIN && !begun.drawn {
                y += kind.above();
            }
            // A heading stays with what follows it.
            let needed = if kind.is_bold() { 4.0 * height } else { height };
            if y + needed > HEIGHT - MARGIN && y > MARGIN {
                return;
            }
            let Some(line) = begun.lines.next() else {
                self.end_block();
                continue;
            };
            if kind == Kind::Title && !begun.drawn {
                let here = XyzDestination::new(page, Point::from_xy(MARGIN, y));
                self.outline.push_child(OutlineNode::new(begun.block.text.clone(), here));
            }
            y += height;
            let text = begun.block.text.get(line).unwrap_or_default();
            let id = surface.start_tagged(ContentTag::Span(SpanTag::empty()));
            draw(surface, face, text, (MARGIN, y - 0.3 * kind.size()), kind.size());
            surface.end_tagged();
            begun.tags.push(id);
            begun.drawn = true;
        }
    }

    fn end_block(&mut self) {
        if let Some(Begun { block, tags, .. }) = self.now.take() {
            if block.kind == Kind::Item {
                let mut item = TagGroup::new(Tag::LI);
                item.push(tags);
                self.items.push(item);
            } else {
                self.end_list();
                self.done.push(tags);
            }
        }
        self.begin();
    }

    fn end_list(&mut self) {
        if !self.items.is_empty() {
            let mut list = TagGroup::new(Tag::L(ListNumbering::None));
            self.items.drain(..).for_each(|item| list.push(item));
            self.done.push(list);
        }
    }

    fn tags(mut self, language: &str) -> TagTree {
        self.end_list();
        let mut tree = TagTree::new().with_lang(Some(language.to_owned()));
        self.done.into_iter().for_each(|group| tree.push(group));
        tree
    }
}
