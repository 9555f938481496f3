//! Settings of a node: the key of each with its flag and help, its value, and its effect on a running node.
//!
//! A new setting takes three places: its key, its line in `node_settings!`, and an entry in `EFFECTS` when it
//! takes effect at once or a use in [`NodeHandle::start`](super::NodeHandle::start) when it does not.

use std::ffi::OsStr;
use std::num::NonZeroU16;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use proto::membership::Membership;
use shared::model::{ByteCount, ByteRate, FragmentLength, Zone};
use shared::security::News;
use shared::settings::{
    self, InForce, Key, Setting, Table, ValueError, Values, mistake, news_age, text, whole,
};
use tokio::sync::watch;

use super::memory::MemoryBudget;
use crate::fetch::Fetcher;
use crate::limiter::Limiter;
use crate::rpc::{DEFAULT_UPLOAD_SLOTS, TransferService, UploadSlots};
use crate::words;
use store::DiskStore;

static CAPACITY: Key<ByteCount> = Key::new("capacity", lent).or("50GiB").at_once().flag(
    "capacity",
    "SIZE",
    "Space that the node lends to the cluster for replicas",
    "Espacio que el nodo presta al clúster para réplicas",
);
static ZONE: Key<Zone> = Key::new("zone", text).at_once().flag(
    "zone",
    "NAME",
    "The failure domain, such as a rack or a site",
    "El dominio de fallo, como un armario o una sede",
);
static UPLOAD_LIMIT: Key<RateLimit> = Key::new("upload_limit", text).or("none").at_once().flag(
    "upload-limit",
    "RATE",
    "Limit of sending to all peers together, such as 10MB/s, 512KiB/s, 80Mbit/s or none; `peer limit` changes it while the node runs", "Límite de envío a todos los nodos juntos, por ejemplo 10MB/s, 512KiB/s, 80Mbit/s o none; `peer limit` lo cambia con el nodo en marcha");
static DOWNLOAD_LIMIT: Key<RateLimit> = Key::new("download_limit", text).or("none").at_once().flag(
    "download-limit",
    "RATE",
    "Limit of receiving from all peers together, in the same way",
    "Límite de recepción de todos los nodos juntos, del mismo modo",
);
static UPLOAD_SLOTS: Key<NonZeroU16> = Key::new("upload_slots", whole).or("8").at_once().flag(
    "upload-slots",
    "N",
    "Simultaneous uploads; four more wait in line, further requests are refused",
    "Envíos simultáneos; otros cuatro esperan en cola, las demás peticiones se rechazan",
);
static MEMORY: Key<MemoryBudget> = Key::new("memory", memory).or("96MiB").flag(
    "memory",
    "SIZE",
    "Memory for blocks of transfers, at least 16MiB: a third for uploads, the rest for downloads",
    "Memoria para bloques de transferencias, al menos 16MiB: un tercio para envíos, el resto para descargas",
);
static SCRUB_RATE: Key<RateLimit> = Key::new("scrub_rate", text).or("8MiB/s").at_once().flag(
    "scrub-rate",
    "RATE",
    "Rate of rereading held data in the background, to find damage; none: never",
    "Ritmo al que se releen los datos en segundo plano, para hallar daños; none: nunca",
);

static NEWS_MAX_AGE: Key<Duration> = Key::new("news_max_age", news_age).or("24h").at_once().flag(
    "news-max-age",
    "DURATION",
    "In a secured network, take no other peer's certificate when no tracker has said for this long who is revoked; at least 30m",
    "En una red protegida, no aceptar certificados de otros nodos si ningún tracker ha dicho en este tiempo quién está revocado; al menos 30m",
);

