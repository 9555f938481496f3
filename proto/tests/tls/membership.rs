//! Programs that join a network by a line, and stay members, at a tracker that is an authority.

use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proto::membership::Membership;
use proto::messages::control::EntryPoint;
use proto::messages::security::Enrol;
use proto::v1;
use proto::v1::directory_server::{Directory, DirectoryServer};
use proto::v1::security_server::{Security, SecurityServer};
use rcgen::CertificateSigningRequestParams;
use rustls::pki_types::CertificateSigningRequestDer;
use shared::Coded as _;
use shared::keys::PeerKey;
use shared::model::KeyHash;
use shared::security::{Admission, JoinLine, News, Secret};
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::*;

const HOUR: i64 = 3600;

/// The state of a tracker that certifies everybody.
#[derive(Clone)]
struct Issuer(Arc<Inner>);

struct Inner {
    authority: Authority,
    /// Lives of the certificates to be given out, in seconds from now; the last one stays.
    lives: Mutex<Vec<Range<i64>>>,
    news: watch::Sender<News>,
    /// Members that have joined, with their roles.
    joined: Mutex<Vec<(MemberId, Role)>>,
    renewals: Mutex<u32>,
    refusal: Mutex<Option<Status>>,
}

impl Issuer {
    fn new() -> Self {
        let authority = Authority::new();
        let news = News {
            mode: Mode::Required,
            roots: vec![authority.root().to_vec()],
            revoked: Vec::new(),
        };
        Self(Arc::new(Inner {
            authority,
            lives: Mutex::new(vec![NOW]),
            news: watch::Sender::new(news),
            joined: Mutex::default(),
            renewals: Mutex::default(),
            refusal: Mutex::default(),
        }))
    }

    fn authority(&self) -> &Authority {
        &self.0.authority
    }

    fn live(&self, lives: &[Range<i64>]) {
        *self.0.lives.lock().expect("no panic") = lives.to_vec();
    }

    fn admission(&self, request: &[u8], member: MemberId, role: Role) -> Admission {
        let request = CertificateSigningRequestDer::from(request.to_vec());
        let request = CertificateSigningRequestParams::from_der(&request).expect("a request");
        let (id, cluster) = (member, self.authority().cluster());
        let mut lives = self.0.lives.lock().expect("no panic");
        let life = if lives.len() > 1 {
            lives.remove(0)
        } else {
            lives[0].clone()
        };
        let leaf = self
            .authority()
            .certificate_of(&request.public_key, Identity { id, role, cluster }, life);
        Admission {
            chain: vec![leaf.to_vec(), self.authority().root().to_vec()],
            news: self.0.news.borrow().clone(),
            zone: Some("rack-7".parse().expect("a zone")),
        }
    }

    /// Serves the calls as a tracker of the network.
    async fn serve(&self) -> (HostPort, Tasks) {
        let tracker = self.authority().identity(Role::Tracker);
        let tls = handle(self.authority().certify(tracker, NOW));
        let services = Services::new().add(SecurityServer::new(self.clone())).await;
        serve_guarded(services, tls, Role::Tracker).await
    }

    fn line(&self, servers: &[&HostPort]) -> JoinLine {
        let servers = servers.iter().map(|server| (*server).clone()).collect();
        let secret = Secret::from_slice(&[9; 16]).expect("16 bytes");
        let token = shared::model::TokenId::from_bytes([7; 8]);
        JoinLine::new(servers, self.authority().pin(), token, secret).expect("a line")
    }
}

async fn serve_guarded(services: Services, tls: Tls, program: Role) -> (HostPort, Tasks) {
    let (router, _health) = services.into_router();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound").into();
    let door = Door::with(Bounds::of(64)).secured(tls).guarded(program);
    let tasks = Tasks::new();
    tasks.spawn_detached("accept", serve(listener, router, tasks.clone(), door));
    (address, tasks)
}

type NewsStream = Pin<Box<dyn tokio_stream::Stream<Item = Result<v1::SecurityNews, Status>> + Send>>;

#[tonic::async_trait]
impl Security for Issuer {
    type FollowStream = NewsStream;

    async fn enrol(&self, request: Request<v1::EnrolRequest>) -> Result<Response<v1::EnrolReply>, Status> {
        if let Some(refusal) = self.0.refusal.lock().expect("no panic").clone() {
            return Err(refusal);
        }
        let enrol: Enrol = request.into_inner().try_into()?;
        assert_eq!(enrol.secret.expose(), &[9; 16]);
        self.0
            .joined
            .lock()
            .expect("no panic")
            .push((enrol.member, enrol.role));
        Ok(Response::new(
            self.admission(&enrol.request, enrol.member, enrol.role).into(),
        ))
    }

