//! Access codes: made, normalised, and kept only as Argon2id verifiers (RFC 9106) with a pepper from outside the record.

use std::fmt;

use argon2::{Algorithm, Argon2, AssociatedData, ParamsBuilder, Version};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::base::entropy::random;
use crate::base::{Entropy, SecretBytes};

use super::hashers::Memory;

/// Argon2's associated data: these hashes are of no use anywhere else.
const LABEL: &[u8] = b"zegel/v1/code";
/// Characters that a code may have.
const LONGEST: usize = 64;
/// Characters of a code made for strict mode.
const STRICT: usize = 16;
/// A verifier that asks for more is refused: one record must not be able to take the machine's memory or time.
pub(super) const HIGHEST: Cost = Cost { memory_kib: 1024 * 1024, passes: 16, lanes: 16 };

/// Cost of one verification: memory in KiB, passes, lanes. Never below m=19 MiB, t=2, p=1 in service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Memory, KiB.
    pub memory_kib: u32,
    /// Passes.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

impl Default for Cost {
    fn default() -> Self {
        Self { memory_kib: 19 * 1024, passes: 2, lanes: 1 }
    }
}

impl Cost {
    /// What a code of strict mode costs: m=64 MiB, t=3, p=1 (RFC 9106 §4, second recommended option, with one lane).
    pub const STRICT: Self = Self { memory_kib: 64 * 1024, passes: 3, lanes: 1 };
}

/// A code in clear: lives in the mail that brings it and in the request that tries it.
#[derive(Debug, Clone)]
pub struct AccessCode(SecretString);

impl AccessCode {
    /// Eight random digits, each code equally likely.
    #[must_use]
    pub fn generate(entropy: &dyn Entropy) -> Self {
        const CODES: u32 = 100_000_000;
        // Numbers above the last whole multiple of CODES would favour low codes: draw again.
        const LIMIT: u32 = u32::MAX - u32::MAX % CODES;
        let number = loop {
            let number = u32::from_be_bytes(random(entropy));
            if number < LIMIT {
                break number % CODES;
            }
        };
        Self(format!("{number:08}").into())
    }

    /// A code for strict mode: 16 letters and digits of Crockford's alphabet, 80 random bits. What it protects can be guessed at with
    /// any number of machines by who has disk, root key and link, so that no count of tries helps.
    #[must_use]
    pub fn generate_strict(entropy: &dyn Entropy) -> Self {
        const CROCKFORD: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
        let bytes: Zeroizing<[u8; STRICT]> = Zeroizing::new(random(entropy));
        let letters = bytes.iter().filter_map(|b| CROCKFORD.get(usize::from(b % 32)));
        Self(letters.map(|c| char::from(*c)).collect::<String>().into())
    }

    /// The code as strict mode reads it: letters that look like digits are those digits, as Crockford's alphabet has them.
    #[must_use]
    pub(super) fn as_strict(&self) -> Self {
        let mut code = Zeroizing::new(String::with_capacity(self.expose().len()));
        code.extend(self.expose().chars().map(|c| match c {
            'o' => '0',
            'i' | 'l' => '1',
            c => c,
        }));
        Self(code.as_str().into())
    }

    /// What a person typed, with spaces, dashes and full-width digits folded away. `None` when nothing is left (an empty
    /// field is no attempt) or more than 64 characters are.
    ///
    /// Full-width forms and Arabic-Indic digits become ASCII, letters lower case; spaces, dashes and invisible characters of any
    /// kind go, as they come along when a code is pasted.
    #[must_use]
    pub fn normalise(typed: &str) -> Option<Self> {
        // Room for the longest code: growing later would leave copies behind.
        let mut code = Zeroizing::new(String::with_capacity((LONGEST + 1) * 4));
        let folded = typed.chars().filter(|c| !is_filler(*c)).map(fold).flat_map(char::to_lowercase);
        for (count, c) in folded.enumerate() {
            if count == LONGEST {
                return None;
            }
            code.push(c);
        }
        if code.is_empty() { None } else { Some(Self(code.as_str().into())) }
    }

    /// The code without spaces.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// As people read it aloud, in groups of four and capitals: `1234 5678`.
    #[must_use]
    pub fn grouped(&self) -> SecretString {
        let mut text = String::with_capacity(self.expose().len() * 5 / 4 + 1);
        for (index, c) in self.expose().chars().enumerate() {
            if index > 0 && index % 4 == 0 {
                text.push(' ');
            }
            text.push(c.to_ascii_uppercase());
        }
        text.into()
    }
}

