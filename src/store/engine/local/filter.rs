//! A set of keys that answers "certainly not" or "perhaps", in a few bits a key (B. Bloom, 1970).

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Filter {
    words: Vec<u64>,
    /// Bits looked at for each key.
    rounds: u32,
}

impl Filter {
    /// For `keys` keys at most, with so many bits for each. Ten bits: one wrong "perhaps" in a hundred; twenty: in ten thousand.
    pub(super) fn new(keys: u64, bits: u32) -> Self {
        let words = keys.saturating_mul(bits.into()).div_ceil(64).max(1);
        // The best number of rounds is bits · ln 2.
        Self { words: vec![0; usize::try_from(words).unwrap_or(1)], rounds: (bits * 7 / 10).max(1) }
    }

    fn places(&self, key: &[u8]) -> impl Iterator<Item = (usize, u64)> + use<> {
        let (bits, rounds, hash) = (self.words.len() as u64 * 64, self.rounds, hash(key));
        let step = hash.rotate_left(32) | 1;
        let at = move |round: u32| hash.wrapping_add(step.wrapping_mul(round.into())) % bits;
        (0..rounds).map(at).map(|bit| (usize::try_from(bit / 64).unwrap_or(0), 1 << (bit % 64)))
    }

    pub(super) fn add(&mut self, key: &[u8]) {
        for (word, bit) in self.places(key) {
            if let Some(word) = self.words.get_mut(word) {
                *word |= bit;
            }
        }
    }

    /// `false`: the key was never added.
    pub(super) fn may_hold(&self, key: &[u8]) -> bool {
        self.places(key).all(|(word, bit)| self.words.get(word).is_none_or(|word| word & bit != 0))
    }

    /// Written form: the rounds, then the words.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let words = self.words.iter().flat_map(|word| word.to_le_bytes());
        self.rounds.to_le_bytes().into_iter().chain(words).collect()
    }

    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let (rounds, words) = bytes.split_first_chunk::<4>()?;
        let (words, rest) = words.as_chunks::<8>();
        let words: Vec<u64> = words.iter().map(|word| u64::from_le_bytes(*word)).collect();
        (rest.is_empty() && !words.is_empty()).then_some(Self { words, rounds: u32::from_le_bytes(*rounds) })
    }
}

/// FNV-1a with the last mix of `MurmurHash3`: keys are random already, the hash has to be quick and never to change.
fn hash(key: &[u8]) -> u64 {
    let mut hash = key
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    for factor in [0xff51_afd7_ed55_8ccd, 0xc4ce_b9fe_1a85_ec53] {
        hash = (hash ^ (hash >> 33)).wrapping_mul(factor);
    }
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_was_added_is_denied_and_little_else_is_claimed() {
        for (bits, most) in [(10, 200), (20, 10)] {
            let mut filter = Filter::new(10_000, bits);
            (0..10_000_u32).for_each(|n| filter.add(&n.to_be_bytes()));
            let filter = Filter::parse(&filter.to_bytes()).unwrap();
            assert!((0..10_000_u32).all(|n| filter.may_hold(&n.to_be_bytes())));
            let wrong = (10_000..20_000_u32).filter(|n| filter.may_hold(&n.to_be_bytes())).count();
            assert!(wrong < most, "{bits} bits: {wrong} of 10,000");
        }
        assert!(!Filter::new(0, 10).may_hold(b"x"));
        for bad in [&[][..], &[1; 4], &[1; 13]] {
            assert_eq!(Filter::parse(bad), None);
        }
    }
}
