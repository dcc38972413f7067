//! Turns at the code hasher: so many hashes at a time, each in memory that is used again and holds no trace in between.
//!
//! Argon2id works in megabytes. Asked from the allocator each time, from many threads, such blocks stay with the process long after
//! (glibc keeps them in the arena of the thread that freed them): a mail to a few hundred new recipients left gigabytes. So the number of
//! blocks is the number of turns.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use argon2::{Argon2, Block};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use zeroize::Zeroize;

use super::code::HashError;

/// Memory that is kept for the next turn, KiB. More than that is for a rare record with a high cost, and goes back.
const KEPT: usize = 64 * 1024;

/// What Argon2id works in. Starts empty, grows to the highest cost that was asked of it; zeroed after each hash.
#[derive(Default)]
pub struct Memory(Vec<Block>);

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Memory({} KiB)", self.0.len())
    }
}

impl Memory {
    /// Hashes `secret` into `out`.
    ///
    /// # Errors
    /// [`HashError`] when the machine has no such memory, or Argon2 refuses the lengths.
    pub(super) fn hash(
        &mut self,
        argon2: &Argon2<'_>,
        secret: &[u8],
        salt: &[u8],
        out: &mut [u8],
    ) -> Result<(), HashError> {
        let blocks = self.room(argon2.params().block_count())?;
        argon2.hash_password_into_with_memory(secret, salt, out, Wiped(blocks)).map_err(|_| HashError)
    }

    /// So many blocks of 1 KiB.
    fn room(&mut self, blocks: usize) -> Result<&mut [Block], HashError> {
        if self.0.len() < blocks {
            // Never both at once.
            self.0 = Vec::new();
            self.0.try_reserve_exact(blocks).map_err(|_| HashError)?;
            self.0.resize(blocks, Block::new());
        }
        self.0.get_mut(..blocks).ok_or(HashError)
    }
}

/// Zeroes the blocks when the hash is made, and also when it fails or panics.
struct Wiped<'a>(&'a mut [Block]);

impl AsMut<[Block]> for Wiped<'_> {
    fn as_mut(&mut self) -> &mut [Block] {
        self.0
    }
}

impl Drop for Wiped<'_> {
    fn drop(&mut self) {
        self.0.iter_mut().for_each(Zeroize::zeroize);
    }
}

/// Gives turns. Cheap to clone; clones share the turns.
#[derive(Debug, Clone)]
pub struct Hashers {
    turns: Arc<Semaphore>,
    parked: Arc<Mutex<Vec<Memory>>>,
    waiting: Arc<AtomicUsize>,
    at_a_time: usize,
}

/// Counts who waits, also one who stops waiting.
struct Waits<'a>(&'a AtomicUsize);

impl<'a> Waits<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Hashers {
    /// With so many turns at a time, one at least.
    #[must_use]
    pub fn new(at_a_time: usize) -> Self {
        let at_a_time = at_a_time.clamp(1, Semaphore::MAX_PERMITS);
        let turns = Arc::new(Semaphore::new(at_a_time));
        Self { turns, parked: Arc::default(), waiting: Arc::default(), at_a_time }
    }

    /// How many turns there are at a time.
    #[must_use]
    pub const fn at_a_time(&self) -> usize {
        self.at_a_time
    }

    /// How many wait for a turn now.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Waits for a turn; who came first goes first.
    ///
    /// # Errors
    /// None while turns are given, which is always.
    pub async fn turn(&self) -> Result<Turn, HashError> {
        let waits = Waits::new(&self.waiting);
        let permit = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| HashError)?;
        drop(waits);
        let parked = Arc::clone(&self.parked);
        let memory = parked.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        Ok(Turn { memory, parked, _permit: permit })
    }
}

/// The right to hash now. Move it to the blocking thread that hashes: the turn ends when it is dropped there, also when nobody waits for
/// the result any more.
#[derive(Debug)]
pub struct Turn {
    memory: Memory,
    parked: Arc<Mutex<Vec<Memory>>>,
    // Given back after the memory is parked: fields go after `drop`.
    _permit: OwnedSemaphorePermit,
}

impl Turn {
    /// To hash in.
    pub const fn memory(&mut self) -> &mut Memory {
        &mut self.memory
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let memory = std::mem::take(&mut self.memory);
        if (1..=KEPT).contains(&memory.0.len()) {
            self.parked.lock().unwrap_or_else(PoisonError::into_inner).push(memory);
        }
    }
}

#[cfg(test)]
mod tests {
    use argon2::{Algorithm, Params, Version};

    use super::*;

    fn argon2(memory_kib: u32, passes: u32) -> Argon2<'static> {
        let params = Params::new(memory_kib, passes, 1, Some(32)).unwrap();
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
    }

    fn hash(memory: &mut Memory, argon2: &Argon2<'_>) -> [u8; 32] {
        let mut out = [0; 32];
        memory.hash(argon2, b"12345678", &[7; 16], &mut out).unwrap();
        out
    }

    #[test]
    fn one_memory_serves_every_cost_and_gives_what_argon2_gives() {
        let mut memory = Memory::default();
        for (memory_kib, passes) in [(64, 1), (8, 2), (1024, 1), (64, 3), (1023, 1)] {
            let argon2 = argon2(memory_kib, passes);
            let mut expected = [0; 32];
            argon2.hash_password_into(b"12345678", &[7; 16], &mut expected).unwrap();
            assert_eq!(hash(&mut memory, &argon2), expected, "{memory_kib} KiB, {passes} passes");
        }
        assert_eq!(memory.0.len(), 1024);
    }

    #[test]
    fn nothing_stays_in_the_memory() {
        let mut memory = Memory::default();
        hash(&mut memory, &argon2(256, 1));
        assert!(memory.0.iter().all(|block| block.as_ref().iter().all(|word| *word == 0)));
        let too_short = memory.hash(&argon2(64, 1), b"12345678", b"salt", &mut [0; 32]);
        assert_eq!(too_short, Err(HashError));
    }

    #[tokio::test]
    async fn there_are_no_more_memories_than_turns_and_no_large_one_stays() {
        let hashers = Hashers::new(2);
        for memory_kib in [64, 128, 64, 256, 64] {
            let (mut one, mut two) = (hashers.turn().await.unwrap(), hashers.turn().await.unwrap());
            assert!(hashers.turns.available_permits() == 0 && hashers.parked.lock().unwrap().is_empty());
            for turn in [&mut one, &mut two] {
                hash(turn.memory(), &argon2(memory_kib, 1));
            }
            drop((one, two));
            assert_eq!(hashers.parked.lock().unwrap().len(), 2);
        }
        let sizes = || hashers.parked.lock().unwrap().iter().map(|memory| memory.0.len()).collect::<Vec<_>>();
        assert_eq!(sizes(), [256, 256]);
        let mut large = hashers.turn().await.unwrap();
        large.memory().room(KEPT + 1).unwrap();
        drop(large);
        assert_eq!((sizes(), hashers.turns.available_permits()), (vec![256], 2));
        drop(hashers.turn().await.unwrap());
        assert_eq!(sizes(), [256]);
    }
}
