//! The life of a certificate. The library checks it and does not tell it.
//!
//! A certificate is read as far as RFC 5280, 4.1 says: the first sequence in it holds a version, a number, an
//! algorithm, an issuer, and then the two times.

use rustls::pki_types::CertificateDer;
use shared::model::Timestamp;

const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// Returns the beginning and the end of a certificate's life; none when it cannot be read.
pub(super) fn of(der: &CertificateDer<'_>) -> Option<(Timestamp, Timestamp)> {
    let certificate = inside(&mut der.as_ref(), SEQUENCE)?;
    let mut fields = inside(&mut &*certificate, SEQUENCE)?;
    if fields.first() == Some(&VERSION) {
        inside(&mut fields, VERSION)?;
    }
    for skipped in [INTEGER, SEQUENCE, SEQUENCE] {
        inside(&mut fields, skipped)?;
    }
    let mut times = inside(&mut fields, SEQUENCE)?;
    Some((time(&mut times)?, time(&mut times)?))
}

/// Takes an element of this kind from the input, and returns its inside.
fn inside<'a>(input: &mut &'a [u8], tag: u8) -> Option<&'a [u8]> {
    let (found, inside) = element(input)?;
    (found == tag).then_some(inside)
}

fn element<'a>(input: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
    let [tag, length, rest @ ..] = *input else {
        return None;
    };
    let (length, rest) = match length {
        0..=0x7f => (usize::from(*length), rest),
        // As many bytes as this say the length.
        0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
            let length = bytes
                .iter()
                .fold(0, |length, byte| length << 8 | usize::from(*byte));
            (length, rest)
        }
        _ => return None,
    };
    let (inside, rest) = rest.split_at_checked(length)?;
    *input = rest;
    Some((*tag, inside))
}

/// Takes `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ`. A time before 1970 is told as 1970.
fn time(input: &mut &[u8]) -> Option<Timestamp> {
    let (tag, text) = element(input)?;
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let (year, rest) = match tag {
        UTC_TIME => {
            let (year, rest) = text.split_at_checked(2)?;
            let year = number(year)?;
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        GENERALIZED_TIME => {
            let (year, rest) = text.split_at_checked(4)?;
            (number(year)?, rest)
        }
        _ => return None,
    };
    if rest.len() != 10 {
        return None;
    }
    let part = |at: usize| rest.get(2 * at..2 * at + 2).and_then(number);
    let (month, day) = (part(0)?, part(1)?);
    let (hour, minute, second) = (part(2)?, part(3)?, part(4)?);
    let is_time = hour < 24 && minute < 60 && second < 60;
    if !is_time || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let seconds = ((days_before(year, month) + day - 1) * 24 + hour) * 3600 + minute * 60 + second;
    let millis = u64::try_from(seconds - DAYS_TO_1970 * 24 * 3600).unwrap_or(0);
    Some(Timestamp::from_millis(millis * 1000))
}

fn number(text: &str) -> Option<i64> {
    let is_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_digits)
}

/// Days from the beginning of the year 0 to that of 1970.
const DAYS_TO_1970: i64 = 719_528;

/// Days from the beginning of the year 0 to that of a month, in the calendar of today.
fn days_before(year: i64, month: i64) -> i64 {
    const LENGTHS: [i64; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let before = (1..month).zip(LENGTHS).map(|(_, length)| length).sum::<i64>();
    let leap_days = match year {
        0 => 0,
        year => (year - 1) / 4 - (year - 1) / 100 + (year - 1) / 400 + 1,
    };
    365 * year + leap_days + before + i64::from(is_leap && month > 2)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    fn told(tag: u8, text: &str) -> Option<u64> {
        let bytes = [&[tag, u8::try_from(text.len()).expect("short")], text.as_bytes()].concat();
        time(&mut &bytes[..]).map(Timestamp::as_millis)
    }

    #[test]
    fn times_are_those_of_the_calendar() {
        for (tag, text, seconds) in [
            (UTC_TIME, "700101000000Z", 0),
            (UTC_TIME, "691231235959Z", 0),
            (UTC_TIME, "000229000000Z", 951_782_400),
            (UTC_TIME, "261130173709Z", 1_796_060_229),
            (UTC_TIME, "491231235959Z", 2_524_607_999),
            (GENERALIZED_TIME, "20500101000000Z", 2_524_608_000),
            (GENERALIZED_TIME, "21000301000000Z", 4_107_542_400),
            (GENERALIZED_TIME, "99991231235959Z", 253_402_300_799),
            (GENERALIZED_TIME, "00000101000000Z", 0),
        ] {
            assert_eq!(told(tag, text), Some(seconds * 1000), "{text}");
        }
        for (tag, text) in [
            (UTC_TIME, "20500101000000Z"),
            (UTC_TIME, "500101000000"),
            (UTC_TIME, "501301000000Z"),
            (UTC_TIME, "50010100000 Z"),
            (UTC_TIME, "+50101000000Z"),
            (GENERALIZED_TIME, "500101000000Z"),
            (SEQUENCE, "500101000000Z"),
        ] {
            assert_eq!(told(tag, text), None, "{text}");
        }
    }

    #[test]
    fn the_life_of_a_certificate_is_read() {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(vec!["a.example".to_owned()]).expect("a name");
        (params.not_before, params.not_after) = (date_time_ymd(2026, 11, 30), date_time_ymd(2062, 1, 1));
        let made = params.self_signed(&key).expect("a certificate");
        let life = of(made.der()).map(|(begins, ends)| (begins.as_millis(), ends.as_millis()));
        assert_eq!(life, Some((1_795_996_800_000, 2_903_299_200_000)));
        for end in 0..made.der().len() / 2 {
            let cut = CertificateDer::from(made.der()[..end].to_vec());
            assert_eq!(of(&cut), None, "{end} bytes of it");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _life = of(&CertificateDer::from(bytes.clone()));
            let _time = time(&mut &bytes[..]);
        }
    }
}
