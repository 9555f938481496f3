//! Shaped hosts on one switch: network namespaces, a bridge, and a token bucket at both ends of every link.
//!
//! Everything is made inside namespaces whose names carry the id of this process, so that dropping a network
//! removes its own and nothing else; the next run removes the remains of a killed one, programs and files
//! too. The module calls `ip` and `tc`, as root, on Linux.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, geteuid, kill_process, test_kill_process};

use super::scenario::Link;

/// The switch's address; hosts are numbered from [`FIRST_HOST`] in the same /16.
const SWITCH_ADDRESS: &str = "10.77.0.1";

/// The last byte of the first host's address.
const FIRST_HOST: usize = 10;

/// Hosts that fit the addresses that we hand out.
const MAX_HOSTS: usize = 60_000;

/// A token bucket's depth: the largest segment that the kernel hands over at once, so that none is split or
/// lost.
const BURST: &str = "64kb";

/// Longest queue of a link before packets are dropped: a usual home router's.
const QUEUE: &str = "100ms";

/// A switch and its hosts; gone when this is dropped.
#[derive(Debug)]
pub struct Network {
    prefix: String,
    links: Vec<Link>,
}

/// A place in the network where programs can run.
#[derive(Clone, Debug)]
pub struct Place {
    namespace: String,
    address: String,
}

/// Returns the reason for which this machine allows no lab, and a remedy; `None` when it does.
#[must_use]
pub fn obstacle() -> Option<String> {
    if !cfg!(target_os = "linux") {
        return Some("the lab needs Linux: it is made of network namespaces".to_owned());
    }
    if !geteuid().is_root() {
        return Some("the lab needs root: it makes network namespaces; run it with sudo".to_owned());
    }
    let missing = ["ip", "tc"].into_iter().find(|program| !can_run(program))?;
    Some(format!("the lab needs `{missing}`: install iproute2"))
}

fn can_run(program: &str) -> bool {
    let version = Command::new(program).arg("-V").stdout(Stdio::null()).status();
    version.is_ok_and(|status| status.success())
}

impl Network {
    /// Makes a switch and one host for each link.
    ///
    /// # Errors
    /// When `ip` or `tc` fails; everything made so far is removed.
    pub fn up(links: &[Link]) -> Result<Self> {
        if let Some(obstacle) = obstacle() {
            bail!(obstacle);
        }
        if links.len() > MAX_HOSTS {
            bail!("{} hosts are more than {MAX_HOSTS}", links.len());
        }
        sweep();
        // From here on dropping it cleans up after any failure.
        let network = Self {
            prefix: super::own_prefix(),
            links: links.to_vec(),
        };
        network.make_switch()?;
        for (number, link) in links.iter().enumerate() {
            network
                .make_host(number, *link)
                .with_context(|| format!("make host {number}"))?;
        }
        Ok(network)
    }

    /// Returns the number of hosts.
    #[must_use]
    pub const fn host_count(&self) -> usize {
        self.links.len()
    }

    /// Beside the switch, where nothing is shaped.
    #[must_use]
    pub fn switch(&self) -> Place {
        Place {
            namespace: format!("{}-switch", self.prefix),
            address: SWITCH_ADDRESS.to_owned(),
        }
    }

    /// A host, counted from 0.
    #[must_use]
    pub fn host(&self, number: usize) -> Place {
        let at = FIRST_HOST + number;
        Place {
            namespace: format!("{}-h{number}", self.prefix),
            address: format!("10.77.{}.{}", at / 256, at % 256),
        }
    }

    /// Bytes that every host has sent and received, with all headers, since it was made.
    ///
    /// # Errors
    /// When the counters cannot be read.
    pub fn wires(&self) -> Result<Vec<Wire>> {
        (0..self.links.len())
            .map(|number| self.host(number).wire())
            .collect()
    }

    /// Cuts a host off from everybody.
    ///
    /// # Errors
    /// When `ip` fails.
    pub fn cut(&self, number: usize) -> Result<()> {
        self.switch().ip(&format!("link set p{number} down"))
    }

    /// Undoes [`Self::cut`].
    ///
    /// # Errors
    /// When `ip` fails.
    pub fn mend(&self, number: usize) -> Result<()> {
        self.switch().ip(&format!("link set p{number} up"))
    }

    /// Keeps a host from all others that are isolated; it reaches the switch and the other hosts as before.
    ///
    /// # Errors
    /// When `ip` fails.
    pub fn isolate(&self, number: usize, is_isolated: bool) -> Result<()> {
        let word = if is_isolated { "on" } else { "off" };
        self.switch()
            .ip(&format!("link set p{number} type bridge_slave isolated {word}"))
    }

    fn make_switch(&self) -> Result<()> {
        let switch = self.switch();
        ip(&["netns", "add", &switch.namespace])?;
        switch.ip("link set lo up")?;
        switch.ip("link add br0 type bridge")?;
        switch.ip("link set br0 up")?;
        switch.ip(&format!("addr add {SWITCH_ADDRESS}/16 dev br0"))
    }

