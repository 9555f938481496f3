//! Hostile input: every message that is converted, from bytes that look like messages. Conversion refuses it
//! or yields a valid value, and never ends the process.
//!
//! Random bytes alone are hardly ever a message; these are fields with numbers and lengths as ours have them,
//! nested, with arbitrary contents.

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use prost::Message;
use shared::model::{
    Binding, ContentRef, DrainStatus, Durability, Expectation, FeedPage, FeedPosition, Health, Hello,
    Holding, Location, Losses, Manifest, Numbered, PeerInfo, PeerMode, PinWish, Reason, Report,
    RevisionEntry, Source, SourceFault, Survey, Why,
};

use crate::client::{Gateways, TrackerEntry};
use crate::messages::control::{
    Add, AddEvent, AddStep, EntryPoint, Get, GetEvent, Listed, LocalContent, PutValue, ReadEvent, Status,
    Value, Verified,
};
use crate::messages::{
    Chunk, Fetch, FetchRange, FromPeer, FromTracker, List, Locate, Peers, Publish, Published, Remove, Rename,
    SetPeerMode, SetTarget,
};
use crate::v1;

/// Content of a field.
#[derive(Clone, Debug)]
enum Content {
    Number(u64),
    Bytes(Vec<u8>),
}

fn varint(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    out.push(number.to_le_bytes()[0]);
}

/// The wire's form of some fields.
fn encoded(fields: &[(u64, Content)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (number, content) in fields {
        match content {
            Content::Number(value) => {
                varint(number << 3, &mut out);
                varint(*value, &mut out);
            }
            Content::Bytes(bytes) => {
                varint(number << 3 | 2, &mut out);
                varint(bytes.len() as u64, &mut out);
                out.extend_from_slice(bytes);
            }
        }
    }
    out
}

fn fields(of: impl Strategy<Value = Content>) -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec((1_u64..16, of), 0..8).prop_map(|fields| encoded(&fields))
}

fn message() -> impl Strategy<Value = Vec<u8>> {
    let lengths = prop_oneof![Just(0_usize), Just(16), Just(32), Just(4096), 0_usize..70];
    let filled = (lengths, any::<u8>()).prop_map(|(length, byte)| Content::Bytes(vec![byte; length]));
    let text = prop_oneof!["[a-z0-9/.:@-]{0,12}", "\\PC{0,6}"];
    let single = prop_oneof![
        (0_u64..4).prop_map(Content::Number),
        any::<u64>().prop_map(Content::Number),
        filled,
        text.prop_map(|text| Content::Bytes(text.into_bytes())),
        proptest::collection::vec(any::<u8>(), 0..40).prop_map(Content::Bytes),
    ];
    fields(single.prop_recursive(4, 48, 6, |inner| fields(inner).prop_map(Content::Bytes)))
}

fn take<W: Message + Default, T: TryFrom<W>>(bytes: &[u8]) -> bool {
    W::decode(bytes).is_ok_and(|wire| T::try_from(wire).is_ok())
}

macro_rules! take_all {
    ($bytes:expr; $($wire:ident => $domain:ty,)*) => {
        [$(take::<v1::$wire, $domain>($bytes)),*]
    };
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn whatever_looks_like_a_message_is_refused_or_valid(bytes in message()) {
        let bytes = bytes.as_slice();
        take_all!(bytes;
            AddEvent => AddEvent, AddRequest => Add, AddStreamRequest => AddStep, AssignmentResult => Report,
            Binding => Binding, BlockRange => FetchRange, CollectionEntry => Listed, ConnectRequest => EntryPoint,
            ContentRef => ContentRef, Culprit => SourceFault, DrainStatusReply => DrainStatus,
            DurabilityReply => Durability, EntriesReply => Vec<Listed>, EventsReply => FeedPage,
            EventsRequest => Option<FeedPosition>, Expectation => Expectation, FeedPosition => FeedPosition,
            FetchChunk => Chunk, FetchRequest => Fetch, FromPeer => Numbered<FromPeer>,
            FromTracker => FromTracker, GetEvent => GetEvent, GetRequest => Get, GetValueReply => Value,
            Health => Health, Hello => Hello, HistoryReply => Vec<RevisionEntry>, Holding => Holding,
            ListReply => Published, ListRequest => List, LocalContent => LocalContent, LocateReply => Location,
            LocateRequest => Locate, Losses => Losses, Manifest => Manifest, Peer => PeerInfo,
            PeersReply => Peers, PinReply => RevisionEntry, PinRequest => PinWish, PublishRequest => Publish,
            PutValueRequest => PutValue, ReadEvent => ReadEvent, Reason => Reason, RemoveRequest => Remove,
            RenameRequest => Rename, ResolveReply => (Binding, Manifest), SetDutyReply => PeerMode,
            SetDutyRequest => SetPeerMode, SetTargetRequest => SetTarget, Source => Source, StatusReply => Status,
            SurveyReply => Survey, TrackerEntry => TrackerEntry, TrackersReply => Gateways,
            VerifyEvent => Verified, WatchReply => Health, WhyReply => Why,
        );
    }
}

#[test]
fn what_is_made_here_is_not_refused_altogether() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let messages: Vec<_> = (0..2_000)
        .map(|_| message().new_tree(&mut runner).expect("a message").current())
        .collect();
    let taken = |take: fn(&[u8]) -> bool| messages.iter().filter(|bytes| take(bytes)).count();
    assert!(taken(take::<v1::FromPeer, Numbered<FromPeer>>) > 0, "as a report");
    assert!(taken(take::<v1::RemoveRequest, Remove>) > 0, "as a removal");
    assert!(taken(take::<v1::Losses, Losses>) > 0, "as losses");
}
