//! Ids belong to keys: nobody says hello, publishes or lets a copy go in the name of another peer.

use std::fs;

use anyhow::{Context as _, Result};
use harness::{Cluster, eventually, hello, keepers};
use proto::client::{CatalogClient, NotWelcome, SessionClient, TransferClient, UpkeepClient};
use proto::credentials::Credentials;
use proto::messages::{FromPeer, FromTracker, Publish};
use proto::tls::Tls;
use proto::{RemoteError, dial, v1};
use serde_json::Value;
use shared::hash::ContentHasher;
use shared::keys::{Introduction, PeerKey};
use shared::model::{
    ContentId, Expectation, FragmentLength, Hello, HostPort, Incarnation, Manifest, Name, Numbered, PeerId,
    PublicKey, ReplicationTarget, RunId, SessionSecret,
};
use shared::own_data::KEY_FILE;
use shared::{Coded as _, ErrorCode};
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;

use crate::{MIB, PATIENCE, assert_same, get, id_of, publish};

/// Somebody who knows everything about a peer that is public, and has no key of it.
struct Impostor {
    tracker: HostPort,
    /// The peer.
    id: PeerId,
    key: PublicKey,
}

impl Impostor {
    /// Says hello as the peer with this key, or none.
    fn hello(&self) -> Result<Hello> {
        Ok(Hello {
            peer: self.id,
            run: Some(RunId::random()),
            incarnation: Incarnation::new(1 << 10),
            ..hello("127.0.0.1:9".parse()?)
        })
    }

    async fn hello_with(&self, key: Option<&PeerKey>) -> Result<RemoteError> {
        let opened = SessionClient::new(&self.tracker, &Tls::default())?
            .open(self.hello()?, key)
            .await;
        match opened.map(drop) {
            Err(NotWelcome::Failed(error)) => Ok(error),
            other => anyhow::bail!("{other:?}"),
        }
    }

    /// Says hello with the peer's own public key, and answers the challenge as well as can be.
    async fn hello_with_its_key(&self) -> Result<RemoteError> {
        let hello = self.hello()?;
        let introduction = Introduction::of(&hello);
        let (up, messages) = tokio::sync::mpsc::channel(4);
        let messages = ReceiverStream::new(messages).map(|message: FromPeer| {
            let sequence = 1;
            v1::FromPeer::from(Numbered { sequence, message })
        });
        let mut client = v1::session_client::SessionClient::new(dial::channel(&self.tracker)?);
        up.send(FromPeer::Hello(hello, Some(self.key))).await?;
        let mut down = client.open(messages).await?.into_inner();
        let first: FromTracker = down.message().await?.context("a challenge")?.try_into()?;
        let FromTracker::Challenge(challenge) = first else {
            anyhow::bail!("{first:?} before the key was proved");
        };
        let signature = PeerKey::generate()?.sign(&introduction, &challenge)?;
        up.send(FromPeer::Answer(signature)).await?;
        match down.message().await {
            Err(status) => Ok(proto::status::from_status(status)),
            Ok(message) => anyhow::bail!("{message:?} to a wrong signature"),
        }
    }

    /// Publishes in the peer's name.
    async fn publish(&self, secret: Option<SessionSecret>, incarnation: Incarnation) -> Result<RemoteError> {
        let mut hasher = ContentHasher::new(8, FragmentLength::MIN);
        hasher.update(b"impostor");
        let publish = Publish {
            name: Name::new("impostor")?,
            manifest: hasher.finish()?,
            target: ReplicationTarget::DEFAULT,
            expectation: Expectation::Anything,
            publisher: self.id,
            incarnation,
            parts: None,
            metadata: None,
            replaces_metadata: false,
            keeps_target: false,
        };
        let client =
            CatalogClient::new(&self.tracker, &Tls::default())?.speaking_with(Credentials::new(secret));
        let bound = client.publish(&publish).await;
        bound.err().context("it was published")
    }

    /// Has the peer drop its copy.
    async fn release(&self, secret: Option<SessionSecret>, content: ContentId) -> Result<RemoteError> {
        let client =
            UpkeepClient::new(&self.tracker, &Tls::default())?.speaking_with(Credentials::new(secret));
        let released = client.release(self.id, RunId::random(), content).await;
        released.err().context("it was released")
    }
}

/// Returns the key in a peer's data directory.
fn key_in(cluster: &Cluster, peer: usize) -> Result<PeerKey> {
    let text = fs::read_to_string(cluster.peer(peer).data_dir().join(KEY_FILE))?;
    let digits = text.lines().nth(1).context("a key")?;
    let bytes: Result<Vec<u8>, _> = (0..digits.len() / 2)
        .map(|n| u8::from_str_radix(&digits[2 * n..2 * n + 2], 16))
        .collect();
    Ok(PeerKey::from_pkcs8(&bytes?)?)
}

/// Everything that a peer's owner would notice.
fn seen(cluster: &Cluster) -> Value {
    let list = cluster.peer(0).run(["list", "--json"]).expect(0).json();
    let kept = keepers(&cluster.peer(0).locate("data"));
    let ids: Vec<_> = (0..2).map(|n| id_of(cluster.peer(n))).collect();
    let welcomes = |n: usize| {
        cluster
            .peer(n)
            .program
            .log()
            .matches("welcomed by the tracker")
            .count()
    };
    serde_json::json!([list["names"], kept, ids, [welcomes(0), welcomes(1)]])
}

