//! Which segment to compact next. Pure.

/// One closed segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    pub segment: u64,
    /// Bytes of its file.
    pub len: u64,
    /// Bytes of it that count.
    pub live: u64,
    /// Bytes of it that tell of deletions and cannot go yet, as far as that is known.
    pub held: u64,
    /// Values that should be gone stand in it and cannot be overwritten.
    pub condemned: bool,
    /// Not now.
    pub barred: bool,
}

impl Size {
    /// Bytes to move.
    fn moved(&self) -> u64 {
        self.live.saturating_add(self.held)
    }

    /// Percent to move.
    fn share(&self) -> u64 {
        share(self.moved(), self.len)
    }
}

/// Of a segment less than this percentage counts: it is worth while whatever the others are like.
const MOSTLY_DEAD: u64 = 50;
/// Of all together less than this percentage counts: the worst goes, if it is worth while at all.
const ALL: u64 = 85;
/// It is worth while when less than this percentage has to be moved.
const WORTH: u64 = 80;
/// The same when someone asks.
const ASKED: u64 = 95;
/// Of all together less than this percentage counts: compaction lags behind.
const BEHIND: u64 = 66;

fn share(part: u64, len: u64) -> u64 {
    part.saturating_mul(100) / len.max(1)
}

fn all(sizes: &[Size]) -> u64 {
    let (len, live) = sizes.iter().fold((0, 0), |(len, live), size| (len + size.len, live + size.live));
    if len == 0 { 100 } else { share(live, len) }
}

/// Whether to compact a segment of `len` bytes, `moved` of which must be written anew.
pub(super) fn is_worth(moved: u64, len: u64, asked: bool) -> bool {
    share(moved, len) < if asked { ASKED } else { WORTH }
}

/// Whether so little counts that it should make haste.
pub(super) fn is_behind(sizes: &[Size]) -> bool {
    all(sizes) < BEHIND
}

/// The segment that gives most for least; on a full disk the one that takes least room to move.
pub(super) fn choose(sizes: &[Size], asked: bool, full: bool) -> Option<u64> {
    let limit = match (asked, all(sizes) < ALL) {
        (true, _) => ASKED,
        (false, true) => WORTH,
        (false, false) => MOSTLY_DEAD,
    };
    let worth = sizes.iter().filter(|size| !size.barred && (size.condemned || size.share() < limit));
    let least = |size: &&Size| (!size.condemned, if full { size.moved() } else { size.share() }, size.segment);
    worth.min_by_key(least).map(|size| size.segment)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Its name, the segments, asked for, disk full, the choice.
    type Case = (&'static str, Vec<Size>, bool, bool, Option<u64>);

    #[test]
    fn the_worst_goes_first_and_good_ones_stay() {
        let size = |segment, len, live| Size { segment, len, live, held: 0, condemned: false, barred: false };
        let condemned = |segment| Size { condemned: true, ..size(segment, 100, 100) };
        let barred = |segment| Size { barred: true, ..size(segment, 100, 0) };
        let holds = |segment, held| Size { held, ..size(segment, 100, 5) };
        let good: Vec<Size> = (10..30).map(|n| size(n, 100, 99)).collect();
        let cases: [Case; 12] = [
            ("nothing", vec![], true, false, None),
            ("all of it counts", vec![size(1, 100, 98)], false, false, None),
            ("mostly dead among good ones", [vec![size(1, 100, 49)], good.clone()].concat(), false, false, Some(1)),
            ("half dead among good ones", [vec![size(1, 100, 50)], good.clone()].concat(), false, false, None),
            ("half dead, asked", [vec![size(1, 100, 50)], good].concat(), true, false, Some(1)),
            (
                "all of them a bit dead",
                vec![size(1, 100, 80), size(2, 100, 75), size(3, 100, 90)],
                false,
                false,
                Some(2),
            ),
            ("deletions that must stay", vec![holds(1, 90), size(2, 100, 70)], false, false, Some(2)),
            ("nothing but those", vec![holds(1, 75), size(2, 100, 100)], false, false, None),
            ("wholly dead", vec![size(1, 100, 10), size(2, 900, 0)], false, false, Some(2)),
            ("least to move", vec![size(1, 900, 90), size(2, 100, 20)], false, true, Some(2)),
            ("condemned", vec![size(1, 100, 0), condemned(2)], false, false, Some(2)),
            ("barred", vec![barred(1)], true, true, None),
        ];
        for (name, sizes, asked, full, expected) in cases {
            assert_eq!(choose(&sizes, asked, full), expected, "{name}");
        }
    }
}
