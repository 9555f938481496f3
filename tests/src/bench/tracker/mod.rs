//! The tracker alone: memory for its state, time to recover the state after a restart, durable publications
//! per second, and questions per second beside an empty call.
//!
//! The tracker is the real program on a real disk; peers are real sessions with nothing behind them
//! (`fleet`). Callers and tracker share the machine's processors, and so do callers and the empty service
//! (`echo`): rates are worth something beside each other only.

pub mod echo;
mod fleet;
mod load;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use proto::client::{CatalogClient, UpkeepClient};
use proto::credentials::Credentials;
use proto::messages::Publish;
use proto::tls::Tls;
use proto::v1;
use proto::v1::catalog_client::CatalogClient as Wire;
use serde_json::{Value, json};
use shared::model::{Expectation, HostPort, Incarnation, Name, PeerId, ReplicationTarget, Survey};
use tokio::runtime::Runtime;
use tonic::Status;
use tonic::transport::Channel;

use super::report::Table;
use crate::security::{Member, Security};
use crate::{Program, Stopwatch, is_interrupted};
use fleet::{Contents, Fleet};
use load::Rate;

/// Sizes of the measurements; by default those that are promised: a million fragments on a thousand peers.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Options {
    /// Fragments in all
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub fragments: u32,
    /// Fragments of each content
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub each: u32,
    /// Replicas of every fragment
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=32))]
    pub replicas: u32,
    /// Simulated peers
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub peers: u32,
    /// Concurrent callers, for rates
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1_024))]
    pub clients: u32,
    /// Duration of each measurement of a rate
    #[arg(long, default_value = "5s", value_parser = shared::model::parse_duration)]
    pub time: Duration,
    /// Number of measurements of each rate
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=32))]
    pub runs: u32,
    /// Let the same calls by TLS, of members, take turns with those without, in a network that permits both
    #[arg(long)]
    pub tls: bool,
}

/// Contents that are announced and published together.
const CHUNK: u32 = 5_000;

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(300);

/// Polling interval: the error of a measured wait.
const LOOK: Duration = Duration::from_millis(50);

/// Measures.
///
/// # Errors
/// When anything fails: then there are no figures.
pub fn run(options: Options) -> Result<(Table, Value)> {
    let directory = tempfile::tempdir()?;
    let data = directory.path().join("tracker");
    let mut arguments = vec!["--data-dir".into(), data.clone().into()];
    let security = options.tls.then(|| Security::init(&data)).transpose()?;
    if security.is_some() {
        arguments.extend(["--tls", "permissive"].map(Into::into));
    }
    let mut tracker = Program::start("tracker", arguments, &directory.path().join("tracker.log"))?;
    let address: HostPort = tracker.address().parse().context("the tracker's address")?;
    let runtime = Runtime::new().context("start the runtime")?;
    let mut bench = Bench {
        options,
        address,
        contents: Contents {
            count: options.fragments.div_ceil(options.each),
            fragments: options.each,
        },
        table: Table::new(&["what", "measured", "wanted"]),
    };

    let (fleet, empty) = runtime.block_on(bench.assemble(&tracker))?;
    let (memory, filled) = runtime.block_on(bench.fill(&fleet, &tracker, empty))?;
    let (members, fleet_of_members) = runtime.block_on(bench.enrol(security.as_ref(), directory.path()))?;
    let answers = runtime.block_on(bench.lookups(&members))?;
    let published = runtime.block_on(bench.publications(&fleet, &members, &fleet_of_members))?;
    runtime.block_on(fleet_of_members.stop());
    let journal = size_of(&data)?;
    tracker.kill();
    let watch = Stopwatch::start();
    tracker.restart()?;
    let ready = watch.elapsed();
    let whole = runtime.block_on(bench.recovered(watch))?;
    let row = |what: &str, measured: String, wanted: &str| [what.into(), measured, wanted.into()];
    bench.table.row(row(
        "kill -9, then ready, s",
        format!("{:.2}", ready.as_secs_f64()),
        "≤ 10",
    ));
    let label = "and all that peers hold known again, s";
    bench
        .table
        .row(row(label, format!("{:.2}", whole.as_secs_f64()), ""));
    runtime.block_on(fleet.stop());
    let results = json!({
        "fragments": options.fragments, "fragments_each": options.each, "replicas": options.replicas,
        "peers": options.peers, "clients": options.clients,
        "memory": memory, "filled_per_second": filled, "rates_per_second": answers,
        "durable_publishes_per_second": published, "journal_bytes": journal,
        "ready_after_kill_s": ready.as_secs_f64(), "all_known_after_kill_s": whole.as_secs_f64(),
    });
    Ok((bench.table, results))
}

