//! Messages of gRPC as domain types.

use std::fmt::Debug;

use prost::Message;
use proto::client::{Gateways, TrackerEntry};
use proto::messages::control::{
    Add, AddEvent, AddStep, EntryPoint, Get, GetEvent, Listed, LocalContent, Planned, PutValue, ReadEvent,
    Status, Value, Verified,
};
use proto::messages::{
    Chunk, Fetch, FetchRange, FromPeer, FromTracker, List, Locate, Peers, Publish, Published, Remove, Rename,
    SetPeerMode, SetTarget,
};
use proto::v1;
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use shared::model::{
    Asked, Binding, ContentRef, DrainStatus, Durability, Expectation, FeedPage, FeedPosition, FileMetadata,
    Health, Hello, Holding, Location, Losses, Manifest, Numbered, PeerInfo, PeerMode, PinWish, Reason,
    Received, Remaining, Report, RevisionEntry, Sample, Source, SourceFault, Survey, Why,
};
use shared::settings::InForce;

use super::Target;

/// Inputs of each kind that are tried, and valid ones that are kept, as samples.
const TRIED: usize = 1_500;
const KEPT: usize = 4;

pub(super) const MESSAGES: Target = Target {
    name: "messages",
    run: |bytes| {
        if let Some((kind, bytes)) = bytes.split_first() {
            KINDS[usize::from(*kind) % KINDS.len()](bytes);
        }
    },
    samples,
    words: &[
        "\n\u{10}",
        "\u{12}\u{20}",
        "\u{8}\u{1}",
        "10.1.2.3:50053",
        "a/b",
        "\u{10}\u{7f}",
        "\n\0",
    ],
    inputs: 20_000,
};

/// Converts a message inwards and, if it is valid, outwards again: that message is valid, and means the same.
/// Returns whether it was valid.
type Kind = fn(&[u8]) -> bool;

fn taken<W: Message + Default, T: TryFrom<W>>(bytes: &[u8]) -> Option<T> {
    T::try_from(W::decode(bytes).ok()?).ok()
}

fn inwards<W: Message + Default, T: TryFrom<W>>(bytes: &[u8]) -> bool {
    taken::<W, T>(bytes).is_some()
}

fn both<W, T>(bytes: &[u8]) -> bool
where
    W: Message + Debug + Default + Clone + PartialEq + From<T>,
    T: TryFrom<W, Error: Debug>,
{
    check(bytes, taken::<W, T>(bytes), <W as From<T>>::from)
}

fn both_by_reference<W, T>(bytes: &[u8]) -> bool
where
    W: Message + Debug + Default + Clone + PartialEq + for<'a> From<&'a T>,
    T: TryFrom<W, Error: Debug>,
{
    check(bytes, taken::<W, T>(bytes), |value: T| {
        <W as From<&T>>::from(&value)
    })
}

fn check<W, T>(bytes: &[u8], taken: Option<T>, outwards: impl Fn(T) -> W) -> bool
where
    W: Message + Debug + Default + Clone + PartialEq,
    T: TryFrom<W, Error: Debug>,
{
    let Some(value) = taken else { return false };
    let once = outwards(value);
    let again = T::try_from(once.clone()).unwrap_or_else(|error| panic!("{error:?}: {once:?}"));
    assert_eq!(outwards(again), once, "lost or changed");
    // A value takes memory in proportion to its message.
    let length = once.encoded_len();
    assert!(
        length <= 16 * bytes.len() + 1024,
        "{length} bytes of {}",
        bytes.len()
    );
    true
}

macro_rules! kinds {
    ($($check:ident { $($wire:ident => $domain:ty),* $(,)? })*) => {
        &[$($($check::<v1::$wire, $domain>),*),*]
    };
}

