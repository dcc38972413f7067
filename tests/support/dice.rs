//! Random choices that a failed test can repeat.

use zegel::base::entropy::random;
use zegel::base::{Entropy, SeededEntropy};

/// A stream of choices.
#[derive(Debug)]
pub struct Dice(SeededEntropy);

impl Dice {
    /// The seed in `ZEGEL_SEED`, or `seed`; printed, so that a failure shows it.
    pub fn seeded(seed: u64) -> Self {
        let seed = std::env::var("ZEGEL_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(seed);
        eprintln!("to repeat: ZEGEL_SEED={seed}");
        Self::of(seed)
    }

    /// Always the same, whatever the environment says.
    pub fn of(seed: u64) -> Self {
        Self(SeededEntropy::new(seed))
    }

    /// Dice of their own for a part of the test.
    pub fn split(&self) -> Self {
        Self(SeededEntropy::new(u64::from_be_bytes(random(&self.0))))
    }

    /// From 0 to before `end`.
    pub fn below(&self, end: u64) -> u64 {
        u64::from_be_bytes(random(&self.0)) % end
    }

    /// A place in something of this length.
    pub fn index(&self, len: usize) -> usize {
        usize::try_from(self.below(u64::try_from(len).unwrap())).unwrap()
    }

    /// Any bytes.
    pub fn bytes(&self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.0.fill(&mut bytes);
        bytes
    }
}
