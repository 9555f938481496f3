//! Shell completions and manual pages, made from the definitions that read the command line, so that they
//! cannot differ.

use std::io;
use std::path::{Path, PathBuf};

use clap::Command;
pub use clap_complete::Shell;

use crate::own_data;

/// Date of the manual pages: the start of this version. A page needs a date, and the date of the build would
/// make every build different.
const DATE: &str = "2026-11-20";

/// A completion script for a shell, to be sourced or put where the shell looks for them.
#[must_use]
pub fn completions(mut command: Command, shell: Shell) -> Vec<u8> {
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, name, &mut script);
    script
}

/// Writes a manual page for the command and one for each of its subcommands into a directory, which is made
/// if it is missing; returns the files.
///
/// # Errors
/// When the directory cannot be written.
pub fn write_pages(command: Command, directory: &Path) -> io::Result<Vec<PathBuf>> {
    if let Some(owner) = own_data::owner_of_output(directory) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            owner.refusal(directory),
        ));
    }
    std::fs::create_dir_all(directory)?;
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let mut written = Vec::new();
    write_page(&command, directory, &mut written)?;
    Ok(written)
}

fn write_page(command: &Command, directory: &Path, written: &mut Vec<PathBuf>) -> io::Result<()> {
    let version = command.get_version().unwrap_or(env!("CARGO_PKG_VERSION"));
    let page = clap_mangen::Man::new(command.clone())
        .date(DATE)
        .source(format!("Enjambre {version}"))
        .manual("Enjambre");
    let path = directory.join(page.get_filename());
    let mut text = Vec::new();
    page.render(&mut text)?;
    // The crate writes one break too many before possible values: formatters warn about it.
    let text = String::from_utf8_lossy(&text).replace(".br\n\n.br\n", ".sp\n");
    std::fs::write(&path, text)?;
    written.push(path);
    for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set()) {
        write_page(inner, directory, written)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Arg;

    use super::*;

    fn command() -> Command {
        let inner = Command::new("inner")
            .about("Goes in")
            .arg(Arg::new("depth").long("depth").value_parser(["deep", "flat"]));
        Command::new("outer").version("1").subcommand(inner)
    }

    #[test]
    fn every_shell_completes_flags_of_subcommands() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let script = String::from_utf8(completions(command(), shell)).expect("text");
            assert!(script.contains("inner") && script.contains("depth"), "{shell}");
        }
    }

    #[test]
    fn there_is_a_page_for_every_subcommand() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let target = dir.path().join("man1");
        let pages = write_pages(command(), &target).expect("written");
        let names: Vec<_> = pages
            .iter()
            .filter_map(|page| page.file_name()?.to_str())
            .collect();
        assert_eq!(names, ["outer.1", "outer-inner.1"]);
        let text = std::fs::read_to_string(target.join("outer-inner.1")).expect("there");
        assert!(text.contains("Goes in") && text.contains("depth"), "{text}");
        let title = text
            .lines()
            .find(|line| line.starts_with(".TH "))
            .expect("a title");
        assert!(title.contains(DATE) && title.contains("outer-inner"), "{title}");
        assert!(text.contains("flat") && !text.contains(".br\n\n.br"), "{text}");
    }
}