/// Makes the table of settings, and the struct of their values, of one line for each.
macro_rules! node_settings {
    ($($(#[$doc:meta])* $field:ident: $type:ty = $key:ident, $value:expr;)*) => {
        /// Every setting of a node.
        pub static TABLE: Table = &[$(&$key),*];

        /// The values of a node's settings.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct NodeSettings {
            $($(#[$doc])* pub $field: $type,)*
        }

        impl NodeSettings {
            /// Returns the values that the settings have.
            #[must_use]
            pub fn of(values: &Values) -> Self {
                Self { $($field: value(values, &$key, $value)),* }
            }
        }
    };
}

node_settings! {
    /// Bytes that the node lends to the cluster for replicas.
    capacity: u64 = CAPACITY, |size| size.map_or(0, ByteCount::get);
    /// The failure domain.
    zone: Option<Zone> = ZONE, |zone| zone;
    /// The limit on sending to all peers together; none is unlimited.
    upload_limit: Option<ByteRate> = UPLOAD_LIMIT, rate;
    /// The limit on receiving from all peers together; none is unlimited.
    download_limit: Option<ByteRate> = DOWNLOAD_LIMIT, rate;
    /// Simultaneous uploads; further requests are refused.
    upload_slots: NonZeroU16 = UPLOAD_SLOTS, |slots| slots.unwrap_or(DEFAULT_SLOTS);
    /// Bytes of blocks in memory.
    memory: MemoryBudget = MEMORY, |memory| memory.unwrap_or(MemoryBudget::DEFAULT);
    /// The rate of rereading held data in the background; none: never.
    scrub_rate: Option<ByteRate> = SCRUB_RATE, rate;
    /// The age of what a tracker has told from which certificates of peers are not taken.
    news_max_age: Duration = NEWS_MAX_AGE, |age| age.unwrap_or(News::DEFAULT_MAX_AGE);
}

/// Reads a setting and converts it.
fn value<T, U>(values: &Values, key: &Key<T>, convert: impl FnOnce(Option<T>) -> U) -> U {
    convert(values.get(key))
}

fn rate(limit: Option<RateLimit>) -> Option<ByteRate> {
    limit.and_then(|limit| limit.0)
}

/// The default of the upload service.
#[expect(clippy::cast_possible_truncation, reason = "192 fits")]
const DEFAULT_SLOTS: NonZeroU16 = NonZeroU16::new(DEFAULT_UPLOAD_SLOTS as u16).expect("some slots");

/// The effect of a setting on a running node.
type Effect = fn(&Adjustable, &NodeSettings);

/// The effects of the settings that take effect at once. A rate that `peer limit` has set stays until the
/// setting itself changes.
static EFFECTS: &[(&dyn Setting, Effect)] = &[
    (&CAPACITY, |node, to| node.set_capacity(to.capacity)),
    (&ZONE, |node, to| node.set_zone(to.zone.clone())),
    (&UPLOAD_LIMIT, |node, to| node.uploads.set(to.upload_limit)),
    (&DOWNLOAD_LIMIT, |node, to| node.downloads.set(to.download_limit)),
    (&UPLOAD_SLOTS, |node, to| {
        node.slots.resize(to.upload_slots.get().into());
    }),
    (&SCRUB_RATE, |node, to| {
        node.scrub.send_replace(to.scrub_rate);
    }),
    (&NEWS_MAX_AGE, |node, to| {
        node.membership.tls().set_news_max_age(to.news_max_age);
    }),
];

/// The parts of a running node that settings change; cheap to clone. A change also counts for transfers under
/// way.
#[derive(Clone, Debug)]
pub struct Adjustable {
    pub(super) uploads: Limiter,
    downloads: Limiter,
    slots: UploadSlots,
    pub(super) scrub: watch::Sender<Option<ByteRate>>,
    pub(super) zone: watch::Sender<Option<Zone>>,
    pub(super) in_force: watch::Sender<InForce>,
    store: Arc<DiskStore>,
    membership: Membership,
}

impl Adjustable {
    pub(super) fn new(
        settings: &NodeSettings,
        zone: watch::Sender<Option<Zone>>,
        membership: &Membership,
        store: &Arc<DiskStore>,
        transfer: &TransferService,
        fetcher: &Fetcher,
    ) -> Self {
        Self {
            uploads: transfer.limiter().clone(),
            downloads: fetcher.limiter().clone(),
            slots: transfer.slots().clone(),
            scrub: watch::Sender::new(settings.scrub_rate),
            zone,
            in_force: watch::Sender::new(InForce::default()),
            store: Arc::clone(store),
            membership: membership.clone(),
        }
    }

    /// Notes the settings as they are said now, for those who ask the node.
    pub fn tell(&self, in_force: InForce) {
        self.in_force.send_replace(in_force);
    }

    /// Applies a setting that has changed, if it takes effect at once.
    pub fn apply(&self, changed: &str, settings: &NodeSettings) {
        for (_, effect) in EFFECTS.iter().filter(|(setting, _)| setting.name() == changed) {
            effect(self, settings);
        }
    }

    /// Changes the failure domain; without one, that of the join line counts.
    fn set_zone(&self, zone: Option<Zone>) {
        self.zone.send_replace(zone.or_else(|| self.membership.zone()));
    }

    /// Changes the bytes that the node lends. Contents that are held stay, also when they are more.
    fn set_capacity(&self, bytes: u64) {
        self.store.set_capacity(bytes);
        // The tracker learns capacity and zone from a hello, so that a session begins anew.
        self.zone.send_modify(|_| {});
    }
}

/// A limit of a rate as people write it: a rate, or `none`, `unlimited` or `0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit(
    /// The rate; none is unlimited.
    pub Option<ByteRate>,
);

/// A slower transfer of a block of 16 KiB takes longer than its readers wait. A number without a unit is
/// meant to be of megabytes or megabits then.
const SLOWEST: u64 = 1000;

impl FromStr for RateLimit {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if matches!(
            text.trim().to_ascii_lowercase().as_str(),
            "none" | "unlimited" | "0"
        ) {
            return Ok(Self(None));
        }
        // The case of the letters matters: `Mb` may be megabits.
        match text.parse::<ByteRate>() {
            Ok(rate) if rate.get() < SLOWEST => Err(ValueError(words::too_slow(text.trim(), rate))),
            Ok(rate) => Ok(Self(Some(rate))),
            Err(error) => Err(ValueError(mistake(&error))),
        }
    }
}

/// Reads the bytes that a node lends: none, or enough for a fragment.
fn lent(text: &OsStr) -> Result<ByteCount, String> {
    let size: ByteCount = settings::text(text)?;
    match size.get() {
        0 => Ok(size),
        bytes if bytes < FragmentLength::MIN.get().into() => Err(words::too_little_capacity(size)),
        _ => Ok(size),
    }
}

fn memory(text: &OsStr) -> Result<MemoryBudget, String> {
    let size: ByteCount = settings::text(text)?;
    MemoryBudget::new(size.get()).map_err(|_| words::too_little_memory(size))
}

#[cfg(test)]
mod tests {
    use shared::settings::{Effect as When, Env, Places};

    use super::*;

    #[test]
    fn every_setting_that_changes_at_once_has_an_effect() {
        let at_once = TABLE.iter().filter(|setting| setting.effect() == When::AtOnce);
        let with_effect = EFFECTS.iter().map(|(setting, _)| setting.name());
        assert_eq!(
            at_once.map(|setting| setting.name()).collect::<Vec<_>>(),
            with_effect.collect::<Vec<_>>()
        );
    }

    #[test]
    fn a_number_that_lacks_its_unit_is_refused_with_an_example() {
        for text in ["8", "100", "999", "8B/s", "1kbit/s"] {
            let refused = text.parse::<RateLimit>().expect_err(text);
            assert!(refused.to_string().contains("MB/s"), "{refused}");
        }
        for (text, rate) in [
            ("8MB/s", 8_000_000),
            ("1000", 1000),
            ("80Mbit/s", 10_000_000),
            ("8kbit/s", 1000),
        ] {
            assert_eq!(text.parse(), Ok(RateLimit(ByteRate::new(rate))), "{text}");
        }
        for text in ["50", "1", "63KiB"] {
            let refused = lent(OsStr::new(text)).expect_err(text);
            assert!(refused.contains("GiB"), "{refused}");
        }
        for text in ["0", "64KiB", "50GiB"] {
            assert!(lent(OsStr::new(text)).is_ok(), "{text}");
        }
    }

    #[test]
    fn the_table_has_the_defaults_of_the_code() {
        let env: Env<'_> = &|_| None;
        let places = Places::new(TABLE, &std::collections::BTreeMap::new(), env).expect("nothing is said");
        let settings = NodeSettings::of(&places.values().expect("nothing is said"));
        assert_eq!(
            settings,
            NodeSettings {
                capacity: 50 << 30,
                zone: None,
                upload_limit: None,
                download_limit: None,
                upload_slots: DEFAULT_SLOTS,
                memory: MemoryBudget::DEFAULT,
                scrub_rate: Some(crate::scrubber::DEFAULT_RATE),
                news_max_age: News::DEFAULT_MAX_AGE,
            }
        );
    }
}
