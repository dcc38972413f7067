//! Which segment to compact next. Pure.

/// One closed segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    pub segment: u64,
    /// Bytes of its file.
    pub len: u64,
    /// Bytes of it that count.
    pub live: u64,
    /// Values that should be gone stand in it and cannot be overwritten.
    pub condemned: bool,
    /// Not now.
    pub barred: bool,
}

impl Size {
    /// Percent that count.
    fn share(&self) -> u64 {
        self.live.saturating_mul(100) / self.len.max(1)
    }
}

/// Of a segment less than this percentage counts: it is worth while whatever the others are like.
const MOSTLY_DEAD: u64 = 50;
/// Of all together less than this percentage counts: the worst goes, if not more than that of it counts.
const ALL: u64 = 85;
/// When someone asks, every segment of which less than this percentage counts.
const ASKED: u64 = 95;

/// The segment that gives most for least; on a full disk the one that takes least room to move.
pub(super) fn choose(sizes: &[Size], asked: bool, full: bool) -> Option<u64> {
    let (len, live) = sizes.iter().fold((0, 0), |(len, live), size| (len + size.len, live + size.live));
    let limit = match (asked, live * 100 < len * ALL) {
        (true, _) => ASKED,
        (false, true) => ALL,
        (false, false) => MOSTLY_DEAD,
    };
    let worth = sizes.iter().filter(|size| !size.barred && (size.condemned || size.share() < limit));
    let least = |size: &&Size| (!size.condemned, if full { size.live } else { size.share() }, size.segment);
    worth.min_by_key(least).map(|size| size.segment)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Its name, the segments, asked for, disk full, the choice.
    type Case = (&'static str, Vec<Size>, bool, bool, Option<u64>);

    #[test]
    fn the_worst_goes_first_and_good_ones_stay() {
        let size = |segment, len, live| Size { segment, len, live, condemned: false, barred: false };
        let condemned = |segment| Size { condemned: true, ..size(segment, 100, 100) };
        let barred = |segment| Size { barred: true, ..size(segment, 100, 0) };
        let good: Vec<Size> = (10..30).map(|n| size(n, 100, 99)).collect();
        let cases: [Case; 10] = [
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
