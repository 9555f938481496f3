//! Identities: the names in certificates, and the hashes of keys.
//!
//! A member's certificate has two names in the form of the DNS, `<id>.<role>.<cluster>.enjambre` and
//! `<role>.<cluster>.enjambre`. A dialler expects the one or the other, whatever the address: so addresses
//! may change, and a stolen one is worth nothing.

use std::fmt;
use std::str::FromStr;

use crate::model::{ClusterId, MemberId, PeerId};

/// The end of every name; no registry has it.
const DOMAIN: &str = "enjambre";

/// Most names of a certificate that are looked at: the two of a member, and those for browsers.
const MAX_NAMES: usize = 64;

/// The part of a member in its cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// It knows names and holders, and certifies the others.
    Tracker,
    /// It knows trackers.
    Webserver,
    /// It holds fragments.
    Peer,
    /// A person who looks.
    User,
}

/// Text was not a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a role is tracker, webserver, peer or user")]
pub struct RoleError;

impl Role {
    /// Every role.
    pub const ALL: [Self; 4] = [Self::Tracker, Self::Webserver, Self::Peer, Self::User];

    /// The word for the role.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tracker => "tracker",
            Self::Webserver => "webserver",
            Self::Peer => "peer",
            Self::User => "user",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Role {
    type Err = RoleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let role = Self::ALL.into_iter().find(|role| role.as_str() == text);
        role.ok_or(RoleError)
    }
}

/// A member of a cluster, as its certificate names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    /// Its id; a peer's is its peer id.
    pub id: MemberId,
    /// Its role.
    pub role: Role,
    /// Its cluster.
    pub cluster: ClusterId,
}

/// Reasons for which a certificate names no member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// The text is no name of a member.
    #[error("a member's name has the form ID.ROLE.CLUSTER.enjambre")]
    Form,
    /// No name of the certificate is a member's.
    #[error("the certificate names no member of a cluster")]
    NoMember,
    /// Several names are members'.
    #[error("the certificate names more than one member")]
    ManyMembers,
}

impl Identity {
    /// Returns the one member that the names of a certificate name; names of other kinds are left aside.
    ///
    /// # Errors
    /// When there is none, or more than one.
    pub fn of_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, IdentityError> {
        let mut members = names
            .into_iter()
            .take(MAX_NAMES)
            .filter_map(|name| name.parse().ok());
        match (members.next(), members.next()) {
            (Some(member), None) => Ok(member),
            (None, _) => Err(IdentityError::NoMember),
            (Some(_), Some(_)) => Err(IdentityError::ManyMembers),
        }
    }

    /// Returns the names of the member's certificate.
    #[must_use]
    pub fn names(&self) -> [String; 2] {
        let any = Expected::Any {
            role: self.role,
            cluster: self.cluster,
        };
        [self.to_string(), any.to_string()]
    }

    /// Returns the id of the peer that the member is, if it is one.
    #[must_use]
    pub fn peer(&self) -> Option<PeerId> {
        (self.role == Role::Peer).then(|| self.id.into())
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, role, cluster } = self;
        write!(f, "{id}.{role}.{cluster}.{DOMAIN}")
    }
}

impl FromStr for Identity {
    type Err = IdentityError;

    /// Reads the form that [`Display`](fmt::Display) writes, and no other: in lower case.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut labels = text.split('.');
        let [Some(id), Some(role), Some(cluster), Some(DOMAIN), None] = [(); 5].map(|()| labels.next())
        else {
            return Err(IdentityError::Form);
        };
        let (Ok(id), Ok(role), Ok(cluster)) = (id.parse(), role.parse(), cluster.parse()) else {
            return Err(IdentityError::Form);
        };
        let identity = Self { id, role, cluster };
        let is_canonical = identity.to_string() == text;
        is_canonical.then_some(identity).ok_or(IdentityError::Form)
    }
}

/// The server that a dialler expects at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Expected {
    /// This member.
    Member(Identity),
    /// Any member of a role.
    Any {
        /// The role.
        role: Role,
        /// The cluster.
        cluster: ClusterId,
    },
}

impl fmt::Display for Expected {
    /// Writes the name that the server's certificate must have.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Member(identity) => identity.fmt(f),
            Self::Any { role, cluster } => write!(f, "{role}.{cluster}.{DOMAIN}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NAME: &str = "0123456789abcdef0123456789abcdef.peer.fedcba9876543210.enjambre";

    fn identity() -> Identity {
        NAME.parse().expect("a member's name")
    }

    #[test]
    fn an_identity_is_a_name_and_back() {
        let identity = identity();
        assert_eq!(identity.to_string(), NAME);
        assert_eq!(identity.role, Role::Peer);
        let id = "0123456789abcdef0123456789abcdef".parse::<PeerId>();
        assert_eq!(identity.peer(), id.ok());
        let tracker = Identity {
            role: Role::Tracker,
            ..identity
        };
        assert_eq!(tracker.peer(), None);
        let any = "tracker.fedcba9876543210.enjambre";
        assert_eq!(tracker.names(), [tracker.to_string(), any.to_owned()]);
        assert_eq!(Expected::Member(identity).to_string(), NAME);
    }

    #[test]
    fn other_names_are_no_members() {
        for bad in [
            "",
            "enjambre",
            "peer.fedcba9876543210.enjambre",
            "0123456789abcdef0123456789abcdef.peer.fedcba9876543210.example",
            "0123456789abcdef0123456789abcdef.boss.fedcba9876543210.enjambre",
            "0123456789abcdef0123456789abcde.peer.fedcba9876543210.enjambre",
            "0123456789abcdef0123456789abcdef.peer.fedcba987654321.enjambre",
            "0123456789ABCDEF0123456789abcdef.peer.fedcba9876543210.enjambre",
            "0123456789abcdef0123456789abcdef.peer.fedcba9876543210.enjambre.",
            "x.0123456789abcdef0123456789abcdef.peer.fedcba9876543210.enjambre",
            "*.peer.fedcba9876543210.enjambre",
        ] {
            assert_eq!(bad.parse::<Identity>(), Err(IdentityError::Form), "{bad:?}");
        }
    }

    #[test]
    fn a_certificate_names_one_member_among_other_names() {
        let [own, of_role] = identity().names();
        let browsers = "files.example.org";
        let of = |names: &[&str]| Identity::of_names(names.iter().copied());
        assert_eq!(of(&[browsers, &own, &of_role]), Ok(identity()));
        assert_eq!(of(&[browsers, &of_role]), Err(IdentityError::NoMember));
        let other = own.replace("peer", "tracker");
        assert_eq!(of(&[&own, &other]), Err(IdentityError::ManyMembers));
    }

    proptest! {
        #[test]
        fn any_identity_survives_its_name(id: [u8; 16], cluster: [u8; 8], role in 0..Role::ALL.len()) {
            let identity = Identity {
                id: MemberId::from_bytes(id),
                role: Role::ALL[role],
                cluster: ClusterId::from_bytes(cluster),
            };
            prop_assert_eq!(identity.to_string().parse(), Ok(identity));
        }

        #[test]
        fn no_text_breaks_the_reader_of_names(text in "\\PC{0,100}") {
            if let Ok(identity) = text.parse::<Identity>() {
                prop_assert_eq!(identity.to_string(), text);
            }
        }
    }
}
