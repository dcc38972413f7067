//! When a certificate ends: the one field of X.509 (RFC 5280 §4.1.2.5) that rustls does not tell. Pure, and never wrong in silence: what is
//! not understood has no answer.

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;

const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// Seconds since 1970 of `notAfter`.
pub(super) fn not_after(der: &[u8]) -> Option<i64> {
    let (_, certificate, _) = element(der)?;
    let (_, mut rest, _) = element(certificate)?;
    if rest.first() == Some(&VERSION) {
        rest = element(rest)?.2;
    }
    // Serial number, signature algorithm, issuer.
    for _ in 0..3 {
        rest = element(rest)?.2;
    }
    let (SEQUENCE, validity, _) = element(rest)? else { return None };
    let (_, _, rest) = element(validity)?;
    let (tag, text, _) = element(rest)?;
    time(tag, std::str::from_utf8(text).ok()?)
}

/// The first element: its tag, its content, and what stands behind it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, first], rest) = der.split_first_chunk::<2>()?;
    let (len, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x83 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (bytes.iter().fold(0, |len, byte| (len << 8) | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    let (content, behind) = rest.split_at_checked(len)?;
    Some((tag, content, behind))
}

/// `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ`.
fn time(tag: u8, text: &str) -> Option<i64> {
    let digits = text.strip_suffix('Z').filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    let (year, rest) = match (tag, digits.len()) {
        (UTC_TIME, 12) => {
            let short: i16 = digits.get(..2)?.parse().ok()?;
            (if short < 50 { 2000 + short } else { 1900 + short }, digits.get(2..)?)
        }
        (GENERALIZED_TIME, 14) => (digits.get(..4)?.parse().ok()?, digits.get(4..)?),
        _ => return None,
    };
    let part = |at: usize| rest.get(at..at + 2)?.parse::<i8>().ok();
    let [month, day, hour, minute, second] = [part(0)?, part(2)?, part(4)?, part(6)?, part(8)?];
    let moment = Date::new(year, month, day).ok()?.to_datetime(Time::new(hour, minute, second, 0).ok()?);
    Some(moment.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(year: i32) -> Vec<u8> {
        let mut params = rcgen::CertificateParams::new(vec!["veilig.example".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(year, 3, 1);
        params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn the_end_is_read_in_both_forms_of_time() {
        // 2027 is written as UTCTime, 2051 as GeneralizedTime (RFC 5280 §4.1.2.5).
        assert_eq!(not_after(&certificate(2027)), Some(1_803_859_200));
        assert_eq!(not_after(&certificate(2051)), Some(2_561_241_600));
    }

    #[test]
    fn what_is_cut_or_changed_has_no_answer_or_a_time() {
        let whole = certificate(2027);
        for len in 0..whole.len() {
            assert_eq!(not_after(whole.get(..len).unwrap()), None, "cut to {len}");
        }
        for at in 0..whole.len() {
            let mut bad = whole.clone();
            bad[at] ^= 0xff;
            let _no_panic = not_after(&bad);
        }
        for text in ["", "Z", "270301000000", "271301000000Z", "27030100000Z", "2703010000é0Z"] {
            assert_eq!(time(UTC_TIME, text), None, "{text}");
        }
    }
}
