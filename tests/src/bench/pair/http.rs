//! curl and aria2c from nginx over loopback. aria2c checks the file's SHA-256 while it receives it; curl
//! checks nothing.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::super::measure::{self, Ends, Sample};
use super::super::report::first_line;
use super::server::{Server, free_port, line};
use super::{Contestant, Course, Entrance, Missing};

struct Http {
    name: &'static str,
    nginx: Server,
    nginx_line: String,
    /// Command without the destination of the copy.
    client: fn(&Http, &Path) -> Command,
    url: String,
    digest: String,
}

/// curl, which checks nothing.
pub(super) fn enter_curl(course: &Course) -> Result<Entrance> {
    enter(course, "curl", |http, output| {
        let mut command = Command::new("curl");
        command.args(["--silent", "--show-error", "--fail", "--output"]);
        command.arg(output).arg(&http.url);
        command
    })
}

/// aria2c with four connections and a checksum.
pub(super) fn enter_aria2(course: &Course) -> Result<Entrance> {
    enter(course, "aria2c", |http, output| {
        let mut command = Command::new("aria2c");
        command.args(["--quiet", "--no-conf", "--file-allocation=none", "--split=4"]);
        command.args(["--max-connection-per-server=4", "--min-split-size=16M"]);
        command.arg(format!("--checksum=sha-256={}", http.digest));
        if let (Some(directory), Some(name)) = (output.parent(), output.file_name()) {
            command.arg("--dir").arg(directory).arg("--out").arg(name);
        }
        command.arg(&http.url);
        command
    })
}

fn enter(course: &Course, name: &'static str, client: fn(&Http, &Path) -> Command) -> Result<Entrance> {
    // nginx prints its version on stderr and nothing on stdout.
    let has_nginx = Command::new("nginx")
        .arg("-v")
        .output()
        .is_ok_and(|said| said.status.success());
    let has_client = first_line(Command::new(name).arg("--version")).is_some();
    if !has_nginx || !has_client {
        let missing = if has_client { "nginx" } else { name };
        let why = format!("`{missing}` is not installed");
        return Ok(Err(Missing { tool: name, why }));
    }
    let port = free_port()?;
    let directory = course.path(&format!("nginx-{name}"));
    std::fs::create_dir(&directory)?;
    let config = directory.join("nginx.conf");
    std::fs::write(&config, nginx_config(&directory, &course.source(), port))?;
    let mut command = Command::new("nginx");
    command
        .arg("-e")
        .arg("stderr")
        .arg("-p")
        .arg(&directory)
        .arg("-c")
        .arg(&config);
    let nginx = Server::start(&mut command, port)?;
    Ok(Ok(Box::new(Http {
        name,
        nginx,
        nginx_line: line(&command),
        client,
        url: format!("http://127.0.0.1:{port}/file.bin"),
        digest: course.digest.clone(),
    })))
}

/// One process, `sendfile`, nothing logged, nothing written outside the directory.
fn nginx_config(directory: &Path, root: &Path, port: u16) -> String {
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("  {kind}_temp_path {}/{kind};\n", directory.display()))
        .concat();
    format!(
        "daemon off;\nmaster_process off;\npid {directory}/pid;\nevents {{}}\nhttp {{\n{temporary}  access_log off;\n  \
         sendfile on;\n  tcp_nopush on;\n  server {{\n    listen 127.0.0.1:{port};\n    root {root};\n  }}\n}}\n",
        directory = directory.display(),
        root = root.display()
    )
}

impl Contestant for Http {
    fn name(&self) -> &'static str {
        self.name
    }

    fn verifies(&self) -> bool {
        self.name == "aria2c"
    }

    fn commands(&self) -> Vec<String> {
        let server = format!(
            "{}   (daemon off; master_process off; sendfile on)",
            self.nginx_line
        );
        vec![server, line(&(self.client)(self, Path::new("DIR/OUT")))]
    }

    fn run(&mut self, output: &Path) -> Result<Sample> {
        let ends = Ends {
            senders: vec![self.nginx.id()],
            receivers: Vec::new(),
        };
        measure::command(ends, &mut (self.client)(self, output))
    }
}