/// White space, dashes and characters without width.
fn is_filler(c: char) -> bool {
    c.is_whitespace()
        || c.is_control()
        || matches!(c,
            '-' | '\u{ad}' | '\u{2010}'..='\u{2015}' | '\u{2043}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' | '\u{ff0d}'
            | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Full-width forms, Arabic-Indic and extended Arabic-Indic digits to ASCII.
fn fold(c: char) -> char {
    let ascii = match c {
        '\u{ff01}'..='\u{ff5e}' => u32::from(c) - 0xff01 + u32::from('!'),
        '\u{660}'..='\u{669}' => u32::from(c) - 0x660 + u32::from('0'),
        '\u{6f0}'..='\u{6f9}' => u32::from(c) - 0x6f0 + u32::from('0'),
        _ => return c,
    };
    char::from_u32(ascii).unwrap_or(c)
}

/// What we keep of a code: version, cost, salt and Argon2id output. Erasable; opens nothing without the pepper.
#[derive(Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct Verifier {
    #[n(0)]
    memory_kib: u32,
    #[n(1)]
    passes: u32,
    #[n(2)]
    lanes: u32,
    #[cbor(n(3), with = "minicbor::bytes")]
    salt: [u8; 16],
    #[cbor(n(4), with = "minicbor::bytes")]
    hash: [u8; 32],
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verifier(…)")
    }
}

/// The cost cannot be paid (memory) or is outside what Argon2 allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the code could not be hashed")]
pub struct HashError;

impl Verifier {
    /// Hashes a code. Takes tens of milliseconds and [`Cost::memory_kib`]: run it on a blocking thread, in the memory of a
    /// [`Turn`](super::hashers::Turn).
    ///
    /// # Errors
    /// [`HashError`].
    pub fn new(
        code: &AccessCode,
        pepper: &SecretBytes<32>,
        cost: Cost,
        entropy: &dyn Entropy,
        memory: &mut Memory,
    ) -> Result<Self, HashError> {
        let salt = random(entropy);
        let hash = hash(LABEL, code, pepper, cost, &salt, memory)?;
        Ok(Self { memory_kib: cost.memory_kib, passes: cost.passes, lanes: cost.lanes, salt, hash: *hash.expose() })
    }

    /// Compares in constant time; same caution as [`new`](Self::new).
    ///
    /// # Errors
    /// [`HashError`]: nothing is known of the code.
    pub fn matches(&self, code: &AccessCode, pepper: &SecretBytes<32>, memory: &mut Memory) -> Result<bool, HashError> {
        let cost = Cost { memory_kib: self.memory_kib, passes: self.passes, lanes: self.lanes };
        let hash = hash(LABEL, code, pepper, cost, &self.salt, memory)?;
        Ok(hash.expose().ct_eq(&self.hash).into())
    }
}