struct Bench {
    options: Options,
    address: HostPort,
    contents: Contents,
    table: Table,
}

impl Bench {
    /// Connects all peers; returns the tracker's memory after that.
    async fn assemble(&self, tracker: &Program) -> Result<(Fleet, u64)> {
        let fleet = Fleet::join(&self.address, self.options.peers)?;
        self.until(|survey| !survey.in_safe_mode && fleet.welcomed() >= self.options.peers)
            .await?;
        Ok((fleet, tracker.memory()?.0))
    }

    /// Makes members that have sessions, one for each connection by TLS; none without security.
    async fn enrol(&self, security: Option<&Security>, directory: &Path) -> Result<(Vec<Member>, Fleet)> {
        let mut members = Vec::new();
        for number in 0..security.map_or(0, |_| load::CONNECTIONS) {
            let security = security.context("it is secured")?;
            let data_dir = directory.join(format!("member-{number}"));
            members.push(Member::join(security, &self.address.to_string(), &data_dir).await?);
        }
        let fleet = Fleet::of_members(&self.address, &members)?;
        let watch = Stopwatch::start();
        while fleet.welcomed() < u32::try_from(members.len())? {
            ensure!(!is_interrupted(), "interrupted");
            ensure!(watch.elapsed() < PATIENCE, "not all members have sessions");
            tokio::time::sleep(LOOK).await;
        }
        Ok((members, fleet))
    }

