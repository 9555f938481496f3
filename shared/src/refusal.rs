//! Refusals of the operating system and of SQLite, and the kind of failure that each of them is.
//!
//! This is the only such mapping: a full, read-only, damaged or vanished disk is the same to whoever meets
//! it, in every program. Nothing that a disk or a user can do is [`ErrorCode::Internal`].

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::path::Path;

use rustix::io::Errno;

use crate::ErrorCode;

/// Bytes of the probe: more than a disk can put beside a file's name.
const PROBE: usize = 64 << 10;

impl From<&io::Error> for ErrorCode {
    fn from(error: &io::Error) -> Self {
        match Errno::from_io_error(error) {
            Some(errno) => of_errno(errno),
            None => of_kind(error.kind()),
        }
    }
}

fn of_errno(errno: Errno) -> ErrorCode {
    match errno {
        Errno::NOENT => ErrorCode::NotFound,
        Errno::ACCESS | Errno::PERM | Errno::ROFS => ErrorCode::PermissionDenied,
        Errno::EXIST | Errno::NOTEMPTY | Errno::ADDRINUSE => ErrorCode::Conflict,
        Errno::NOTDIR
        | Errno::ISDIR
        | Errno::NAMETOOLONG
        | Errno::LOOP
        | Errno::INVAL
        | Errno::ILSEQ
        | Errno::OVERFLOW
        | Errno::BADF
        | Errno::SPIPE
        // The thing at the path is none that can be read or written like a file: a socket, a device.
        | Errno::OPNOTSUPP
        | Errno::NOSYS
        | Errno::NOTTY
        | Errno::NXIO
        | Errno::NOTSOCK
        | Errno::NOTBLK
        | Errno::ADDRNOTAVAIL
        | Errno::AFNOSUPPORT => ErrorCode::InvalidArgument,
        Errno::NOSPC
        | Errno::DQUOT
        | Errno::FBIG
        | Errno::MLINK
        | Errno::MFILE
        | Errno::NFILE
        | Errno::NOMEM
        | Errno::NOBUFS
        | Errno::NOLCK
        | Errno::AGAIN => ErrorCode::Exhausted,
        // The disk has lost what was written to it.
        Errno::IO | Errno::UCLEAN | Errno::BADMSG => ErrorCode::Corrupt,
        // The disk, or the machine that it is in, is gone.
        Errno::NODEV
        | Errno::STALE
        | Errno::NOTCONN
        | Errno::TIMEDOUT
        | Errno::CONNREFUSED
        | Errno::CONNRESET
        | Errno::CONNABORTED
        | Errno::PIPE
        | Errno::HOSTDOWN
        | Errno::HOSTUNREACH
        | Errno::NETDOWN
        | Errno::NETUNREACH => ErrorCode::Unavailable,
        Errno::CANCELED | Errno::INTR => ErrorCode::Cancelled,
        // BUSY, TXTBSY, XDEV and whatever else a file system may say: the request is right, and
        // the system does not do it here and now.
        _ => ErrorCode::FailedPrecondition,
    }
}

/// Judges the refusal of a place that a user chose to write to. Such a place is nobody's name and no other
/// machine: its refusal is never [`ErrorCode::NotFound`], which is about names, nor
/// [`ErrorCode::Unavailable`], which is about programs.
#[must_use]
pub fn of_place(error: &io::Error) -> ErrorCode {
    match ErrorCode::from(error) {
        ErrorCode::NotFound => ErrorCode::InvalidArgument,
        ErrorCode::Unavailable => ErrorCode::FailedPrecondition,
        code => code,
    }
}

/// Returns what a user can do about the refusal of a place that is to be written to.
#[must_use]
pub fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::NotFound => "nothing can be created there; choose another place",
        ErrorKind::IsADirectory => "no file replaces a directory; choose another place, or move it away",
        ErrorKind::NotADirectory => "a part of the path is no directory; choose another place",
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            "the user that the program runs as may not write there; choose another place, or change its permissions"
        }
        ErrorKind::InvalidFilename => "choose a shorter path",
        _ if of_place(error) == ErrorCode::Exhausted => "make room there, or choose another place",
        _ => "choose another place",
    }
}

/// Judges an error that has no number of the operating system's: of the standard library, or our own.
const fn of_kind(kind: ErrorKind) -> ErrorCode {
    match kind {
        ErrorKind::NotFound => ErrorCode::NotFound,
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => ErrorCode::PermissionDenied,
        ErrorKind::AlreadyExists | ErrorKind::AddrInUse | ErrorKind::DirectoryNotEmpty => ErrorCode::Conflict,
        ErrorKind::InvalidInput
        | ErrorKind::InvalidFilename
        | ErrorKind::IsADirectory
        | ErrorKind::NotADirectory
        | ErrorKind::Unsupported
        | ErrorKind::NotSeekable
        | ErrorKind::AddrNotAvailable => ErrorCode::InvalidArgument,
        ErrorKind::StorageFull
        | ErrorKind::QuotaExceeded
        | ErrorKind::FileTooLarge
        | ErrorKind::TooManyLinks
        | ErrorKind::WriteZero
        | ErrorKind::OutOfMemory
        | ErrorKind::WouldBlock => ErrorCode::Exhausted,
        ErrorKind::UnexpectedEof | ErrorKind::InvalidData => ErrorCode::Corrupt,
        ErrorKind::TimedOut
        | ErrorKind::NotConnected
        | ErrorKind::ConnectionRefused
        | ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted
        | ErrorKind::HostUnreachable
        | ErrorKind::NetworkUnreachable
        | ErrorKind::NetworkDown
        | ErrorKind::StaleNetworkFileHandle
        | ErrorKind::BrokenPipe => ErrorCode::Unavailable,
        ErrorKind::Interrupted => ErrorCode::Cancelled,
        ErrorKind::ResourceBusy
        | ErrorKind::ExecutableFileBusy
        | ErrorKind::CrossesDevices
        | ErrorKind::Deadlock => ErrorCode::FailedPrecondition,
        _ => ErrorCode::Internal,
    }
}

