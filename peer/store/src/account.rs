//! Account of room: what contents take of the capacity lent, and what is still to come onto each disk. Pure.
//!
//! Nothing is reserved on a disk before verified data arrive, because anyone can make up a content. So the
//! bytes that contents lack are kept in an account, and a content is admitted only where the disk has room
//! for it beside all that is still to come: a disk that will be full is known before anything is fetched.
//!
//! Invariant: the sums are those of the claims.

use std::collections::BTreeMap;

use shared::model::ContentId;

/// Number of a file system.
pub(super) type Disk = u64;

/// Room of one content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Claim {
    /// Bytes of the capacity that it takes.
    pub(super) reserved: u64,
    /// Bytes that are to come.
    pub(super) missing: u64,
    /// Disk to which they come, when it is known.
    pub(super) disk: Option<Disk>,
}

/// Claims of all contents.
#[derive(Debug, Default)]
pub(super) struct Account {
    claims: BTreeMap<ContentId, Claim>,
    reserved: u64,
    missing: BTreeMap<Disk, u64>,
}

impl Account {
    /// Replaces the claim of a content.
    pub(super) fn set(&mut self, content: ContentId, claim: Claim) {
        let before = match claim {
            Claim {
                reserved: 0,
                missing: 0,
                ..
            } => self.claims.remove(&content),
            claim => self.claims.insert(content, claim),
        };
        let before = before.unwrap_or_default();
        self.reserved = self.reserved - before.reserved + claim.reserved;
        self.add(claim);
        self.subtract(before);
    }

    /// Bytes of the capacity that all contents take.
    pub(super) const fn reserved(&self) -> u64 {
        self.reserved
    }

    /// Bytes that are to come onto a disk for other contents than this one.
    pub(super) fn missing_on(&self, disk: Disk, besides: ContentId) -> u64 {
        let own = self.claims.get(&besides).filter(|claim| claim.disk == Some(disk));
        let all = self.missing.get(&disk).copied().unwrap_or_default();
        all - own.map_or(0, |claim| claim.missing)
    }

    fn add(&mut self, claim: Claim) {
        if let Some(disk) = claim.disk.filter(|_| claim.missing > 0) {
            *self.missing.entry(disk).or_default() += claim.missing;
        }
    }

    fn subtract(&mut self, claim: Claim) {
        let Some(disk) = claim.disk.filter(|_| claim.missing > 0) else {
            return;
        };
        if let Some(sum) = self.missing.get_mut(&disk) {
            *sum -= claim.missing;
            if *sum == 0 {
                self.missing.remove(&disk);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> ContentId {
        ContentId::from_bytes([n; 32])
    }

    fn claim(reserved: u64, missing: u64, disk: Disk) -> Claim {
        Claim {
            reserved,
            missing,
            disk: Some(disk),
        }
    }

    #[test]
    fn room_is_promised_once_and_freed_as_data_come() {
        let mut account = Account::default();
        account.set(id(1), claim(100, 100, 7));
        account.set(id(2), claim(0, 30, 7));
        account.set(id(3), claim(5, 5, 8));
        assert_eq!(account.reserved(), 105);
        assert_eq!(account.missing_on(7, id(9)), 130);
        assert_eq!(account.missing_on(7, id(1)), 30, "its own is not beside it");
        assert_eq!(account.missing_on(8, id(1)), 5);
        account.set(id(1), claim(100, 40, 7));
        assert_eq!((account.reserved(), account.missing_on(7, id(9))), (105, 70));
        account.set(id(1), claim(60, 0, 7));
        account.set(id(2), Claim::default());
        assert_eq!((account.reserved(), account.missing_on(7, id(9))), (65, 0));
    }

    #[test]
    fn the_sums_are_those_of_the_claims_after_any_change() {
        let mut account = Account::default();
        let mut state = 1_u64;
        for _ in 0..2_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let content = id((state >> 56) as u8 % 5);
            let [reserved, missing, disk] = [33, 40, 50].map(|bits| (state >> bits) % 4);
            let disk = (disk > 0).then_some(disk);
            account.set(
                content,
                Claim {
                    reserved,
                    missing,
                    disk,
                },
            );
            let reserved: u64 = account.claims.values().map(|claim| claim.reserved).sum();
            assert_eq!(account.reserved(), reserved);
            for disk in 1..4 {
                let of = account.claims.values().filter(|claim| claim.disk == Some(disk));
                let sum: u64 = of.map(|claim| claim.missing).sum();
                assert_eq!(account.missing_on(disk, id(9)), sum);
            }
        }
        for n in 0..5 {
            account.set(id(n), Claim::default());
        }
        assert_eq!((account.reserved(), account.missing.len()), (0, 0));
    }
}
