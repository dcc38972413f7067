//! Files that come out, as another program reads them, and text that should never be in a mail.

use std::process::{Command, Stdio};

use proptest::prelude::*;

use super::*;
use crate::text::{Lang, Texts};

fn file(lang: Lang, letters: &[Letter<'_>]) -> Result<Vec<u8>, PdfError> {
    let texts = Texts::load().unwrap();
    let zone = TimeZone::get("Europe/Amsterdam").unwrap();
    let now = "2026-11-21T09:04:00Z".parse().unwrap();
    let edition = Edition { words: texts.in_language(lang), organisation: "Voorbeeld Zorg", now, zone: &zone };
    write(&edition, letters)
}

const LETTER: Letter<'_> = Letter {
    subject: "Uitslag van uw onderzoek",
    from: "Anna Jansen, Voorbeeld Zorg (anna@zorg.example)",
    to: "Jan <jan@else.example>",
    cc: "",
    sent: "zaterdag 21 november 2026, 10:04",
    text: "Geachte heer De Vries,\r\n\r\nDe uitslag is goed.\r\nTot één uur: €\u{a0}12,50.\r\n",
    cut: false,
    files: &[],
};

/// What pdftotext finds in it.
fn read(pdf: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.pdf");
    std::fs::write(&path, pdf).unwrap();
    let out =
        Command::new("pdftotext").arg(&path).arg("-").stdin(Stdio::null()).output().expect("pdftotext (tests/setup)");
    assert!(out.status.success());
    String::from_utf8(out.stdout).unwrap()
}

/// The file with everything in it unpacked, as qpdf writes it once it found nothing wrong with its structure.
fn unpacked(pdf: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.pdf");
    std::fs::write(&path, pdf).unwrap();
    let run = |arguments: &[&str], after: &[&str]| {
        let mut command = Command::new("qpdf");
        let out = command.args(arguments).arg(&path).args(after).stdin(Stdio::null()).output();
        let out = out.expect("qpdf (tests/setup)");
        assert!(
            out.status.success(),
            "{}{}",
            String::from_utf8_lossy(&out.stdout),
            String::from_utf8_lossy(&out.stderr)
        );
        String::from_utf8_lossy(&out.stdout).into_owned()
    };
    assert!(run(&["--check"], &[]).contains("No syntax or stream encoding errors found"));
    run(&["--qdf", "--object-streams=disable"], &["-"])
}

/// What PDF/A-2a and PDF/UA-1 ask of a file that other programs can see without a validator of these: whoever wrote it.
#[test]
fn the_file_is_sound_and_has_what_an_archive_asks_for() {
    let files = [("uitslag.pdf".to_owned(), "214 kB".to_owned())];
    let pdf = unpacked(&file(Lang::Nl, &[Letter { files: &files, ..LETTER }, LETTER]).unwrap());
    for needed in [
        "/OutputIntents",
        "/DestOutputProfile",
        "/MarkInfo",
        "/Marked true",
        "/StructTreeRoot",
        "/ParentTree",
        "/Lang (nl)",
        "/DisplayDocTitle true",
        "/Type /Metadata",
        "/ToUnicode",
    ] {
        assert!(pdf.contains(needed), "{needed} in {pdf:.20000}");
    }
    let count = |what: &str| pdf.matches(what).count();
    let fonts = count("/Type /FontDescriptor");
    assert!(
        fonts == 2 && count("/FontFile2") + count("/FontFile3") == fonts,
        "{fonts} fonts, not all of them in the file"
    );
    for never in [
        "/JavaScript",
        "/JS",
        "/Launch",
        "/URI",
        "/EmbeddedFile",
        "/OpenAction",
        "/AA",
        "/AcroForm",
        "/Encrypt",
        "/F (",
    ] {
        assert!(!pdf.contains(never), "{never}");
    }
}

