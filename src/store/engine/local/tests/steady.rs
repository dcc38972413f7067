//! As much goes as comes: the room that the journal takes stays near what counts of it.

use super::*;

/// Messages at any time.
const THERE: u64 = 300;
/// Most messages in one commit.
const EACH: usize = 8;
const SEGMENT: u64 = 64 << 10;

fn small() -> Options {
    Options { segment_size: SEGMENT, ..options() }
}

/// A place in a list.
fn index(place: u64) -> usize {
    usize::try_from(place).unwrap()
}

/// Spreads numbers (splitmix64).
fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn at(space: Space, number: u64) -> Key {
    Key { space, bytes: [mixed(number), mixed(number ^ 1 << 63)].map(u64::to_be_bytes).concat() }
}

/// What stays of a message: records of their usual sizes, two of them erasable.
const RECORDS: [(Space, usize); 9] = [
    (Space::Body, 4196),
    (Space::Manifest, 900),
    (Space::Message, 450),
    (Space::Conversation, 250),
    (Space::Lock, 130),
    (Space::ContentKey, 110),
    (Space::Delivery, 90),
    (Space::Expiry, 41),
    (Space::Grant, 170),
];
/// Until its notice is delivered.
const JOB: [(Space, usize); 3] = [(Space::Job, 110), (Space::JobSecret, 120), (Space::JobDue, 41)];

async fn change(engine: &Local, writes: impl Iterator<Item = Write>) {
    engine.commit(Batch { checks: vec![], writes: writes.collect() }).await.unwrap();
}

async fn come(engine: &Local, numbers: &[u64]) {
    let put = |(space, len): &(Space, usize), n: u64| Write::Put(at(*space, n), vec![b'x'; *len]);
    change(engine, numbers.iter().flat_map(|n| RECORDS.iter().chain(&JOB).map(|record| put(record, *n)))).await;
    change(engine, numbers.iter().flat_map(|n| JOB.iter().map(|(space, _)| Write::Delete(at(*space, *n))))).await;
}

async fn go(engine: &Local, numbers: &[u64]) {
    change(engine, numbers.iter().flat_map(|n| RECORDS.iter().map(|(space, _)| Write::Delete(at(*space, *n))))).await;
}

/// Bytes of the journal, and those of it that count.
fn sizes(engine: &Local) -> (u64, u64) {
    let index = engine.shared.index().unwrap();
    index.flush().unwrap();
    let (live, all) = (index.live().unwrap(), engine.shared.segments.all());
    let sum = |of: &dyn Fn(&Arc<Segment>) -> u64| all.iter().map(of).sum();
    (sum(&|segment| segment.len().unwrap()), sum(&|segment| live.of(segment.id).bytes))
}

/// The places whose messages go, and are taken again, in one round.
type Round = fn(u64) -> Vec<u64>;

/// In each case the journal was replaced four times and more.
#[tokio::test]
async fn the_room_taken_stays_near_what_counts() {
    let cases: [(&str, u64, Round); 4] = [
        ("the oldest", 40, |round| (0..32).map(|n| (round * 32 + n) % THERE).collect()),
        ("any", 40, |round| (0..32).map(|n| mixed(round * 32 + n) % THERE).collect()),
        ("a few again and again", 40, |round| (0..32).map(|n| mixed(round * 32 + n) % (THERE / 10)).collect()),
        // A segment that tells of deletions only, while those that it tells of are there.
        ("most of them at once", 10, |round| {
            (0..THERE).filter(|n| !mixed(round * THERE + n).is_multiple_of(5)).collect()
        }),
    ];
    for (name, rounds, round) in cases {
        let folder = tempfile::tempdir().unwrap();
        let (engine, _) = open_with(folder.path(), &small());
        let mut there: Vec<u64> = (0..THERE).collect();
        for numbers in there.chunks(EACH) {
            come(&engine, numbers).await;
        }
        let (mut next, mut done) = (THERE, Compacted::default());
        for n in 0..rounds {
            let mut places = round(n);
            places.sort_unstable();
            places.dedup();
            let gone: Vec<u64> = places.iter().map(|place| there[index(*place)]).collect();
            for numbers in gone.chunks(EACH) {
                go(&engine, numbers).await;
            }
            for turn in 0..2 {
                let passed = engine.look().await.unwrap();
                done.segments += passed.segments;
                done.moved += passed.moved;
                done.freed += passed.freed;
                if turn == 0 {
                    let new: Vec<u64> = (next..).take(places.len()).collect();
                    next += new.len() as u64;
                    places.iter().zip(&new).for_each(|(place, new)| there[index(*place)] = *new);
                    for numbers in new.chunks(EACH) {
                        come(&engine, numbers).await;
                    }
                }
            }
        }
        let (disk, live) = sizes(&engine);
        assert!(disk <= live * 13 / 10 + 3 * SEGMENT, "{name}: {disk} bytes for {live}, {done:?}");
        let found = engine.scan(Space::Body, b"", None, usize::MAX).await.unwrap();
        assert_eq!(found.len() as u64, THERE, "{name}");
    }
}