    async fn renew(&self, request: Request<v1::RenewRequest>) -> Result<Response<v1::EnrolReply>, Status> {
        let (member, role) = self.0.joined.lock().expect("no panic")[0];
        *self.0.renewals.lock().expect("no panic") += 1;
        let request = request.into_inner().request;
        Ok(Response::new(self.admission(&request, member, role).into()))
    }

    async fn follow(&self, _: Request<v1::FollowSecurityRequest>) -> Result<Response<NewsStream>, Status> {
        let (mut news, (tell, told)) = (self.0.news.subscribe(), mpsc::channel(1));
        Tasks::new().spawn_detached("news", async move {
            loop {
                let latest = news.borrow_and_update().clone();
                if tell.send(Ok(latest.into())).await.is_err() || news.changed().await.is_err() {
                    return;
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(told))))
    }

    async fn create_token(
        &self,
        _: Request<v1::CreateTokenRequest>,
    ) -> Result<Response<v1::CreateTokenReply>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn list_tokens(
        &self,
        _: Request<v1::ListTokensRequest>,
    ) -> Result<Response<v1::ListTokensReply>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn revoke_token(
        &self,
        _: Request<v1::RevokeTokenRequest>,
    ) -> Result<Response<v1::RevokeTokenReply>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn list_members(
        &self,
        _: Request<v1::ListMembersRequest>,
    ) -> Result<Response<v1::ListMembersReply>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn revoke_member(
        &self,
        _: Request<v1::RevokeMemberRequest>,
    ) -> Result<Response<v1::RevokeMemberReply>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn rotate_authority(
        &self,
        _: Request<v1::RotateAuthorityRequest>,
    ) -> Result<Response<v1::RotateAuthorityReply>, Status> {
        Err(Status::unimplemented(""))
    }
}

/// A webserver that knows one tracker.
struct Knows(HostPort);

#[tonic::async_trait]
impl Directory for Knows {
    async fn trackers(&self, _: Request<v1::TrackersRequest>) -> Result<Response<v1::TrackersReply>, Status> {
        let tracker = v1::TrackerEntry {
            address: self.0.to_string(),
            is_live: true,
            reason: String::new(),
        };
        Ok(Response::new(v1::TrackersReply {
            trackers: vec![tracker],
            ..v1::TrackersReply::default()
        }))
    }
}

fn open(data_dir: &Path, own: Option<(MemberId, &PeerKey)>) -> Membership {
    let role = if own.is_some() {
        Role::Peer
    } else {
        Role::Webserver
    };
    let clock = Clock::system();
    Membership::open(data_dir, role, own, Tls::off(clock.clone()), clock).expect("opened")
}

/// Waits until something is so.
async fn eventually(what: &str, is_so: impl Fn() -> bool) {
    for _ in 0..500 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("not in 10 s: {what}");
}

#[tokio::test]
async fn a_program_joins_once_and_is_a_member_from_then_on() {
    let (issuer, dir) = (Issuer::new(), tempfile::tempdir().expect("a directory"));
    let (address, _tasks) = issuer.serve().await;
    let line = issuer.line(&[&address]);
    let membership = open(dir.path(), None);
    assert!(!membership.is_member());
    assert_eq!(membership.standing(), None);
    let entry = membership.join(&line).await.expect("joined");
    assert_eq!(entry, EntryPoint::Tracker(address.clone()));
    let standing = membership.standing().expect("a member");
    assert_eq!(
        (standing.mode, standing.cluster),
        (Mode::Required, issuer.authority().cluster())
    );
    assert_eq!(membership.zone(), "rack-7".parse().ok());

    let file = dir.path().join("membership.json");
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&file).expect("written"));
    assert_eq!(mode & 0o777, 0o600, "it has the key");
    let again = open(dir.path(), None);
    assert_eq!(again.standing(), Some(standing));
    assert_eq!(again.tls().certificate(), membership.tls().certificate());
    again.check(&line).expect("the network that was joined");
    let other = Issuer::new();
    let error = again
        .check(&other.line(&[&address]))
        .expect_err("another network");
    assert_eq!(error.code(), ErrorCode::FailedPrecondition);
    assert!(error.to_string().contains("membership.json"), "{error}");
    // The certificate opens what is for members.
    let security = proto::client::SecurityClient::new(&address, again.tls()).expect("an address");
    let mut news = security.follow().await.expect("for members");
    assert!(news.next().await.expect("news").is_some());
}

