//! What an SMS says: the organisation's name, the code, and a last line that lets the telephone offer the code to our page. No
//! link, no sender, no subject.
//!
//! One SMS carries 160 characters of the GSM alphabet (3GPP TS 23.038). Letters with accents that it lacks lose them, and a name
//! that is too long is cut; a name in another script goes out as it is, in two SMSes at most.

use std::fmt;

use zeroize::Zeroizing;

use crate::text::{TextError, Words};

/// Septets of one SMS.
const ONE: usize = 160;
/// UTF-16 units of two joined SMSes.
const TWO_WIDE: usize = 134;

/// Characters of the GSM alphabet beside ASCII's letters and digits, one septet each.
const GSM: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./:;<=>?¡ÄÖÑÜ§¿äöñüà";
/// Those that take two.
const GSM_TWO: &str = "^{}\\[~]|€";

/// The text of one SMS. Debug shows nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Text(Zeroizing<String>);

impl Text {
    /// The text that brings a code. `host` is the page's host name as browsers show it, without port: the last line binds the code
    /// to it (<https://wicg.github.io/sms-one-time-codes/>).
    ///
    /// # Errors
    /// When the words are missing.
    pub fn code(words: Words<'_>, organisation: &str, host: &str, code: &str) -> Result<Self, TextError> {
        shortened(organisation, |name| {
            let says = words.with("sms-code", &[("organisation", name), ("code", code)])?;
            Ok(format!("{says}\n\n@{host} #{code}"))
        })
    }

    /// The text of a trial.
    ///
    /// # Errors
    /// When the words are missing.
    pub fn test(words: Words<'_>, organisation: &str) -> Result<Self, TextError> {
        shortened(organisation, |name| words.with("sms-test", &[("organisation", name)]))
    }

    /// One that is hard to write, to try a request with.
    pub(super) fn sample() -> Self {
        Self(Zeroizing::new("\"\\\n{}é&=+ 123456".to_owned()))
    }

    /// The text itself: for the provider, never for a log.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether it goes out in the GSM alphabet; else as UTF-16, which takes more than twice the room.
    #[must_use]
    pub fn is_gsm(&self) -> bool {
        septets(&self.0).is_some()
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Text(…)")
    }
}

/// The text with as much of the name as there is room for.
fn shortened(organisation: &str, write: impl Fn(&str) -> Result<String, TextError>) -> Result<Text, TextError> {
    let mut name = plain(organisation);
    loop {
        let text = Zeroizing::new(write(&name)?);
        let fits = septets(&text).map_or_else(|| text.encode_utf16().count() <= TWO_WIDE, |count| count <= ONE);
        if fits || name.is_empty() {
            return Ok(Text(text));
        }
        // At a word's end, else in a word.
        let end = name.rfind(' ').or_else(|| name.char_indices().last().map(|(at, _)| at)).unwrap_or_default();
        name.truncate(end);
    }
}

/// How many septets a text takes; `None` when the GSM alphabet lacks one of its characters.
fn septets(text: &str) -> Option<usize> {
    text.chars().try_fold(0, |count, c| match c {
        c if c.is_ascii_alphanumeric() || GSM.contains(c) => Some(count + 1),
        c if GSM_TWO.contains(c) => Some(count + 2),
        _ => None,
    })
}

/// A name in one line, without what cannot be seen, and in the GSM alphabet as far as it has a likeness there.
fn plain(name: &str) -> String {
    let mut out = String::new();
    for word in name.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()) {
        if !out.is_empty() {
            out.push(' ');
        }
        out.extend(word.chars().filter(|c| !is_hidden(*c)).map(alike));
    }
    out
}