/// Every message that is converted.
const KINDS: &[Kind] = kinds! {
    both {
        AddEvent => AddEvent, AddRequest => Add, AddStreamRequest => AddStep, Binding => Binding,
        BlockRange => FetchRange, CollectionEntry => Listed, Culprit => SourceFault,
        DrainStatusReply => DrainStatus, DurabilityReply => Durability, EntriesReply => Vec<Listed>,
        EventsReply => FeedPage, EventsRequest => Option<FeedPosition>, Expectation => Expectation,
        FeedPosition => FeedPosition, FetchChunk => Chunk, FetchRequest => Fetch,
        FromPeer => Numbered<FromPeer>, FromTracker => FromTracker, GetEvent => GetEvent, GetRequest => Get,
        GetValueReply => Value, Health => Health, Hello => Hello, HistoryReply => Vec<RevisionEntry>,
        Holding => Holding, ListReply => Published, LocalContent => LocalContent, LocateReply => Location,
        Losses => Losses, Peer => PeerInfo, PeersReply => Peers, PlanReply => Planned,
        PutValueRequest => PutValue, ReadEvent => ReadEvent, Reason => Reason, Received => Received,
        Remaining => Remaining, RevisionEntry => RevisionEntry, Sample => Sample,
        SetDutyRequest => SetPeerMode, SettingsReply => InForce, Source => Source, StatusReply => Status,
        SurveyReply => Survey, TrackerEntry => TrackerEntry, TrackersReply => Gateways,
        VerifyEvent => Verified, WhyReply => Why,
    }
    both_by_reference {
        ConnectRequest => EntryPoint, ContentRef => ContentRef, DurabilityRequest => Asked,
        FileMetadata => FileMetadata, ListRequest => List, LocateRequest => Locate, Manifest => Manifest,
        PinRequest => PinWish, PublishRequest => Publish, RemoveRequest => Remove, RenameRequest => Rename,
        SetTargetRequest => SetTarget, WhyRequest => Asked,
    }
    inwards {
        AssignmentResult => Report, PinReply => RevisionEntry, ResolveReply => (Binding, Manifest),
        SetDutyReply => PeerMode, WatchReply => Health,
    }
};

/// Some valid messages of as many kinds as random ones can be of; and manifests, which cannot.
fn samples() -> Vec<Vec<u8>> {
    let mut random = SmallRng::seed_from_u64(14);
    let mut samples = Vec::new();
    for (kind, check) in KINDS.iter().enumerate() {
        let kind = u8::try_from(kind).expect("few kinds");
        let tried = std::iter::repeat_with(|| message(&mut random, 4)).take(TRIED);
        let valid = tried.filter(|bytes| check(bytes)).take(KEPT);
        samples.extend(valid.map(|bytes| [&[kind][..], &bytes[..]].concat()));
        samples.push([&[kind][..], &of_manifest()[..]].concat());
    }
    samples
}

/// A message of a publication, whose parts are those of many others.
fn of_manifest() -> Vec<u8> {
    let manifest = shared::hash::ContentHasher::new(0, shared::model::FragmentLength::MIN).finish();
    let manifest = v1::Manifest::from(&manifest.expect("of nothing"));
    let request = v1::PublishRequest {
        name: "a/b".to_owned(),
        manifest: Some(manifest),
        publisher: vec![7; 16].into(),
        target: 3,
        ..v1::PublishRequest::default()
    };
    request.encode_to_vec()
}

/// Bytes that look like a message: fields with numbers and lengths as ours have them, nested.
fn message(random: &mut SmallRng, depth: u32) -> Vec<u8> {
    let mut out = Vec::new();
    for _ in 0..random.random_range(0..7) {
        let field = random.random_range(1_u64..16);
        if random.random_ratio(1, 3) {
            varint(field << 3, &mut out);
            let number = match random.random_range(0..3) {
                0 => random.random_range(0..4),
                1 => 1 << random.random_range(0..64),
                _ => random.random(),
            };
            varint(number, &mut out);
            continue;
        }
        let bytes = match random.random_range(0..5) {
            0 => vec![random.random(); [0, 1, 8, 16, 32, 64, 65][random.random_range(0..7)]],
            1 => ["a", "a/b", "10.1.2.3:50053", "h:1", "rack-7", "ñ"][random.random_range(0..6)].into(),
            _ if depth > 0 => message(random, depth - 1),
            _ => Vec::new(),
        };
        varint(field << 3 | 2, &mut out);
        varint(bytes.len() as u64, &mut out);
        out.extend(bytes);
    }
    out
}

fn varint(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    out.push(number.to_le_bytes()[0]);
}
