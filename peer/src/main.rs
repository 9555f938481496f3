//! A peer: the tool that people use, and the node that stores and serves fragments.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    peer::cli::run(std::env::args_os(), &|key| std::env::var_os(key)).await
}
