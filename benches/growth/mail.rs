//! The records of one message to one recipient, by the sizes that they have in the gateway. Keys follow from the message's number.

use zegel::store::engine::{Batch, Check, Key, Space, Write};

/// One message. The first of every five makes its contact.
pub struct Mail {
    pub number: u64,
    pub body: usize,
}

/// Spreads numbers (splitmix64).
pub fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// `len` bytes that no disk compresses, the same for the same seed.
fn random(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(len + 8);
    let mut next = mixed(seed);
    while bytes.len() < len {
        next = mixed(next);
        bytes.extend(next.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// Batches as one.
pub fn together(batches: impl Iterator<Item = Batch>) -> Batch {
    batches.fold(Batch::default(), |mut all, batch| {
        all.checks.extend(batch.checks);
        all.writes.extend(batch.writes);
        all
    })
}

impl Mail {
    fn key(&self, space: Space, len: usize) -> Key {
        Key { space, bytes: random(mixed(self.number) ^ (space as u64), len) }
    }

    fn by_address(&self, address: u64) -> Key {
        let hash = random(mixed(address ^ 0xadd2), 32);
        Key { space: Space::ByAddress, bytes: [hash, random(mixed(self.number) ^ address, 24)].concat() }
    }

    fn put(&self, key: Key, len: usize) -> Write {
        let value = random(self.number ^ (key.space as u64).rotate_left(48), len);
        Write::Put(key, value)
    }

    /// What stays: keys and lengths of values.
    fn records(&self) -> Vec<(Key, usize)> {
        let key = |space, len| self.key(space, len);
        let mut records = vec![
            (key(Space::Manifest, 16), 900),
            (key(Space::Body, 16), self.body + 100),
            (key(Space::Conversation, 16), 250),
            (key(Space::Lock, 20), 130),
            (key(Space::ContentKey, 32), 110),
            (key(Space::Delivery, 32), 90),
            (key(Space::Message, 16), 450),
            (key(Space::Expiry, 24), 41),
            (self.by_address(self.number % 5003), 41),
            (self.by_address(self.number % 499), 41),
            (key(Space::Repeat, 32), 70),
            (key(Space::Grant, 16), 170),
            (key(Space::GrantIndex, 32), 57),
        ];
        if self.number.is_multiple_of(5) {
            let contact = [(key(Space::Contact, 16), 220), (key(Space::Verifier, 16), 170)];
            records.extend(contact);
            records.push((key(Space::ContactIndex, 64), 57));
        }
        records
    }

    fn job(&self) -> [(Key, usize); 3] {
        [(Space::Job, 16, 110), (Space::JobSecret, 16, 120), (Space::JobDue, 24, 41)]
            .map(|(space, key, len)| (self.key(space, key), len))
    }

    /// Taken in and delivered in one: what stays.
    pub fn kept(&self) -> Batch {
        let writes = self.records().into_iter().map(|(key, len)| self.put(key, len)).collect();
        Batch { checks: vec![Check::Absent(self.key(Space::Repeat, 32))], writes }
    }

    /// Taken in.
    pub fn taken(&self) -> Batch {
        let writes = self.records().into_iter().chain(self.job()).map(|(key, len)| self.put(key, len)).collect();
        Batch { checks: vec![Check::Absent(self.key(Space::Repeat, 32))], writes }
    }

    /// Its notice is delivered.
    pub fn noticed(&self) -> Batch {
        let gone = self.job().map(|(key, _)| Write::Delete(key));
        let marked = self.put(self.key(Space::Delivery, 32), 98);
        Batch { checks: Vec::new(), writes: gone.into_iter().chain([marked]).collect() }
    }

    /// Gone.
    pub fn removed(&self) -> Batch {
        let writes = self.records().into_iter().map(|(key, _)| Write::Delete(key)).collect();
        Batch { checks: Vec::new(), writes }
    }

    /// What a page reads.
    pub fn page(&self) -> Vec<Key> {
        let keys = [
            (Space::GrantIndex, 32),
            (Space::Grant, 16),
            (Space::Conversation, 16),
            (Space::Lock, 20),
            (Space::ContentKey, 32),
            (Space::Delivery, 32),
            (Space::Message, 16),
            (Space::Manifest, 16),
            (Space::Body, 16),
        ];
        keys.map(|(space, len)| self.key(space, len)).to_vec()
    }

    /// Keys and values that count once its notice is delivered.
    pub fn bytes(&self) -> u64 {
        self.records().iter().map(|(key, len)| (key.bytes.len() + len) as u64).sum()
    }
}
