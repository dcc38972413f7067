//! What a thief of everything on the machine finds.

use super::*;

/// Who has the data folder, and the keys given.
struct Thief {
    plain: Vec<(Key, Vec<u8>)>,
    pepper: SecretBytes<32>,
    root: RootKeyring,
}

impl Thief {
    /// Decrypts every record that these keys decrypt.
    async fn with(bed: &Bed, keys: &StoreKeys, root: RootKeyring) -> Self {
        let decrypt = |(place, value): (Key, Vec<u8>)| {
            let secret = if place.space == Space::JobSecret { &keys.jobs } else { &keys.records };
            let plain = seal::record::open(secret, place.space as u8, &place.bytes, &value).ok()?;
            Some((place, plain.to_vec()))
        };
        let plain = bed.raw().await.into_iter().filter_map(decrypt).collect();
        Self { plain, pepper: keys.pepper.clone(), root }
    }

    /// Every row of 20 bytes that is anywhere, as the link that it may be.
    fn links(&self) -> Vec<LinkKey> {
        let rows: BTreeSet<&[u8]> = self.plain.iter().flat_map(|(_, plain)| plain.windows(20)).collect();
        let token = |row: &[u8]| LinkToken::from_secret(SecretBytes::new(row.try_into().unwrap()));
        rows.into_iter().map(|row| LinkKey::of(&token(row), &self.pepper)).collect()
    }

    /// Every row of 16 letters and digits.
    fn codes(&self) -> Vec<AccessCode> {
        let rows = self.plain.iter().flat_map(|(_, plain)| plain.windows(16));
        let rows: BTreeSet<&[u8]> = rows.filter(|row| row.iter().all(u8::is_ascii_alphanumeric)).collect();
        rows.into_iter().filter_map(|row| AccessCode::normalise(std::str::from_utf8(row).ok()?)).collect()
    }

    fn pair(&self, generation: Generation) -> Option<ContactKey> {
        let place = places::contact_key(generation);
        let (_, plain) = self.plain.iter().find(|(found, _)| *found == place)?;
        minicbor::decode(plain).ok()
    }

    fn open(&self, place: &Key, lock: &[u8], links: &[LinkKey]) -> bool {
        let (conversation, rest) = place.bytes.split_first_chunk::<16>().unwrap();
        let conversation = crate::base::ConversationId(*conversation);
        if ConversationKey::open_assisted(&self.root, conversation, lock).is_ok() {
            return true;
        }
        let number = u32::from_be_bytes(*rest.first_chunk().unwrap());
        let at = Epoch { conversation, number };
        match asks(lock) {
            Ok(Asks::Link) => links.iter().any(|link| ConversationKey::open_by_link(at, link, lock).is_ok()),
            Ok(Asks::LinkAndCode(generation)) => {
                let pair = self.pair(generation).unwrap();
                let memory = &mut Memory::default();
                let private =
                    self.codes().iter().find_map(|code| pair.open(generation, code, &self.pepper, memory).unwrap());
                private.is_some_and(|private| {
                    links.iter().any(|link| ConversationKey::open_by_link_and_code(at, link, &private, lock).is_ok())
                })
            }
            Err(_) => false,
        }
    }

    /// How many conversations it reads.
    fn reads(&self) -> usize {
        let links = self.links();
        let locks = self.plain.iter().filter(|(place, _)| place.space == Space::Lock);
        locks
            .filter(|(place, plain)| {
                self.open(place, minicbor::decode::<&minicbor::bytes::ByteSlice>(plain).unwrap(), &links)
            })
            .count()
    }

    /// Whether these bytes are in any record.
    fn sees(&self, what: &[u8]) -> bool {
        self.plain.iter().any(|(_, plain)| contains(plain, what))
    }
}

/// Every file of the data folder, if there is one.
fn files(bed: &Bed) -> Vec<Vec<u8>> {
    fn all(folder: &std::path::Path, into: &mut Vec<Vec<u8>>) {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                all(&entry.path(), into);
            } else {
                into.push(std::fs::read(entry.path()).unwrap());
            }
        }
    }
    let mut files = Vec::new();
    bed.folder.iter().for_each(|folder| all(folder.path(), &mut files));
    files
}

on_each_engine! {
    async fn a_thief_of_folder_and_root_key_reads_nothing_that_was_delivered(bed) {
        let (link, code, _) = taken(&bed, JAN).await;
        let (_, assisted) = bed.taken("piet@example.nl").await;
        let code = code.unwrap();
        let all = |_: &JobKind| true;
        let secrets: Vec<Vec<u8>> =
            bed.raw().await.into_iter().filter(|(place, _)| place.space == Space::JobSecret).map(|(_, value)| value).collect();

        // Until both mails left, they are there to be read: the promise says so.
        let thief = Thief::with(&bed, bed.store.keys(), bed.keyring.clone()).await;
        assert_eq!(thief.reads(), 2, "a strict one that is not delivered, and an assisted one");
        assert!(thief.sees(code.as_bytes()) && thief.sees(link.secret().expose()));
        assert!(!thief.sees(b"canary-manifest") || bed.view(&assisted).await.grant.strict.is_none());
        deliver(&bed, |kind| matches!(kind, JobKind::Notice { .. })).await;
        let thief = Thief::with(&bed, bed.store.keys(), bed.keyring.clone()).await;
        assert_eq!((thief.reads(), thief.sees(link.secret().expose())), (1, false), "the link is gone with its notice");

        deliver(&bed, all).await;
        // A session, and a try before it, leave nothing either.
        let view = bed.view(&link).await;
        bed.try_from(&view, 1).await;
        let key = opened(&bed, &link, &code).await.unwrap();
        bed.store.open_strict_session(&view, net(1), &bed.cookie(), key).await.unwrap();
        let thief = Thief::with(&bed, bed.store.keys(), bed.keyring.clone()).await;
        assert_eq!(thief.reads(), 1, "the assisted one");
        assert!(!thief.sees(code.as_bytes()) && !thief.sees(link.secret().expose()));
        let files = files(&bed);
        assert!(secrets.len() == 4 && (bed.folder.is_none() || files.len() > 2));
        for secret in secrets {
            assert!(!files.iter().any(|file| contains(file, &secret)), "a secret is still on disk");
        }
    }

    async fn a_thief_of_the_folder_alone_reads_no_record(bed) {
        taken(&bed, JAN).await;
        bed.taken("piet@example.nl").await;
        let entropy = &*bed.entropy;
        let thief = Thief::with(&bed, &StoreSecret::generate(entropy).keys(), RootKeyring::generate(entropy)).await;
        assert_eq!((thief.plain.len(), thief.reads()), (0, 0));
    }

    async fn subject_and_manifest_are_content(bed) {
        taken(&bed, JAN).await;
        let thief = Thief::with(&bed, bed.store.keys(), bed.keyring.clone()).await;
        assert!(!thief.sees(b"canary-manifest") && !thief.sees(b"canary-subject"));
        bed.taken("piet@example.nl").await;
        let thief = Thief::with(&bed, bed.store.keys(), bed.keyring.clone()).await;
        assert!(thief.sees(b"canary-manifest") && thief.sees(b"canary-subject"), "in assisted mode the root key shows them");
    }
}
