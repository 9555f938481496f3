//! The files that this process may have open at once; connections are files.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Most files for which the limit is raised: more than every bound of the programs needs. Commands that a
/// program runs inherit the limit, and some of them close every file up to it.
const ENOUGH: u64 = 65_536;

/// Raises the soft limit of open files as far as the hard one allows, and returns the limit in force.
pub fn raise_open_files() -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let now = current.unwrap_or(u64::MAX);
    let wanted = maximum.unwrap_or(u64::MAX).min(ENOUGH);
    if now >= wanted {
        return now;
    }
    let raised = Rlimit {
        current: Some(wanted),
        maximum,
    };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => wanted,
        // Some systems have another bound beside the hard limit; the limit stays as it was.
        Err(error) => {
            tracing::debug!(%error, now, wanted, "cannot raise the limit of open files");
            now
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_raised_to_the_hard_one_or_enough() {
        let raised = raise_open_files();
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        assert_eq!(current, Some(raised));
        assert!(raised >= maximum.unwrap_or(u64::MAX).min(ENOUGH));
        assert_eq!(raise_open_files(), raised);
    }
}
