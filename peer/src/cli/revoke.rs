//! `peer revoke`: the certificate of a member is taken back, by the network's operator.

use proto::client::SecurityClient;
use proto::messages::control::SessionStatus;
use shared::json::Revoked;
use shared::model::{HostPort, MemberId};
use shared::security::{ApiToken, MemberEntry};
use shared::{Coded as _, ErrorCode};

use super::context::Context;
use crate::node::known_trackers;
use crate::terminal::attach;
use crate::terminal::exit::{Exit, Failure};
use crate::words;

/// Takes the certificate of the member back whose id begins like this.
pub(super) async fn run(context: &Context<'_>, id: &str) -> Result<(), Failure> {
    let failed = |error: &proto::RemoteError| Failure::of(words::revoke(id), error);
    let token = token(context, id)?;
    let tls = attach::guest(context.options).await;
    let tls = tls.map_err(|error| Failure::of(words::revoke(id), &error))?;
    let mut failure = None;
    for tracker in trackers(context).await {
        let client = SecurityClient::new(&tracker, &tls).map_err(|error| failed(&error))?;
        let client = client.with_token(Some(token.clone()));
        let member = match client.members().await {
            Ok(members) => meant(&members, id)?,
            Err(error) if error.code() == ErrorCode::Unavailable => {
                failure = failure.or(Some(failed(&error)));
                continue;
            }
            Err(error) => return Err(failed(&error)),
        };
        let revoked = client.revoke_member(member).await;
        revoked.map_err(|error| failed(&error))?;
        context.out.line(&words::has_revoked(member));
        let revoked = member.to_string();
        context.out.json(&Revoked { revoked });
        return Ok(());
    }
    let none = || {
        let why = words::cannot(words::revoke(id), words::knows_no_tracker());
        Failure::new(Exit::Unreachable, why)
    };
    Err(failure.unwrap_or_else(none))
}

fn token(context: &Context<'_>, id: &str) -> Result<ApiToken, Failure> {
    let refused = |exit, why: &str| Failure::new(exit, words::cannot(words::revoke(id), why));
    let Some(text) = &context.options.token else {
        return Err(refused(Exit::NotAllowed, words::needs_a_token()));
    };
    let token = text.expose().parse::<ApiToken>();
    token.map_err(|error| refused(Exit::Usage, &words::told(&error.to_string())))
}

/// Returns the tracker of the running node, or else those that it knew last.
async fn trackers(context: &Context<'_>) -> Vec<HostPort> {
    let running = attach::find(context.options).await.ok().flatten();
    match running.map(|node| node.status.session) {
        Some(SessionStatus::Connected { tracker }) => vec![tracker],
        _ => known_trackers(&context.options.data_dir),
    }
}

/// Returns the member that is meant by an id, or by the beginning of it that tables show.
fn meant(members: &[MemberEntry], id: &str) -> Result<MemberId, Failure> {
    const LEAST: usize = 6;
    let wanted = id.to_ascii_lowercase();
    let is_meant = |member: &&MemberEntry| member.id.to_string().starts_with(&wanted);
    let mut found = members.iter().filter(is_meant);
    let refused = |exit, why: &str| Failure::new(exit, words::cannot(words::revoke(id), why));
    match (found.next(), found.next()) {
        (Some(member), None) if wanted.len() >= LEAST => Ok(member.id),
        (Some(_), _) => Err(refused(Exit::Usage, words::member_id_too_short())),
        (None, _) => Err(refused(Exit::NotFound, words::no_such_member())),
    }
}

#[cfg(test)]
mod tests {
    use shared::model::{KeyHash, Timestamp};
    use shared::security::Role;

    use super::*;

    #[test]
    fn a_member_is_meant_by_the_beginning_of_its_id_alone() {
        let member = |first: u8| MemberEntry {
            id: MemberId::from_bytes([first; 16]),
            role: Role::Peer,
            key: KeyHash::from_bytes([0; 32]),
            ends: Timestamp::from_millis(0),
            is_revoked: false,
        };
        let members = [member(0xab), member(0xac)];
        let exit = |id: &str| meant(&members, id).map_err(|failure| failure.exit());
        assert_eq!(exit("ABABAB"), Ok(members[0].id));
        assert_eq!(exit(&"ac".repeat(16)), Ok(members[1].id));
        assert_eq!(exit("abab"), Err(Exit::Usage), "too short to be sure");
        assert_eq!(exit("a"), Err(Exit::Usage));
        assert_eq!(exit("ffffff"), Err(Exit::NotFound));
    }
}