/// Argon2id of a code. `label` is its associated data.
pub(super) fn hash(
    label: &[u8],
    code: &AccessCode,
    pepper: &SecretBytes<32>,
    cost: Cost,
    salt: &[u8; 16],
    memory: &mut Memory,
) -> Result<SecretBytes<32>, HashError> {
    if cost.memory_kib > HIGHEST.memory_kib || cost.passes > HIGHEST.passes || cost.lanes > HIGHEST.lanes {
        return Err(HashError);
    }
    let mut params = ParamsBuilder::new();
    params.m_cost(cost.memory_kib).t_cost(cost.passes).p_cost(cost.lanes).output_len(32);
    params.data(AssociatedData::new(label).map_err(|_| HashError)?);
    let params = params.build().map_err(|_| HashError)?;
    let argon2 =
        Argon2::new_with_secret(pepper.expose(), Algorithm::Argon2id, Version::V0x13, params).map_err(|_| HashError)?;
    let mut hash = Zeroizing::new([0; 32]);
    memory.hash(&argon2, code.expose().as_bytes(), salt, hash.as_mut())?;
    Ok(SecretBytes::new(*hash))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::SeededEntropy;

    const CHEAP: Cost = Cost { memory_kib: 8, passes: 1, lanes: 1 };

    fn code(text: &str) -> AccessCode {
        AccessCode::normalise(text).unwrap()
    }

    #[test]
    fn what_people_type_becomes_the_code() {
        let cases = [
            ("12345678", "12345678"),
            (" 1234 5678\t\r\n", "12345678"),
            ("1234-5678", "12345678"),
            ("1234\u{2013}5678", "12345678"),
            ("1234\u{2212}56\u{ad}78", "12345678"),
            ("1234\u{a0}5678\u{202f}", "12345678"),
            ("\u{200e}1234\u{200b}5678\u{feff}", "12345678"),
            ("１２３４\u{3000}５６７８", "12345678"),
            ("١٢٣٤٥٦٧٨", "12345678"),
            ("۱۲۳۴۵۶۷۸", "12345678"),
            ("Blauwe-Fiets", "blauwefiets"),
            ("ＡＢÉ", "abé"),
        ];
        for (typed, expected) in cases {
            assert_eq!(code(typed).expose(), expected, "{typed:?}");
        }
    }

    #[test]
    fn an_empty_field_and_a_novel_are_no_codes() {
        for typed in ["", " ", " - \u{2014}\u{200b}\n", &"1".repeat(65), &"İ".repeat(40)] {
            assert!(AccessCode::normalise(typed).is_none(), "{typed:?}");
        }
        assert_eq!(code(&format!("{}{}", "1".repeat(64), " -".repeat(1000))).expose().len(), 64);
    }

    #[test]
    fn a_made_code_has_eight_digits_and_every_digit_stands_everywhere() {
        let entropy = SeededEntropy::new(1);
        let mut seen = [[0u32; 10]; 8];
        for _ in 0..4000 {
            let made = AccessCode::generate(&entropy);
            assert_eq!(made.expose().len(), 8);
            for (place, digit) in made.expose().bytes().enumerate() {
                seen[place][usize::from(digit - b'0')] += 1;
            }
        }
        // 400 expected; 5 standard deviations are 95.
        assert!(seen.as_flattened().iter().all(|n| (305..=495).contains(n)), "{seen:?}");
    }

    #[test]
    fn numbers_that_would_favour_low_codes_are_drawn_again() {
        #[derive(Debug)]
        struct Draws(std::sync::Mutex<Vec<u32>>);
        impl Entropy for Draws {
            fn fill(&self, buf: &mut [u8]) {
                buf.copy_from_slice(&self.0.lock().unwrap().remove(0).to_be_bytes());
            }
        }
        let draw = |numbers: &[u32]| AccessCode::generate(&Draws(numbers.to_vec().into())).expose().to_owned();
        assert_eq!(draw(&[u32::MAX, 4_200_000_000, 4_199_999_999]), "99999999");
        assert_eq!(draw(&[0]), "00000000");
    }

    #[test]
    fn a_strict_code_has_sixteen_letters_and_each_stands_everywhere() {
        let entropy = SeededEntropy::new(1);
        let mut seen = std::collections::BTreeMap::new();
        for _ in 0..2000 {
            let made = AccessCode::generate_strict(&entropy);
            assert_eq!(made.expose().len(), 16);
            assert_eq!(code(made.grouped().expose_secret()).expose(), made.expose());
            assert_eq!(made.as_strict().expose(), made.expose());
            for place in made.expose().char_indices() {
                *seen.entry(place).or_insert(0u32) += 1;
            }
        }
        // 62.5 expected in each of 512 places; 6 standard deviations are 47.
        assert_eq!(seen.len(), 16 * 32);
        assert!(seen.values().all(|n| (15..=110).contains(n)), "{seen:?}");
    }

    #[test]
    fn strict_mode_reads_letters_that_look_like_digits_as_those() {
        assert_eq!(code("OIL0-1abc").as_strict().expose(), "01101abc");
    }

    #[test]
    fn codes_are_read_aloud_in_fours() {
        assert_eq!(code("12345678").grouped().expose_secret(), "1234 5678");
        assert_eq!(code("k7qf2m9d").grouped().expose_secret(), "K7QF 2M9D");
        assert_eq!(code("123").grouped().expose_secret(), "123");
    }

    #[test]
    fn a_verifier_knows_its_code_and_pepper() {
        let entropy = SeededEntropy::new(1);
        let pepper = SecretBytes::random(&entropy);
        let memory = &mut Memory::default();
        let verifier = Verifier::new(&code("12345678"), &pepper, CHEAP, &entropy, memory).unwrap();
        assert_eq!(verifier.matches(&code("1234 5678"), &pepper, memory), Ok(true));
        assert_eq!(verifier.matches(&code("12345679"), &pepper, memory), Ok(false));
        assert_eq!(verifier.matches(&code("12345678"), &SecretBytes::random(&entropy), memory), Ok(false));
        assert!(Verifier::new(&code("12345678"), &pepper, CHEAP, &entropy, memory).unwrap() != verifier, "same salt");
        let mut dearer = verifier.clone();
        dearer.passes = 2;
        assert_eq!(dearer.matches(&code("12345678"), &pepper, memory), Ok(false));
    }

    #[test]
    fn a_cost_that_cannot_be_paid_is_an_error() {
        let (entropy, pepper) = (SeededEntropy::new(1), SecretBytes::new([1; 32]));
        let memory = &mut Memory::default();
        let costs = [(u32::MAX, 1, 1), (8, u32::MAX, 1), (8, 1, 1 << 20), (0, 1, 1), (8, 0, 1), (8, 1, 0)];
        for (memory_kib, passes, lanes) in costs {
            let cost = Cost { memory_kib, passes, lanes };
            assert_eq!(Verifier::new(&code("1"), &pepper, cost, &entropy, memory), Err(HashError), "{cost:?}");
        }
    }

    #[test]
    fn debug_shows_no_code_and_no_hash() {
        let made = code("12345678");
        let (pepper, entropy) = (SecretBytes::new([1; 32]), SeededEntropy::new(1));
        let verifier = Verifier::new(&made, &pepper, CHEAP, &entropy, &mut Memory::default()).unwrap();
        assert_eq!(format!("{verifier:?}"), "Verifier(…)");
        assert!(!format!("{made:?} {:?}", made.grouped()).contains("1234"));
    }
}