/// Marks that turn the direction of text or have no width.
const fn is_hidden(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// The nearest character of the GSM alphabet.
const fn alike(c: char) -> char {
    match c {
        'á' | 'â' | 'ã' | 'ā' | 'ă' | 'ą' => 'a',
        'Á' | 'À' | 'Â' | 'Ã' | 'Ā' => 'A',
        'ç' | 'ć' | 'č' => 'c',
        'ê' | 'ë' | 'ē' | 'ě' | 'ę' => 'e',
        'È' | 'Ê' | 'Ë' | 'Ē' => 'E',
        'ğ' => 'g',
        'í' | 'î' | 'ï' | 'ī' | 'ı' => 'i',
        'Í' | 'Ì' | 'Î' | 'Ï' | 'İ' => 'I',
        'ł' => 'l',
        'ń' => 'n',
        'ó' | 'ô' | 'õ' | 'ō' => 'o',
        'Ó' | 'Ò' | 'Ô' | 'Õ' => 'O',
        'ś' | 'š' | 'ş' => 's',
        'Š' | 'Ş' => 'S',
        'ú' | 'û' | 'ū' | 'ů' => 'u',
        'Ú' | 'Ù' | 'Û' => 'U',
        'ý' | 'ÿ' => 'y',
        'ź' | 'ż' | 'ž' => 'z',
        'Ž' => 'Z',
        '‘' | '’' | '`' | '´' => '\'',
        '“' | '”' | '„' => '"',
        '‐'..='―' => '-',
        '\u{a0}' => ' ',
        c => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::{Lang, Texts};

    const HOST: &str = "veilig.voorbeeld.nl";

    fn text(lang: Lang, organisation: &str) -> String {
        let texts = Texts::load().unwrap();
        Text::code(texts.in_language(lang), organisation, HOST, "042117").unwrap().expose().to_owned()
    }

    #[test]
    fn the_name_the_code_and_the_line_for_the_telephone() {
        for lang in Lang::ALL {
            let text = text(lang, "Voorbeeld Zorg");
            assert!(text.starts_with("Voorbeeld Zorg: "), "{text}");
            assert_eq!(text.lines().last(), Some("@veilig.voorbeeld.nl #042117"));
            assert_eq!(text.matches("042117").count(), 2);
            assert!(!text.contains("http") && !text.contains("www"), "{text}");
            assert!(septets(&text).unwrap() <= ONE);
        }
    }

    #[test]
    fn one_sms_whatever_the_name() {
        for (name, begins) in [
            ("Zorggroep Noëlle", "Zorggroep Noelle: "),
            ("’t Háágse Huis – Zuid", "'t Haagse Huis - Zuid: "),
            (
                "Regionaal Samenwerkingsverband Jeugdgezondheidszorg en Maatschappelijke Ondersteuning Zuidoost",
                "Regionaal Samenwerkingsverband",
            ),
            (&"x".repeat(400), "xxxxxxxxxx"),
            (" Zorg\r\n\u{202e}groep\u{200b} ", "Zorg groep: "),
            ("A [B] {C}", "A [B] {C}: "),
        ] {
            for lang in Lang::ALL {
                let text = text(lang, name);
                assert!(text.starts_with(begins), "{text}");
                assert!(septets(&text).is_some_and(|count| count <= ONE), "{text}");
                assert!(text.ends_with("\n@veilig.voorbeeld.nl #042117"));
            }
        }
    }

    #[test]
    fn another_script_takes_two_at_most() {
        let text = text(Lang::Nl, &"Больница № 5 ".repeat(20));
        assert_eq!(septets(&text), None);
        assert!(text.starts_with("Больница") && text.encode_utf16().count() <= TWO_WIDE, "{text}");
    }

    #[test]
    fn septets_are_counted_as_telephones_do() {
        for (text, count) in
            [("abc", Some(3)), ("a€", Some(3)), ("[]", Some(4)), ("é", Some(1)), ("ë", None), ("\n@#", Some(3))]
        {
            assert_eq!(septets(text), count, "{text}");
        }
    }

    #[test]
    fn a_trial_says_that_it_is_one() {
        let texts = Texts::load().unwrap();
        let text = Text::test(texts.in_language(Lang::Nl), "Voorbeeld Zorg").unwrap();
        assert!(text.is_gsm() && text.expose().starts_with("Voorbeeld Zorg: "));
        assert_eq!(format!("{text:?}"), "Text(…)");
    }
}
