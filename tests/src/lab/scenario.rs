//! Scenarios of the lab: links, lengths, arrivals and accidents, as data.

use std::time::Duration;

const MBIT: u64 = 1_000_000;
const MIB: u64 = 1 << 20;

/// A host's link, in bits per second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Uplink.
    pub up: u64,
    /// Downlink.
    pub down: u64,
}

impl Link {
    /// Makes a link with the same rate in both directions.
    #[must_use]
    pub const fn both_ways(bits_per_second: u64) -> Self {
        Self {
            up: bits_per_second,
            down: bits_per_second,
        }
    }

    /// Divides the uplink.
    const fn uplink_by(self, divisor: u64) -> Self {
        Self {
            up: self.up / divisor,
            down: self.down,
        }
    }
}

/// One distribution of a file from host 0 to all others.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Name on the command line.
    pub name: &'static str,
    /// Description for people.
    pub about: &'static str,
    /// The hosts' links; host 0 is the source.
    pub links: Vec<Link>,
    /// The file's length in bytes.
    pub length: u64,
    /// Beginnings of the receivers, counted from the first.
    pub arrivals: Vec<Duration>,
    /// Whether the source is killed once it has sent as many bytes as the file has.
    pub kills_source: bool,
    /// Whether every host is to keep the file: the tracker orders copies too, and has each of them checked.
    pub is_kept: bool,
}

impl Scenario {
    /// All of them.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let fifty = Link::both_ways(50 * MBIT);
        let equal = |name, about, hosts, link, length| Self {
            name,
            about,
            links: vec![link; hosts],
            length,
            arrivals: vec![Duration::ZERO; hosts - 1],
            kills_source: false,
            is_kept: false,
        };
        let mut mixed = equal(
            "mixed",
            "as 16x50, every other receiver with a fifth of the uplink",
            16,
            fifty,
            64 * MIB,
        );
        mixed
            .links
            .iter_mut()
            .skip(1)
            .step_by(2)
            .for_each(|link| *link = link.uplink_by(5));
        let mut arrivals = equal(
            "arrivals",
            "as 16x50, receivers arrive over 5 s",
            16,
            fifty,
            64 * MIB,
        );
        for (after, number) in arrivals.arrivals.iter_mut().zip(0_u32..) {
            *after = Duration::from_secs(5) * number / 14;
        }
        let mut slow = equal(
            "slow",
            "as 16x50, the last receiver at a tenth both ways",
            16,
            fifty,
            64 * MIB,
        );
        if let Some(last) = slow.links.last_mut() {
            *last = Link::both_ways(5 * MBIT);
        }
        let mut killed = equal(
            "source-killed",
            "as 16x50, the source is killed once one copy is out",
            16,
            fifty,
            64 * MIB,
        );
        killed.kills_source = true;
        let mut kept = equal("kept", "as 16x50, all keep the file", 16, fifty, 64 * MIB);
        kept.is_kept = true;
        vec![
            equal("16x50", "16 hosts at 50 Mbit/s, 64 MiB", 16, fifty, 64 * MIB),
            // The lab's own work (every packet crosses two queues and a bridge) keeps the processors busy all
            // the time at 50; this scenario measures the swarm instead.
            equal(
                "16x25",
                "16 hosts at 25 Mbit/s, 64 MiB",
                16,
                Link::both_ways(25 * MBIT),
                64 * MIB,
            ),
            mixed,
            // Half the length: 32 hosts take long enough, and fragments are still many.
            equal(
                "32x20",
                "32 hosts at 20 Mbit/s, 32 MiB",
                32,
                Link::both_ways(20 * MBIT),
                32 * MIB,
            ),
            arrivals,
            slow,
            killed,
            kept,
        ]
    }

    /// The source's link.
    #[must_use]
    pub fn source(&self) -> Link {
        self.links[0]
    }

    /// The receivers' links.
    #[must_use]
    pub fn receivers(&self) -> &[Link] {
        &self.links[1..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scenarios_are_told_apart_and_every_receiver_arrives() {
        let all = Scenario::all();
        let names: std::collections::BTreeSet<_> = all.iter().map(|scenario| scenario.name).collect();
        assert_eq!(names.len(), all.len());
        for scenario in &all {
            assert_eq!(
                scenario.arrivals.len(),
                scenario.receivers().len(),
                "{}",
                scenario.name
            );
        }
    }

    #[test]
    fn arrivals_are_spread_over_five_seconds() {
        let all = Scenario::all();
        let arrivals = &all
            .iter()
            .find(|scenario| scenario.name == "arrivals")
            .expect("there")
            .arrivals;
        assert_eq!(arrivals.first(), Some(&Duration::ZERO));
        assert_eq!(arrivals.last(), Some(&Duration::from_secs(5)));
    }

    #[test]
    fn mixed_links_have_as_many_thin_uplinks_as_full_ones() {
        let all = Scenario::all();
        let mixed = all
            .iter()
            .find(|scenario| scenario.name == "mixed")
            .expect("there");
        let thin = mixed
            .receivers()
            .iter()
            .filter(|link| link.up == 10 * MBIT)
            .count();
        assert_eq!((thin, mixed.source().up), (8, 50 * MBIT));
    }
}
