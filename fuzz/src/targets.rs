//! One function per fuzz target: any bytes in, and what must hold of the result. `tests/mail.rs` runs them over `fuzz/seeds`.

use std::time::Duration;

use zegel::mail::dot::{Unstuffer, stuff};
use zegel::mail::header::HeaderBlock;
use zegel::mail::mime::{Indexer, LeafDecoder, Limits, MimeIndex, to_text};
use zegel::mail::{Address, Domain};
use zegel::policy::{Audience, EnvelopeFacts, Home, Mode, Settings, Verdict};

/// A mail: the same index in one piece and byte by byte, parts within their parents, every leaf decodes, and a report it may be.
pub fn mime(data: &[u8]) {
    let _ = zegel::mail::report::read(data);
    let index = indexed(data, data.len());
    assert_eq!(indexed(data, 1), index);
    for part in &index.parts {
        assert!(part.header <= part.body && part.body <= part.end && part.end <= data.len() as u64);
        if let Some(parent) = part.parent {
            let parent = &index.parts[parent as usize];
            assert!(parent.body <= part.header && part.end <= parent.end);
        }
        let mut decoder = LeafDecoder::new(&part.encoding);
        let mut leaf = Vec::new();
        decoder.push(&data[part.body as usize..part.end as usize], &mut leaf);
        decoder.finish(&mut leaf);
        let _ = to_text(&part.charset, &leaf);
    }
    let shown = index.shown();
    assert!(index.attachments().iter().all(|listed| !shown.plain.contains(listed) && !shown.rich.contains(listed)));
}

fn indexed(data: &[u8], chunk: usize) -> MimeIndex {
    let mut indexer = Indexer::new(Limits { depth: 4, parts: 20, header: 1000 });
    data.chunks(chunk.max(1)).for_each(|piece| indexer.push(piece));
    indexer.finish()
}

/// A header block: its fields are the block; what is stored holds no tag, no instruction and no Bcc; a tag is never ordinary.
pub fn header(data: &[u8]) {
    let settings = Settings {
        home: Home::default(),
        rules: Vec::new(),
        tags: ["veilig", "secure"].map(String::from).to_vec(),
        expires: Duration::from_secs(1),
        mode: Mode::Assisted,
    };
    let block = HeaderBlock::new(data);
    assert_eq!(block.fields().map(|field| field.raw).collect::<Vec<_>>().concat(), data);
    let facts = block.facts(&settings.tags);
    let recipient: Address = "a@b.example".parse().expect("an address");
    let verdict = settings
        .decide(&EnvelopeFacts { mail_from: None, recipient: &recipient, audience: Audience::default() }, &facts);
    assert!(facts.tag.is_empty() || verdict != Verdict::Pass);
    assert!(settings.sender(&facts).is_err(), "nobody is of this home");
    let stored = block.stored(&settings.tags);
    for field in HeaderBlock::new(&stored).fields() {
        let key = field.key();
        assert!(key != "bcc" && key != "resent-bcc" && !key.starts_with("zegel-") && !key.starts_with("zivver-"));
    }
}

/// A mail: its wire form ends itself at its end only, holds no bare CR or LF, and comes back.
pub fn dot(data: &[u8]) {
    let wire = stuff(data);
    let framed = [b"\r\n".as_slice(), &wire].concat();
    assert_eq!(framed.windows(5).position(|five| five == b"\r\n.\r\n"), Some(framed.len() - 5));
    for pair in framed.windows(2) {
        assert_eq!(pair[0] == b'\r', pair[1] == b'\n');
    }
    let body = &wire[..wire.len() - 3];
    let (mut whole, mut bytewise) = (Vec::new(), Vec::new());
    Unstuffer::new().push(body, &mut whole);
    let mut unstuffer = Unstuffer::new();
    for byte in body {
        unstuffer.push(&[*byte], &mut bytewise);
    }
    assert_eq!(whole, bytewise);
    assert_eq!(stuff(&whole), wire);
}

/// An address: what is taken can be written and read again, and its key is the key of its key.
pub fn address(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(address) = text.parse::<Address>() {
        assert_eq!(address.to_string(), text);
        assert!(!text.contains(['\r', '\n', '\0']));
        let key: Address = address.key().parse().expect("a key is an address");
        assert_eq!(key.key(), address.key());
        assert!(!format!("{address:?}").contains(address.local()) || address.local().chars().count() <= 1);
    }
    if let Ok(domain) = text.parse::<Domain>() {
        assert_eq!(domain.as_str().parse::<Domain>(), Ok(domain.clone()));
        assert!(domain.is_within(&domain));
    }
}