    fn make_host(&self, number: usize, link: Link) -> Result<()> {
        let (host, switch) = (self.host(number), self.switch());
        let port = format!("p{number}");
        ip(&["netns", "add", &host.namespace])?;
        host.ip("link set lo up")?;
        host.ip(&format!(
            "link add {INTERFACE} type veth peer name {port} netns {}",
            switch.namespace
        ))?;
        host.ip(&format!("addr add {}/16 dev {INTERFACE}", host.address))?;
        host.ip(&format!("link set {INTERFACE} up"))?;
        switch.ip(&format!("link set {port} master br0"))?;
        switch.ip(&format!("link set {port} up"))?;
        // Each end shapes its outgoing bytes: the host its uplink, the switch's port the host's downlink.
        host.shape(INTERFACE, link.up)?;
        switch.shape(&port, link.down)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // Interfaces go with their namespace; programs in it have ended before.
        for number in 0..self.links.len() {
            delete(&self.host(number).namespace);
        }
        delete(&self.switch().namespace);
    }
}

/// The name of a host's only interface, inside its namespace.
const INTERFACE: &str = "net0";

impl Place {
    /// The address to listen on here.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Returns the arguments that run a command here when put before it. The process is replaced by the
    /// command, so its id is the command's.
    #[must_use]
    pub fn prefix(&self) -> Vec<OsString> {
        ["ip", "netns", "exec", &self.namespace].map(Into::into).into()
    }

    /// A command that runs here.
    #[must_use]
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace]).arg(program);
        command
    }

    fn wire(&self) -> Result<Wire> {
        let read = |counter: &str| -> Result<u64> {
            let path = format!("/sys/class/net/{INTERFACE}/statistics/{counter}");
            let output = self.command(Path::new("cat")).arg(path).output()?;
            let text = String::from_utf8_lossy(&output.stdout);
            text.trim()
                .parse()
                .with_context(|| format!("read {counter} in {}", self.namespace))
        };
        Ok(Wire {
            sent: read("tx_bytes")?,
            received: read("rx_bytes")?,
        })
    }

    fn ip(&self, arguments: &str) -> Result<()> {
        let mut all = vec!["-n", &self.namespace];
        all.extend(arguments.split(' '));
        ip(&all)
    }

    fn shape(&self, interface: &str, bits_per_second: u64) -> Result<()> {
        let rate = format!("{bits_per_second}bit");
        let mut tc = self.command(Path::new("tc"));
        tc.args(["qdisc", "add", "dev", interface, "root", "tbf", "rate", &rate]);
        run(tc.args(["burst", BURST, "latency", QUEUE]))
    }
}

/// An interface's counters, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wire {
    /// Sent.
    pub sent: u64,
    /// Received.
    pub received: u64,
}

impl Wire {
    /// Returns the counts since an earlier reading.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Self {
        Self {
            sent: self.sent.saturating_sub(earlier.sent),
            received: self.received.saturating_sub(earlier.received),
        }
    }
}

/// Ends the programs of runs that were killed, and takes away their namespaces and directories.
fn sweep() {
    for namespace in left_behind(Path::new("/run/netns")) {
        let Some(namespace) = namespace.file_name().and_then(|name| name.to_str()) else {
            continue;
        };
        let inside = Command::new("ip").args(["netns", "pids", namespace]).output();
        let inside = inside.map(|output| output.stdout).unwrap_or_default();
        let processes = String::from_utf8_lossy(&inside).into_owned();
        for process in processes
            .lines()
            .filter_map(|id| Pid::from_raw(id.trim().parse().ok()?))
        {
            let _has_ended_by_itself = kill_process(process, Signal::KILL).is_err();
        }
        delete(namespace);
    }
    for parent in [PathBuf::from(super::MEMORY), std::env::temp_dir()] {
        for directory in left_behind(&parent) {
            // The next run removes the rest.
            drop(std::fs::remove_dir_all(directory));
        }
    }
}

/// Returns the entries of a directory with names of runs that are gone.
fn left_behind(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let is_dead = |name: &str| owner(name).is_some_and(|process| test_kill_process(process).is_err());
    entries
        .filter(|entry| entry.file_name().to_str().is_some_and(is_dead))
        .map(|entry| entry.path())
        .collect()
}

/// The process that made a namespace or directory, if it is one of the lab's.
fn owner(name: &str) -> Option<Pid> {
    let rest = name.strip_prefix(super::PREFIX)?.strip_prefix('-')?;
    let (process, _) = rest.split_once('-')?;
    Pid::from_raw(process.parse().ok()?)
}

fn delete(namespace: &str) {
    // Devices that were never made cannot be deleted.
    let quiet = Command::new("ip")
        .args(["netns", "delete", namespace])
        .stderr(Stdio::null())
        .status();
    drop(quiet);
}

fn ip(arguments: &[&str]) -> Result<()> {
    run(Command::new("ip").args(arguments))
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("run {command:?}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{command:?} failed: {}", said.trim());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_namespaces_of_the_lab_have_an_owner() {
        assert_eq!(owner("enjambre-lab-17-h3"), Pid::from_raw(17));
        assert_eq!(owner("enjambre-lab-17-switch"), Pid::from_raw(17));
        for other in [
            "sw",
            "h0",
            "enjambre-lab",
            "enjambre-lab-x-h0",
            "enjambre-labs-17-h0",
        ] {
            assert_eq!(owner(other), None, "{other}");
        }
    }
}
