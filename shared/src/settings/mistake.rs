//! Faults of single values: in English with the words of their errors, in Spanish with their own.
//!
//! The tracker and the webserver speak English only; so do logs and JSON, in every language.

use std::error::Error;
use std::fmt::{Debug, Display};

use super::words;
use crate::language::LanguageError;
use crate::model::{
    FragmentLengthError, HostPortError, ParseByteCountError, ParseByteRateError, ParseDurationError,
    RemoteAddressError, ReplicationTarget, ReplicationTargetError, ZoneError,
};
use crate::runtime::log_filter::{ParseLogFilterError, ParseLogFormatError};

/// A text that is no whole number within its bounds; the message is in the language in force.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", words::no_whole_number(format_args!("{text:?}"), least, most))]
pub struct WholeError {
    pub(super) text: String,
    pub(super) least: u64,
    pub(super) most: u64,
}

/// A text that is no value of a setting; the message is in the language in force.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ValueError(pub String);

/// Returns the fault of a value, in the language in force.
#[must_use]
pub fn mistake(error: &(dyn Error + 'static)) -> String {
    known(error).unwrap_or_else(|| words::found(error))
}

/// Returns the fault in the language in force, if every language has words for it.
fn known(error: &(dyn Error + 'static)) -> Option<String> {
    fn quoted(text: &impl Debug) -> impl Display {
        format!("{text:?}")
    }
    if let Some(ParseByteCountError(text)) = error.downcast_ref() {
        return Some(words::no_size(quoted(text)));
    }
    if let Some(ParseByteRateError(text)) = error.downcast_ref() {
        return Some(words::no_rate(quoted(text)));
    }
    if let Some(ParseDurationError(text)) = error.downcast_ref() {
        return Some(words::no_duration(quoted(text)));
    }
    if let Some(HostPortError(text)) = error.downcast_ref() {
        return Some(words::no_address(quoted(text)));
    }
    match error.downcast_ref() {
        Some(RemoteAddressError::Form(HostPortError(text))) => return Some(words::no_address(quoted(text))),
        Some(RemoteAddressError::Undialable(address)) => return Some(words::undialable(address)),
        None => {}
    }
    if let Some(ZoneError(text)) = error.downcast_ref() {
        return Some(words::no_zone(quoted(text)));
    }
    if let Some(ReplicationTargetError(text)) = error.downcast_ref() {
        return Some(words::no_target(text, ReplicationTarget::MAX));
    }
    if let Some(FragmentLengthError(text)) = error.downcast_ref() {
        return Some(words::no_fragment_length(text));
    }
    if let Some(LanguageError(text)) = error.downcast_ref() {
        return Some(words::no_language(quoted(text)));
    }
    if let Some(ParseLogFilterError { text }) = error.downcast_ref() {
        return Some(words::no_log_filter(quoted(text)));
    }
    if let Some(ParseLogFormatError(text)) = error.downcast_ref() {
        return Some(words::no_log_format(quoted(text)));
    }
    // These errors speak the language in force themselves.
    if let Some(ValueError(text)) = error.downcast_ref() {
        return Some(text.clone());
    }
    error.downcast_ref::<WholeError>().map(ToString::to_string)
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use super::*;
    use crate::language::{Language, here};
    use crate::model::{ByteCount, ByteRate, FragmentLength, HostPort, Zone, parse_duration};
    use crate::runtime::log_filter::{LogFilter, LogFormat};

    fn refused<T: FromStr<Err: Error + 'static>>(text: &str) -> Box<dyn Error> {
        text.parse::<T>().map(drop).expect_err("no value").into()
    }

    #[test]
    fn a_mistake_has_the_errors_words_in_english_and_its_own_in_spanish() {
        for error in [
            refused::<ByteCount>("much\""),
            refused::<ByteRate>("fast"),
            parse_duration("long").expect_err("none").into(),
            refused::<HostPort>("nowhere"),
            HostPort::remote("0.0.0.0:5").expect_err("a wildcard").into(),
            HostPort::remote("lab").expect_err("no port").into(),
            refused::<Zone>("a zone"),
            refused::<ReplicationTarget>("33"),
            refused::<FragmentLength>("3KiB"),
            refused::<Language>("fr"),
            refused::<LogFilter>("loud"),
            refused::<LogFormat>("xml"),
        ] {
            let english = known(&*error).expect("it is known");
            assert_eq!(english, error.to_string());
            let _spanish = here(Language::Spanish);
            let spanish = mistake(&*error);
            assert!(spanish != english && !spanish.contains('«'), "{spanish}");
        }
        let other = refused::<u64>("x");
        let _spanish = here(Language::Spanish);
        assert_eq!(mistake(&*other), "«invalid digit found in string»");
    }
}