#[test]
fn an_impostor_is_refused_in_everything_and_harms_nobody() -> Result<()> {
    let cluster = Cluster::builder().plain().timing("").peers(2).start()?;
    let file = publish(&cluster, 0, "data", MIB, 2)?;
    let before = seen(&cluster);
    let content: ContentId = cluster.peer(0).locate("data")["content"]
        .as_str()
        .context("an id")?
        .parse()?;
    let manifest = file_manifest(&file)?;
    assert_eq!(manifest.content(), content);
    let tracker: HostPort = cluster.tracker.address().parse()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let _guard = runtime.enter();
    let own = PeerKey::generate()?;
    for peer in 0..2 {
        let impostor = Impostor {
            tracker: tracker.clone(),
            id: id_of(cluster.peer(peer)).parse()?,
            key: *key_in(&cluster, peer)?.public(),
        };
        // The impostor is a member under an id of its own, so with the secret of a session.
        let member = hello("127.0.0.1:9".parse()?);
        let session =
            runtime.block_on(SessionClient::new(&tracker, &Tls::default())?.open(member, Some(&own)));
        let (welcome, _reports, _orders) = session.map_err(RemoteError::from)?;
        let secret = welcome.secret.context("a secret")?;
        let hellos = runtime.block_on(async {
            anyhow::Ok([
                impostor.hello_with(None).await?,
                impostor.hello_with_its_key().await?,
                impostor.hello_with(Some(&own)).await?,
            ])
        })?;
        let codes = hellos.each_ref().map(|error| error.code());
        let unproved = ErrorCode::Unauthenticated;
        assert_eq!(
            codes,
            [unproved, unproved, ErrorCode::PermissionDenied],
            "{hellos:?}"
        );
        assert!(hellos[2].to_string().contains("peer new-id"), "{}", hellos[2]);
        let secrets = [
            (None, unproved),
            (Some(SessionSecret::random()), unproved),
            (Some(secret), ErrorCode::PermissionDenied),
        ];
        for (secret, code) in secrets {
            let (published, released) = runtime.block_on(async {
                let published = impostor.publish(secret, Incarnation::new(1)).await?;
                anyhow::Ok((published, impostor.release(secret, content).await?))
            })?;
            assert_eq!(
                (published.code(), released.code()),
                (code, code),
                "{published}; {released}"
            );
        }
        // A dispute names no id: whoever sends it, the peer looks at its own copy and keeps a good one.
        let address = cluster.peer(peer).program.address().parse()?;
        let fragment = manifest.index(0).context("a fragment")?;
        let disputed = runtime.block_on(
            TransferClient::new(&address, &Tls::default(), PeerId::random())?.dispute(content, fragment),
        );
        assert_eq!(disputed, Ok(false));
    }
    assert_eq!(seen(&cluster), before);
    assert_same(&file, &get(&cluster, cluster.peer(1), "data"));
    Ok(())
}

fn file_manifest(path: &std::path::Path) -> Result<Manifest> {
    let bytes = fs::read(path)?;
    let mut hasher = ContentHasher::new(bytes.len() as u64, FragmentLength::MIN);
    hasher.update(&bytes);
    Ok(hasher.finish()?)
}

#[test]
fn a_peer_without_its_key_stays_out_and_a_removed_one_comes_back() -> Result<()> {
    let mut cluster = Cluster::builder().plain().peers(2).start()?;
    publish(&cluster, 0, "data", MIB, 2)?;
    let (id, key) = (id_of(cluster.peer(1)), key_in(&cluster, 1)?);
    let path = cluster.peer(1).data_dir().join(KEY_FILE);
    let aside = cluster.path("aside");
    cluster.peer_mut(1).program.stop()?;
    fs::rename(&path, &aside)?;
    let told = cluster
        .peer_mut(1)
        .program
        .restart()
        .expect_err("its key is gone");
    let told = told.to_string();
    assert!(
        told.contains("the key of this peer is gone") && told.contains("peer new-id"),
        "{told}"
    );
    let output = text_of(&cluster, "never");
    let got = cluster
        .peer(1)
        .run(["get", "none", "--output", &output])
        .expect(8);
    assert!(
        got.stderr.contains("the key of this peer is gone"),
        "{}",
        got.stderr
    );

    // With the file back it is itself, also after an operator has removed it from the network.
    fs::rename(&aside, &path)?;
    let network = |cluster: &Cluster| cluster.peer(0).run(["network", "--json"]).expect(0).json();
    let peers = |network: Value| network["peers"].as_array().cloned().unwrap_or_default();
    let is_lost = |peers: &Vec<Value>| {
        let peer = peers.iter().find(|peer| peer["id"] == id.as_str());
        peer.is_some_and(|peer| peer["state"] == "lost")
    };
    eventually("it to be lost", PATIENCE, || peers(network(&cluster)), is_lost)?;
    assert_eq!(cluster.peer(0).run(["network", "--remove", &id]).code, 0);
    assert_eq!(peers(network(&cluster)).len(), 1);
    cluster.peer_mut(1).program.restart()?;
    cluster.wait_for_live_peers(2)?;
    assert_eq!(
        (id_of(cluster.peer(1)), key_in(&cluster, 1)?.public()),
        (id.clone(), key.public())
    );

    // A new id has a key of its own.
    cluster.peer_mut(1).program.stop()?;
    assert_eq!(cluster.peer(1).run(["new-id"]).code, 0);
    cluster.peer_mut(1).program.restart()?;
    cluster.wait_for_live_peers(2)?;
    assert_ne!(id_of(cluster.peer(1)), id);
    assert_ne!(key_in(&cluster, 1)?.public(), key.public());
    Ok(())
}

fn text_of(cluster: &Cluster, name: &str) -> String {
    crate::text(&cluster.path(name)).to_owned()
}
