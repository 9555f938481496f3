//! Sources of a fetch as text: which peer is asked for which fragments, and what has come from it. Pure.

use std::collections::BTreeSet;

use shared::model::{ByteCount, FetchSource, FetchSourceState};

use crate::words;

/// Sources that are shown at most; the others are counted.
pub const SHOWN: usize = 6;

/// Returns a line such as `asking 192.168.20.85:50053 for fragments 3, 7 of file2 … received 11 fragments,
/// 683.6 KiB`. Where that does not fit the columns, fewer fragments are named, fewer words are made, and at
/// last no fragment is named.
#[must_use]
pub fn asking(source: &FetchSource, name: &str, columns: usize) -> String {
    let (doing, received) = (doing(source, name), received(source));
    let with = |doing: &String, received: &String| match source.bytes {
        0 => doing.clone(),
        _ => words::source_received(doing, received),
    };
    let plain = [words::source_asked_for(&source.address, name)];
    let is_asked = source.state == FetchSourceState::Asked;
    let shorter: &[String] = if is_asked { &plain } else { &[] };
    let pairs = |doing: &[String]| -> Vec<String> {
        let pairs = received
            .iter()
            .flat_map(|received| doing.iter().map(move |doing| (doing, received)));
        pairs.map(|(doing, received)| with(doing, received)).collect()
    };
    let mut lines = pairs(&doing).into_iter().chain(pairs(shorter));
    let fitting = lines.find(|line| line.chars().count() <= columns);
    fitting.unwrap_or_else(|| words::given_by(&source.address, &received[1]))
}

/// Returns what a source is doing, the most detailed first.
fn doing(source: &FetchSource, name: &str) -> Vec<String> {
    let address = &source.address;
    match (source.state, source.asked.as_slice()) {
        (FetchSourceState::Connecting, _) => vec![words::source_connecting(address, name)],
        (FetchSourceState::Gone, _) => vec![words::source_gone(address, name)],
        (FetchSourceState::Idle, _) | (_, []) => vec![words::source_idle(address, name)],
        (FetchSourceState::Asked, [one]) => vec![words::source_asked_for_one(address, one, name)],
        (FetchSourceState::Asked, some) => {
            let some = BTreeSet::from_iter(some);
            let naming = |most| {
                let mut numbers: Vec<String> = some.iter().take(most).map(ToString::to_string).collect();
                if most < some.len() || some.len() == FetchSource::MAX_ASKED {
                    numbers.push("…".to_owned());
                }
                words::source_asked(address, numbers.join(", "), name)
            };
            (1..=some.len()).rev().map(naming).collect()
        }
    }
}

/// Returns what a source has given, in more and in fewer words.
fn received(source: &FetchSource) -> [String; 2] {
    let bytes = ByteCount::new(source.bytes);
    [given(source), words::given(source.fragments, bytes)]
}

/// Returns lines about the sources that gave something, such as `asked 192.168.20.85:50053 for file2 …
/// received 11 fragments, 683.6 KiB`, with the number of the others when there are many.
#[must_use]
pub fn summary(from: &[FetchSource], name: &str) -> Vec<String> {
    let giving: Vec<_> = from.iter().filter(|source| source.bytes > 0).collect();
    let line = |source: &&FetchSource| words::received_from(&source.address, name, given(source));
    let mut lines: Vec<String> = giving.iter().take(SHOWN).map(line).collect();
    if giving.len() > SHOWN {
        lines.push(words::and_more_peers(words::peers((giving.len() - SHOWN) as u64)));
    }
    lines
}

fn given(source: &FetchSource) -> String {
    let fragments = words::fragments(source.fragments.into());
    words::given(fragments, ByteCount::new(source.bytes))
}

#[cfg(test)]
pub(crate) mod tests {
    use shared::language::{Language, here};
    use shared::model::PeerId;

    use super::*;

    /// A source that is asked for some fragments and has given others, of 1 KiB each.
    pub(crate) fn source(number: u8, fragments: u32, asked: &[u32]) -> FetchSource {
        FetchSource {
            peer: PeerId::from_bytes([number; 16]),
            address: format!("192.168.20.{number}:50053").parse().expect("an address"),
            state: if asked.is_empty() {
                FetchSourceState::Idle
            } else {
                FetchSourceState::Asked
            },
            fragments,
            bytes: u64::from(fragments) << 10,
            asked: asked.to_vec(),
        }
    }

    #[test]
    fn a_source_is_told_with_what_it_is_asked_for_and_what_it_gave() {
        let told = |source| asking(&source, "file2", 100);
        assert_eq!(
            told(source(85, 0, &[3, 7])),
            "asking 192.168.20.85:50053 for fragments 3, 7 of file2 …"
        );
        assert_eq!(
            told(source(85, 11, &[12])),
            "asking 192.168.20.85:50053 for fragment 12 of file2 … received 11 fragments, 11.0 KiB"
        );
        let narrow = |columns| asking(&source(85, 11, &[9, 3, 7]), "file2", columns);
        assert_eq!(
            narrow(88),
            "asking 192.168.20.85:50053 for fragments 3, … of file2 … received 11 fragments, 11.0 KiB"
        );
        assert_eq!(
            narrow(79),
            "asking 192.168.20.85:50053 for fragments 3, … of file2 … received 11, 11.0 KiB"
        );
        assert_eq!(
            narrow(70),
            "asking 192.168.20.85:50053 for file2 … received 11 fragments, 11.0 KiB"
        );
        assert_eq!(narrow(40), "192.168.20.85:50053 … 11, 11.0 KiB");
        let _spanish = here(Language::Spanish);
        assert_eq!(
            told(source(85, 1, &[3, 7])),
            "pidiendo a 192.168.20.85:50053 los fragmentos 3, 7 de file2 … recibido 1 fragmento, 1.0 KiB"
        );
    }

    #[test]
    fn every_state_of_a_source_has_its_words() {
        let states = [
            FetchSourceState::Gone,
            FetchSourceState::Connecting,
            FetchSourceState::Idle,
            FetchSourceState::Asked,
        ];
        let told = states.map(|state| {
            let source = FetchSource {
                state,
                ..source(1, 0, &[0])
            };
            asking(&source, "x", 100)
        });
        assert_eq!(
            told,
            [
                "192.168.20.1:50053 has gone from x …",
                "connecting to 192.168.20.1:50053 for x …",
                "connected to 192.168.20.1:50053 for x …",
                "asking 192.168.20.1:50053 for fragment 0 of x …",
            ]
        );
    }

    #[test]
    fn the_summary_names_who_gave_something_and_counts_the_rest() {
        let mut from: Vec<_> = (1..=9).map(|number| source(number, 10, &[])).collect();
        from.push(source(10, 0, &[]));
        let lines = summary(&from, "x");
        assert_eq!(
            lines[0],
            "asked 192.168.20.1:50053 for x … received 10 fragments, 10.0 KiB"
        );
        assert_eq!(lines.last().map(String::as_str), Some("and from 3 peers more"));
        assert_eq!(lines.len(), SHOWN + 1);
        assert_eq!(summary(&[], "x"), Vec::<String>::new());
    }
}