    /// Announces contents from peers and publishes them.
    #[expect(
        clippy::print_stdout,
        clippy::cast_precision_loss,
        reason = "figures for a person"
    )]
    async fn fill(&mut self, fleet: &Fleet, tracker: &Program, empty: u64) -> Result<(Value, f64)> {
        let catalog = CatalogClient::new(&self.address, &Tls::default())?;
        let target = ReplicationTarget::new(self.options.replicas).context("replicas")?;
        let watch = Stopwatch::start();
        let mut from = 0;
        while from < self.contents.count {
            ensure!(!is_interrupted(), "interrupted");
            let to = self.contents.count.min(from + CHUNK);
            fleet.hold(self.contents, from..to, self.options.replicas).await?;
            let (contents, holders) = (self.contents, fleet.ids());
            let (catalog, next) = (catalog.clone(), Arc::new(AtomicU32::new(from)));
            load::all(self.options.clients, move || {
                let (catalog, next, holders) = (catalog.clone(), next.clone(), holders.clone());
                async move {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= to {
                        return Ok(false);
                    }
                    let publish = Publish {
                        name: contents.name(n)?,
                        manifest: contents.manifest(n)?,
                        target,
                        expectation: Expectation::Unbound,
                        publisher: holders[n as usize % holders.len()],
                        incarnation: Incarnation::new(1),
                        metadata: None,
                        replaces_metadata: false,
                        keeps_target: false,
                        parts: None,
                    };
                    catalog.publish(&publish).await?;
                    Ok(true)
                }
            })
            .await?;
            from = to;
            println!(
                "{from} of {} contents, {:.0} s",
                self.contents.count,
                watch.elapsed().as_secs_f64()
            );
        }
        let rate = f64::from(self.contents.count) / watch.elapsed().as_secs_f64();
        let wanted = u64::from(self.contents.count);
        self.until(|survey| survey.replicated >= wanted).await?;
        let full = tracker.memory()?.0;
        let pairs = u64::from(self.options.fragments) * u64::from(self.options.replicas);
        let each = full.saturating_sub(empty) as f64 / pairs as f64;
        let what = format!(
            "{} fragments in {} contents × {} replicas on {} peers: bytes of memory for each (fragment, replica)",
            self.options.fragments, self.contents.count, self.options.replicas, self.options.peers
        );
        self.table.row([what, format!("{each:.1}"), "≤ 100".to_owned()]);
        let memory = json!({ "empty_bytes": empty, "full_bytes": full, "bytes_each": each });
        Ok((memory, rate))
    }

    /// Questions about single contents, in turns with empty calls, and with the same by TLS if there are
    /// members.
    async fn lookups(&mut self, members: &[Member]) -> Result<Value> {
        let echo = echo::Child::start()?;
        let mut empty = Rate::default();
        let (mut plain, mut secured) = (Lookups::default(), Lookups::default());
        for _ in 0..self.options.runs {
            ensure!(!is_interrupted(), "interrupted");
            let (clients, time) = (self.options.clients, self.options.time);
            empty.push(echo::rate(&echo.address, clients, time).await?);
            self.look_up(load::channels(&self.address)?, &mut plain).await?;
            if !members.is_empty() {
                let channels = load::channels_of(members, &self.address)?;
                self.look_up(channels, &mut secured).await?;
            }
        }
        let median = empty.median();
        self.table.row([
            "empty calls a second".to_owned(),
            format!("{median:.0}"),
            String::new(),
        ]);
        for (what, rate) in plain.named() {
            let rate = rate.median();
            let measured = format!("{rate:.0} ({:.2} of empty)", rate / median);
            self.table.row([
                format!("`{what}` a second"),
                measured,
                "≥ 0.7 of empty".to_owned(),
            ]);
        }
        if !members.is_empty() {
            for ((what, rate), (_, plain)) in secured.named().into_iter().zip(plain.named()) {
                self.compare(&format!("`{what}` a second by TLS"), rate, plain);
            }
        }
        Ok(json!({ "empty": empty.all(), "plain": plain.json(), "tls": secured.json() }))
    }

    /// Adds the row of a rate by TLS beside the same without.
    fn compare(&mut self, what: &str, secured: &Rate, plain: &Rate) {
        let rate = secured.median();
        let measured = format!("{rate:.0} ({:.2} of plain)", rate / plain.median());
        self.table
            .row([what.to_owned(), measured, "≥ 0.9 of plain".to_owned()]);
    }

    /// Asks by these connections.
    async fn look_up(&self, channels: Vec<Channel>, rates: &mut Lookups) -> Result<()> {
        let (clients, time, contents) = (self.options.clients, self.options.time, self.contents);
        let about = move |n: u32| v1::ContentRef {
            r#ref: Some(v1::content_ref::Ref::Name(
                contents.text(load::spread(n, contents.count)),
            )),
        };
        let clients_of = channels.into_iter().map(Wire::new).collect::<Vec<_>>();
        let resolve = move |mut wire: Wire<Channel>, n| async move {
            let r#ref = Some(about(n));
            wire.resolve(v1::ResolveRequest { r#ref }).await.map(drop)
        };
        let rate = load::rate(clients, time, clients_of.clone(), resolve).await?;
        rates.resolve.push(rate);
        let locate = move |mut wire: Wire<Channel>, n| async move {
            let request = v1::LocateRequest {
                parts: Vec::new(),
                ranges: Vec::new(),
                r#ref: Some(about(n)),
                max_holders: 16,
                except: Vec::new().into(),
            };
            wire.locate(request).await.map(drop)
        };
        let rate = load::rate(clients, time, clients_of.clone(), locate).await?;
        rates.locate.push(rate);
        let head = move |mut wire: Wire<Channel>, n| async move {
            let name = contents.text(load::spread(n, contents.count));
            wire.head(v1::HeadRequest { name }).await.map(drop)
        };
        rates
            .head
            .push(load::rate(clients, time, clients_of, head).await?);
        Ok(())
    }

    /// Publications of small contents, each of which waits for the disk; in turns with the same by TLS if
    /// there are members, who publish for themselves.
    async fn publications(&mut self, fleet: &Fleet, members: &[Member], theirs: &Fleet) -> Result<Value> {
        let (mut plain, mut secured) = (Rate::default(), Rate::default());
        let all = fleet.ids();
        // Beside members, as many publishers as there are members.
        let few: Arc<[PeerId]> = all[..members.len()].into();
        let ids = if members.is_empty() { all } else { few };
        for turn in 0..self.options.runs {
            ensure!(!is_interrupted(), "interrupted");
            let publisher = |_| {
                let catalog = CatalogClient::new(&self.address, &Tls::default())?;
                Ok(Publisher {
                    catalog,
                    ids: ids.clone(),
                })
            };
            let publishers = (0..load::CONNECTIONS).map(publisher).collect::<Result<_>>()?;
            plain.push(self.publish(2 * turn, publishers).await?);
            if !members.is_empty() {
                let publisher = |(member, secret): (&Member, _)| {
                    let catalog = CatalogClient::new(&self.address, &member.tls)?;
                    let catalog = catalog.speaking_with(Credentials::new(secret));
                    Ok(Publisher {
                        catalog,
                        ids: [member.peer].into(),
                    })
                };
                let publishers = members
                    .iter()
                    .zip(theirs.secrets())
                    .map(publisher)
                    .collect::<Result<_>>()?;
                secured.push(self.publish(2 * turn + 1, publishers).await?);
            }
        }
        let what = format!("durable publications a second, {} clients", self.options.clients);
        self.table.row([
            what.clone(),
            format!("{:.0}", plain.median()),
            "≥ 5,000".to_owned(),
        ]);
        if !members.is_empty() {
            self.compare(&format!("{what}, by TLS"), &secured, &plain);
        }
        Ok(json!({ "plain": plain.all(), "tls": secured.all() }))
    }

    /// Publishes, in a turn with names and contents of its own.
    async fn publish(&self, turn: u32, publishers: Vec<Publisher>) -> Result<f64> {
        let target = ReplicationTarget::new(1).context("one")?;
        let publish = move |publisher: Publisher, n: u32| async move {
            // Others than those that are there, and than those of other turns.
            let contents = Contents {
                count: u32::MAX,
                fragments: 1,
            };
            let number = u32::MAX - turn * (1 << 26) - n;
            let publish = Publish {
                name: Name::new(format!("new/{turn}/{n}"))
                    .map_err(|error| Status::internal(error.to_string()))?,
                manifest: contents
                    .manifest(number)
                    .map_err(|error| Status::internal(error.to_string()))?,
                target,
                expectation: Expectation::Unbound,
                publisher: publisher.ids[n as usize % publisher.ids.len()],
                incarnation: Incarnation::new(1),
                metadata: None,
                replaces_metadata: false,
                keeps_target: false,
                parts: None,
            };
            let published = publisher.catalog.publish(&publish).await;
            published
                .map(drop)
                .map_err(|error| Status::internal(error.to_string()))
        };
        load::rate(self.options.clients, self.options.time, publishers, publish).await
    }

    /// Returns the time until all peers were back and had announced their holdings.
    async fn recovered(&self, watch: Stopwatch) -> Result<Duration> {
        self.until(|survey| !survey.in_safe_mode).await?;
        Ok(watch.elapsed())
    }

    async fn until(&self, is_so: impl Fn(&Survey) -> bool) -> Result<()> {
        let upkeep = UpkeepClient::new(&self.address, &Tls::default())?;
        let watch = Stopwatch::start();
        loop {
            ensure!(!is_interrupted(), "interrupted");
            let survey = upkeep.survey().await?;
            if is_so(&survey) {
                return Ok(());
            }
            ensure!(watch.elapsed() < PATIENCE, "it does not come to that: {survey:?}");
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// Calls a second, of each turn.
#[derive(Default)]
struct Lookups {
    resolve: Rate,
    locate: Rate,
    head: Rate,
}

impl Lookups {
    const fn named(&self) -> [(&'static str, &Rate); 3] {
        [
            ("resolve", &self.resolve),
            ("locate", &self.locate),
            ("head", &self.head),
        ]
    }

    fn json(&self) -> Value {
        let all = self
            .named()
            .map(|(what, rate)| (what.to_owned(), json!(rate.all())));
        Value::Object(all.into_iter().collect())
    }
}

/// A connection, and the peers that publish by it.
#[derive(Clone)]
struct Publisher {
    catalog: CatalogClient,
    ids: Arc<[PeerId]>,
}

/// Bytes of the files in a directory.
fn size_of(directory: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(directory)? {
        bytes += entry?.metadata()?.len();
    }
    Ok(bytes)
}