#[tokio::test]
async fn news_without_tls_are_no_news_in_any_mode() {
    let (issuer, dir) = (Issuer::new(), tempfile::tempdir().expect("a directory"));
    let (address, _tasks) = issuer.serve().await;
    let membership = open(dir.path(), None);
    membership.join(&issuer.line(&[&address])).await.expect("joined");
    // An impostor without a certificate would have members trust another authority.
    let services = Services::new().add(SecurityServer::new(Issuer::new())).await;
    let (impostor, _tasks) = serve_guarded(services, Tls::off(Clock::system()), Role::Tracker).await;
    for mode in Mode::ALL {
        membership.tls().set_mode(mode);
        let security = proto::client::SecurityClient::new(&impostor, membership.tls());
        let heard = security.expect("an address").follow().await;
        let refused = heard.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(refused.contains("does not speak TLS"), "{mode}: {refused}");
    }
}

#[tokio::test]
async fn a_peer_keeps_the_key_that_it_has() {
    let (issuer, dir) = (Issuer::new(), tempfile::tempdir().expect("a directory"));
    let (address, _tasks) = issuer.serve().await;
    let (id, key) = (MemberId::random(), PeerKey::generate().expect("a key"));
    let membership = open(dir.path(), Some((id, &key)));
    membership.join(&issuer.line(&[&address])).await.expect("joined");
    let certificate = membership.tls().certificate().expect("a member");
    assert_eq!(
        (certificate.identity.id, certificate.identity.role),
        (id, Role::Peer)
    );
    assert_eq!(certificate.key, key.public().hash());
    let text = std::fs::read_to_string(dir.path().join("membership.json")).expect("written");
    assert!(!text.contains("\"key\""), "the key has a place of its own");
    // The papers of another peer are of no use.
    let other = PeerKey::generate().expect("a key");
    let clock = Clock::system();
    let own = Some((MemberId::random(), &other));
    let opened = Membership::open(dir.path(), Role::Peer, own, Tls::off(clock.clone()), clock);
    let error = opened.expect_err("another key");
    assert_eq!(error.code(), ErrorCode::Corrupt, "{error}");
}

#[tokio::test]
async fn a_webserver_shows_the_way_to_the_tracker_and_never_sees_the_secret() {
    let (issuer, dir) = (Issuer::new(), tempfile::tempdir().expect("a directory"));
    let (tracker, _tasks) = issuer.serve().await;
    let identity = issuer.authority().identity(Role::Webserver);
    let tls = handle(issuer.authority().certify(identity, NOW));
    let services = Services::new().add(DirectoryServer::new(Knows(tracker))).await;
    let (webserver, _tasks) = serve_guarded(services, tls, Role::Webserver).await;
    // A port at which nothing listens comes first.
    let nobody = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let silent: HostPort = nobody.local_addr().expect("bound").into();
    drop(nobody);
    let line = issuer.line(&[&silent, &webserver]);
    let entry = open(dir.path(), None).join(&line).await.expect("joined");
    assert_eq!(entry, EntryPoint::Webserver(webserver));
    assert_eq!(Membership::entry_of(&line).await, Ok(entry));
}

#[tokio::test]
async fn a_refused_program_is_told_why_and_keeps_nothing() {
    let (issuer, dir) = (Issuer::new(), tempfile::tempdir().expect("a directory"));
    let (address, _tasks) = issuer.serve().await;
    let membership = open(dir.path(), None);
    let refused = async |line: &JoinLine| {
        let error = membership.join(line).await.expect_err("refused");
        (error.code(), error.to_string())
    };
    *issuer.0.refusal.lock().expect("no panic") = Some(Status::permission_denied("the join line is used up"));
    let (code, text) = refused(&issuer.line(&[&address])).await;
    assert_eq!(code, ErrorCode::PermissionDenied);
    assert!(text.contains("used up"), "{text}");
    // An impostor is asked for nothing.
    let (code, text) = refused(&Issuer::new().line(&[&address])).await;
    assert_eq!(code, ErrorCode::PermissionDenied);
    assert!(text.contains("the line's secret was not sent"), "{text}");
    // A clock may be wrong: another attempt may succeed.
    let late = handle(
        issuer
            .authority()
            .certify(issuer.authority().identity(Role::Tracker), -9 * HOUR..-8 * HOUR),
    );
    let services = Services::new().add(SecurityServer::new(issuer.clone())).await;
    let (address, _tasks) = serve_guarded(services, late, Role::Tracker).await;
    let (code, text) = refused(&issuer.line(&[&address])).await;
    assert_eq!(code, ErrorCode::Unavailable);
    assert!(text.contains("this machine's clock"), "{text}");
    assert!(!dir.path().join("membership.json").exists());
    assert!(issuer.0.joined.lock().expect("no panic").is_empty());
}