/// Judges an extended result code of SQLite.
///
/// Codes of reading and writing do not tell a full disk from a broken one; where that matters, [`probe`] asks
/// the disk.
#[must_use]
pub const fn of_sqlite(extended: i32) -> ErrorCode {
    // Writing failed, perhaps for a quota: SQLite knows only that the disk is not full.
    const WRITE: i32 = 778;
    // The file of the log's shared memory could not be made longer.
    const SHM_SIZE: i32 = 4874;
    const NO_MEMORY: i32 = 3082;
    match extended {
        WRITE | SHM_SIZE | NO_MEMORY => return ErrorCode::Exhausted,
        _ => {}
    }
    match extended & 0xff {
        // PERM, READONLY, CANTOPEN, AUTH
        3 | 8 | 14 | 23 => ErrorCode::PermissionDenied,
        // BUSY, LOCKED, PROTOCOL
        5 | 6 | 15 => ErrorCode::FailedPrecondition,
        // NOMEM, FULL, TOOBIG
        7 | 13 | 18 => ErrorCode::Exhausted,
        // INTERRUPT
        9 => ErrorCode::Cancelled,
        // IOERR, CORRUPT, NOTADB
        10 | 11 | 26 => ErrorCode::Corrupt,
        // NOLFS
        22 => ErrorCode::FailedPrecondition,
        _ => ErrorCode::Internal,
    }
}

/// Whether a result code of SQLite says that a file could not be opened, read or written, and not why.
#[must_use]
pub const fn is_vague(extended: i32) -> bool {
    matches!(extended & 0xff, 10 | 14)
}

/// Writes a file into a directory and removes it again, to learn why a program that keeps the reason to
/// itself cannot.
///
/// # Errors
/// The operating system's refusal.
pub fn probe(directory: &Path) -> io::Result<()> {
    let path = directory.join(format!(".probe-{}", std::process::id()));
    let write = |file: File| (&file).write_all(&[1; PROBE]).and_then(|()| file.sync_all());
    let made = OpenOptions::new().write(true).create_new(true).open(&path);
    let written = made.and_then(write);
    let removed = std::fs::remove_file(&path);
    written.and(removed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_disk_says_is_an_internal_error() {
        for errno in 1..134 {
            let error = io::Error::from_raw_os_error(errno);
            assert_ne!(ErrorCode::from(&error), ErrorCode::Internal, "{error}");
        }
        for (errno, exit_code) in [
            (Errno::NOENT, 3),
            (Errno::ACCESS, 4),
            (Errno::PERM, 4),
            (Errno::ROFS, 4),
            (Errno::EXIST, 5),
            (Errno::TXTBSY, 5),
            (Errno::BUSY, 5),
            (Errno::XDEV, 5),
            (Errno::NOTDIR, 2),
            (Errno::ISDIR, 2),
            (Errno::LOOP, 2),
            (Errno::NAMETOOLONG, 2),
            (Errno::OPNOTSUPP, 2),
            (Errno::NOSYS, 2),
            (Errno::NXIO, 2),
            (Errno::SPIPE, 2),
            (Errno::NOSPC, 9),
            (Errno::DQUOT, 9),
            (Errno::FBIG, 9),
            (Errno::MFILE, 9),
            (Errno::IO, 8),
            (Errno::STALE, 6),
            (Errno::NOTCONN, 6),
        ] {
            let error = io::Error::from(errno);
            assert_eq!(ErrorCode::from(&error).exit_code(), exit_code, "{error}");
            // The standard library's own errors of the same kind mean the same.
            let kind = io::Error::from(error.kind());
            if ErrorCode::from(&kind) != ErrorCode::Internal {
                assert_eq!(ErrorCode::from(&kind), ErrorCode::from(&error), "{error}");
            }
        }
    }

    #[test]
    fn a_place_is_no_name_and_no_network_and_has_a_remedy() {
        for errno in 1..134 {
            let error = io::Error::from_raw_os_error(errno);
            let code = of_place(&error);
            assert!(!matches!(code.exit_code(), 1 | 3 | 6), "{error}: {code}");
            assert!(
                remedy(&error).contains("choose") && !remedy(&error).is_empty(),
                "{error}"
            );
        }
        assert_eq!(of_place(&Errno::NOENT.into()).exit_code(), 2);
        assert_eq!(of_place(&Errno::NOTCONN.into()).exit_code(), 5);
    }

    #[test]
    fn what_sqlite_says_has_the_code_of_the_disk() {
        for (code, exit_code) in [
            (13, 9),
            (4874, 9),
            (778, 9),
            (8, 4),
            (1032, 4),
            (14, 4),
            (5, 5),
            (261, 5),
            (11, 8),
            (26, 8),
            (266, 8),
            (1, 1),
        ] {
            assert_eq!(of_sqlite(code).exit_code(), exit_code, "{code}");
        }
    }

    #[test]
    fn a_probe_leaves_nothing_and_finds_the_reason() {
        let directory = tempfile::tempdir().expect("a directory");
        probe(directory.path()).expect("there is room");
        assert_eq!(std::fs::read_dir(directory.path()).expect("lists").count(), 0);
        let gone = probe(&directory.path().join("none")).expect_err("no directory");
        assert_eq!(gone.kind(), ErrorKind::NotFound);
    }
}