#[test]
fn everything_of_a_message_can_be_read_and_found() {
    let files = [("uitslag <1>.pdf".to_owned(), "214 kB".to_owned())];
    let second = Letter { subject: "", cut: true, text: "", files: &files, ..LETTER };
    let pdf = file(Lang::Nl, &[LETTER, second]).unwrap();
    let text = read(&pdf);
    for expected in [
        "Uitslag van uw onderzoek\nVan: Anna Jansen, Voorbeeld Zorg (anna@zorg.example)\nAan: Jan <jan@else.example>\nVerstuurd: zaterdag 21 november 2026, 10:04\n",
        "Geachte heer De Vries,\nDe uitslag is goed.\nTot één uur: €\u{a0}12,50.\n",
        "Bericht zonder onderwerp",
        "Dit bericht heeft geen tekst.",
        "Dit bericht is te lang voor deze PDF.",
        "• uitslag <1>.pdf (214 kB)",
        "Bewaard op zaterdag 21 november 2026, 10:04 van de website van Voorbeeld Zorg.",
        "Pagina 1",
    ] {
        let flat = |text: &str| text.replace('\u{a0}', " ").split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat(&text).contains(&flat(expected)), "{expected} in {text}");
    }
    let raw = String::from_utf8_lossy(&pdf);
    for claim in ["pdfaid:part>2<", "pdfaid:conformance>A<", "pdfuaid:part>1<", "/Lang"] {
        assert!(raw.contains(claim), "{claim}");
    }
    for never in ["/JavaScript", "/JS", "/Launch", "/URI", "/EmbeddedFile", "/OpenAction"] {
        assert!(!raw.contains(never), "{never}");
    }
    assert!(read(&file(Lang::En, &[LETTER]).unwrap()).contains("Saved on Saturday 21 November 2026"));
}

#[test]
fn letters_that_the_fonts_lack_can_still_be_copied() {
    let text = read(&file(Lang::Nl, &[Letter { text: "漢字 😀 \u{1f9ff} ქართული", ..LETTER }]).unwrap());
    for expected in ["漢字", "😀", "\u{1f9ff}", "ქართული"] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
}

#[test]
fn hostile_text_makes_a_file() {
    let words = "woord ".repeat(400_000);
    let lines = "a\n".repeat(200_000);
    let cases = [
        "\u{202e}gnp.exe \u{2066}\u{2067}\u{2068}\u{2069}\u{feff}",
        "\u{0}\u{1}\u{7f}\u{9f}\u{ad}\u{200b}\u{200d}\u{fe0f}\u{e0001}",
        "\u{e000}\u{f8ff}\u{fffe}\u{ffff}\u{10ffff}\u{fdd0}\u{fffd}",
        "👩‍👩‍👧‍👦🇳🇱🏴󠁧󠁢󠁥󠁮󠁧󠁿1️⃣",
        "אבג abc مرحبا 123 \u{644}\u{627}",
        "e\u{301}\u{301}\u{301}",
        "\u{2028}\u{2029}\u{85}\u{b}\u{c}\r\r\n\n",
        &words[..60_000],
        &"x".repeat(60_000),
        &"\u{301}".repeat(20_000),
        &"😀".repeat(5_000),
        &"\u{5d0}a".repeat(5_000),
        &lines[..40_000],
    ];
    for text in cases {
        let subject: String = text.chars().take(400).collect();
        let pdf = file(Lang::Nl, &[Letter { subject: &subject, from: &subject, text, ..LETTER }]);
        assert!(pdf.is_ok(), "{:?} {pdf:?}", text.chars().take(20).collect::<String>());
    }
}

/// More text than fits, and more pages: the file says so, and stays small.
#[test]
fn a_very_long_message_is_cut_and_says_so() {
    let lines = "a\n\n".repeat(60_000);
    let pdf = file(Lang::Nl, &[Letter { text: &lines, ..LETTER }]).unwrap();
    let text = read(&pdf);
    assert!(text.contains("Dit bericht is te lang voor deze PDF.") && text.matches("Pagina ").count() <= 400);
    let mut blocks = Vec::new();
    let texts = Texts::load().unwrap();
    let mut room = 10;
    put(&mut blocks, &Letter { text: "éénentwintig", ..LETTER }, texts.in_language(Lang::Nl), &mut room, "te lang")
        .unwrap();
    let text: Vec<&str> = blocks.iter().map(|block| block.text.as_str()).collect();
    assert!(text.ends_with(&["éénentwi", "te lang"]), "{text:?}");
    assert_eq!(room, 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_text_makes_a_file(subject in any::<String>(), text in "(\\PC|[\u{0}-\u{1f}\u{5d0}-\u{6ff}\u{200b}-\u{206f}\u{300}-\u{310}\u{e000}-\u{e010}]){0,80}") {
        let pdf = file(Lang::En, &[Letter { subject: &subject, to: &text, text: &text, ..LETTER }]);
        prop_assert!(pdf.is_ok(), "{pdf:?}");
    }
}
