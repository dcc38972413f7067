//! Telephone numbers that an SMS may go to: read once, kept as E.164 (ITU-T), never shown but for their last three digits.

use std::fmt;
use std::str::FromStr;

use phonenumber::country::Id;
use phonenumber::metadata::DATABASE;
use phonenumber::{Mode, Type};
use zeroize::Zeroizing;

/// Characters that are read of a number.
const LONGEST: usize = 32;
/// Digits that are shown.
const SHOWN: usize = 3;

/// A country by its two letters (ISO 3166-1).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Country(Id);

impl Country {
    /// The Netherlands.
    pub const NL: Self = Self(Id::NL);
}

impl FromStr for Country {
    type Err = NumberError;
    fn from_str(text: &str) -> Result<Self, NumberError> {
        text.parse().map(Self).map_err(|_| NumberError::Country)
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_ref())
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_ref())
    }
}

/// Why a text is no number that an SMS goes to. It shows nothing of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// Too long, or with characters that no number has.
    #[error("this is not a telephone number: write it as 06 12345678 or +31 6 12345678")]
    Form,
    /// Nobody has a number like this.
    #[error("this telephone number does not exist")]
    Unknown,
    /// A fixed line, or a number that costs extra or rings elsewhere.
    #[error("this is not the number of a mobile telephone")]
    NotMobile,
    /// Of a country that is not allowed.
    #[error("numbers of this country are not allowed")]
    Country,
}

/// Which numbers are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbers {
    /// The country of numbers written without one.
    pub default: Country,
    /// Countries that SMSes go to.
    pub allowed: Vec<Country>,
}

impl Default for Numbers {
    /// Dutch ones.
    fn default() -> Self {
        Self { default: Country::NL, allowed: vec![Country::NL] }
    }
}

impl Numbers {
    /// Reads a number as people write it: digits with blanks, brackets, dots, dashes and slashes between them, `+` or the
    /// default country's prefix for abroad before them. Nothing else is a number: no letters, no other digits than 0 to 9, no
    /// extension.
    ///
    /// # Errors
    /// [`NumberError`].
    pub fn read(&self, text: &str) -> Result<Number, NumberError> {
        if text.len() > 2 * LONGEST {
            return Err(NumberError::Form);
        }
        // A no-break space comes along when a number is copied.
        let text = Zeroizing::new(text.trim().replace('\u{a0}', " "));
        let plain = |c: char| c.is_ascii_digit() || " -()./+".contains(c);
        let plus_fits = !text.chars().skip(1).any(|c| c == '+');
        if text.is_empty() || text.len() > LONGEST || !text.chars().all(plain) || !plus_fits {
            return Err(NumberError::Form);
        }
        let number = phonenumber::parse(Some(self.default.0), text.as_str()).map_err(|_| NumberError::Unknown)?;
        let written = Number(Zeroizing::new(number.format().mode(Mode::E164).to_string()));
        // What the parser took is a number in our own words too.
        let written = Number::stored(written.expose()).ok_or(NumberError::Unknown)?;
        let country = number.country().id().ok_or(NumberError::Unknown)?;
        match number.number_type(&DATABASE) {
            Type::Unknown => Err(NumberError::Unknown),
            _ if !self.allowed.contains(&Country(country)) => Err(NumberError::Country),
            Type::Mobile | Type::FixedLineOrMobile => Ok(written),
            _ => Err(NumberError::NotMobile),
        }
    }
}

/// A telephone number (E.164: `+`, country, subscriber). Shown only as `*******123`; Debug shows nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Number(Zeroizing<String>);