#[tokio::test]
async fn a_machine_that_was_off_for_long_comes_back() {
    let (issuer, dir) = (Issuer::new(), tempfile::tempdir().expect("a directory"));
    let (address, _tasks) = issuer.serve().await;
    issuer.live(&[-9 * HOUR..-HOUR, NOW]);
    open(dir.path(), None)
        .join(&issuer.line(&[&address]))
        .await
        .expect("joined");
    let membership = open(dir.path(), None);
    let ended = membership.standing().expect("a member").ends;
    assert!(ended < Clock::system().now(), "the certificate has ended");
    let (_tell, tracker) = watch::channel(Some(address));
    let tasks = Tasks::new();
    tasks.spawn_detached("keep", membership.clone().keep(tracker, tasks.clone()));
    let has_renewed = || {
        membership
            .standing()
            .is_some_and(|now| now.ends > Clock::system().now())
    };
    eventually("the certificate is renewed", has_renewed).await;
    assert_eq!(
        open(dir.path(), None).standing(),
        membership.standing(),
        "it is written down"
    );
    tasks.token().cancel();
}

#[tokio::test]
async fn a_failed_renewal_is_known_and_another_tracker_is_asked_at_once() {
    let (issuer, dir) = (Issuer::new(), tempfile::tempdir().expect("a directory"));
    let (address, _tasks) = issuer.serve().await;
    // A third of its life is left.
    issuer.live(&[-9 * HOUR..HOUR, NOW]);
    let membership = open(dir.path(), None);
    membership.join(&issuer.line(&[&address])).await.expect("joined");
    let (tell, tracker) = watch::channel(Some("127.0.0.1:1".parse().expect("an address")));
    let tasks = Tasks::new();
    tasks.spawn_detached("keep", membership.clone().keep(tracker, tasks.clone()));
    let failure = || membership.standing().and_then(|now| now.failure);
    eventually("the failure is known", || failure().is_some()).await;
    tell.send_replace(Some(address));
    eventually("the certificate is renewed", || failure().is_none()).await;
    assert_eq!(*issuer.0.renewals.lock().expect("no panic"), 1);
    tasks.token().cancel();
}

#[tokio::test]
async fn news_are_in_force_at_once_and_a_new_authority_means_a_new_certificate() {
    let (issuer, dir) = (Issuer::new(), tempfile::tempdir().expect("a directory"));
    let (address, _tasks) = issuer.serve().await;
    let membership = open(dir.path(), None);
    membership.join(&issuer.line(&[&address])).await.expect("joined");
    let (_tell, tracker) = watch::channel(Some(address));
    let tasks = Tasks::new();
    tasks.spawn_detached("keep", membership.clone().keep(tracker, tasks.clone()));
    issuer.0.news.send_modify(|news| {
        news.mode = Mode::Permissive;
        news.revoked = vec![KeyHash::from_bytes([1; 32])];
    });
    eventually("the mode is heard", || {
        membership.tls().mode() == Mode::Permissive
    })
    .await;
    assert_eq!(*issuer.0.renewals.lock().expect("no panic"), 0);
    let second = Authority::of(issuer.authority().cluster());
    issuer
        .0
        .news
        .send_modify(|news| news.roots.push(second.root().to_vec()));
    eventually("the certificate is renewed", || {
        *issuer.0.renewals.lock().expect("no panic") == 1
    })
    .await;
    // Lines of both authorities lead here.
    let by_second = JoinLine::new(
        issuer
            .line(&[&"h:1".parse().expect("an address")])
            .servers()
            .to_vec(),
        second.pin(),
        shared::model::TokenId::from_bytes([7; 8]),
        Secret::from_slice(&[9; 16]).expect("16 bytes"),
    );
    membership
        .check(&by_second.expect("a line"))
        .expect("the same network");
    tasks.token().cancel();
}