impl Number {
    /// A number that was read before, from where it was kept: `+` and 7 to 15 digits.
    #[must_use]
    pub fn stored(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('+')?;
        let fits = (7..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        (fits && !digits.starts_with('0')).then(|| Self(Zeroizing::new(text.to_owned())))
    }

    /// The whole number, `+31612345678`: for the provider and for the record, never for a log.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Without the `+`.
    #[must_use]
    pub fn digits(&self) -> &str {
        self.0.trim_start_matches('+')
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.len().saturating_sub(SHOWN);
        write!(f, "*******{}", self.0.get(shown..).unwrap_or_default())
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Number(…)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn numbers(allowed: &[&str]) -> Numbers {
        Numbers { default: Country::NL, allowed: allowed.iter().map(|country| country.parse().unwrap()).collect() }
    }

    #[test]
    fn numbers_as_people_write_them() {
        let numbers = numbers(&["NL", "BE", "DE"]);
        for (written, expected) in [
            ("06 12345678", "+31612345678"),
            ("0612345678", "+31612345678"),
            ("06-12345678", "+31612345678"),
            ("06 - 12 34 56 78", "+31612345678"),
            ("(06) 12345678", "+31612345678"),
            ("06/12345678", "+31612345678"),
            ("06.12.34.56.78", "+31612345678"),
            (" 06\u{a0}12345678 ", "+31612345678"),
            ("0031612345678", "+31612345678"),
            ("0031 6 12345678", "+31612345678"),
            ("+31612345678", "+31612345678"),
            ("+31 6 1234 5678", "+31612345678"),
            ("+31 (0)6 12345678", "+31612345678"),
            ("+31(0)612345678", "+31612345678"),
            ("+32 470 12 34 56", "+32470123456"),
            ("0032470123456", "+32470123456"),
            ("+49 1512 3456789", "+4915123456789"),
        ] {
            let read = numbers.read(written);
            assert_eq!(read.as_ref().map(Number::expose), Ok(expected), "{written:?}");
        }
    }

    #[test]
    fn what_no_sms_goes_to() {
        use NumberError::{Country, Form, NotMobile, Unknown};
        let numbers = numbers(&["NL", "BE"]);
        for (written, expected) in [
            // fixed lines, service numbers, by whatever way of writing
            ("020 1234567", NotMobile),
            ("+31 20 1234567", NotMobile),
            ("0900 1234", NotMobile),
            ("0800 1234", NotMobile),
            ("0906 0011", NotMobile),
            ("088 1234567", NotMobile),
            // nobody's
            ("112", Unknown),
            ("1234", Unknown),
            ("06 1234567", Unknown),
            ("06 123456789", Unknown),
            ("0612", Unknown),
            ("+999 123456789", Unknown),
            ("00", Unknown),
            ("+", Unknown),
            ("-", Unknown),
            ("()", Unknown),
            ("0000000000", Unknown),
            // abroad
            ("+49 1512 3456789", Country),
            ("+1 202 555 0143", Country),
            ("+881 6 12345678", Unknown),
            // not a number
            ("", Form),
            ("   ", Form),
            ("06 12345678 Jan", Form),
            ("06 12345678;ext=12", Form),
            ("06 12345678,,1", Form),
            ("06 12345678 x5", Form),
            ("tel:+31612345678", Form),
            ("+31612345678+", Form),
            ("++31612345678", Form),
            ("06\u{202e}87654321", Form),
            ("\u{200e}0612345678", Form),
            ("０６１２３４５６７８", Form),
            ("٠٦١٢٣٤٥٦٧٨", Form),
            ("06\n12345678\r\nX: y", Form),
            ("06\u{0}12345678", Form),
            ("*31#0612345678", Form),
        ] {
            assert_eq!(numbers.read(written), Err(expected), "{written:?}");
        }
        for garbage in ["6".repeat(33), "0".repeat(10_000), "é".repeat(10_000), "+(".repeat(5_000)] {
            assert_eq!(numbers.read(&garbage), Err(Form));
        }
    }

    #[test]
    fn a_number_shows_three_digits() {
        let number = Numbers::default().read("06 12345678").unwrap();
        assert_eq!(number.to_string(), "*******678");
        assert_eq!(format!("{number:?}"), "Number(…)");
        assert_eq!(number.digits(), "31612345678");
    }

    #[test]
    fn what_was_stored_comes_back_and_nothing_else() {
        let number = Numbers::default().read("0612345678").unwrap();
        assert_eq!(Number::stored(number.expose()), Some(number));
        for odd in ["", "+", "31612345678", "+31 612345678", "+0612345678", "+1234567890123456", "+316\n", "+٣١٦١٢٣٤٥"]
        {
            assert!(Number::stored(odd).is_none(), "{odd:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_written_stops_us(text in "[ -()./+0-9]{0,40}|\\PC{0,40}") {
            for numbers in [Numbers::default(), numbers(&["US", "GB", "RU", "AR"])] {
                if let Ok(number) = numbers.read(&text) {
                    // Read once more, it is the same number.
                    let again = numbers.read(number.expose());
                    prop_assert_eq!(again.as_ref().map(Number::expose), Ok(number.expose()));
                }
            }
        }
    }
}
