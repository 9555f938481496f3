//! The words of an operating system, and of other programs.

use std::io;

use rustix::io::Errno;
use shared::language::{self, Language};

/// Returns the operating system's error in the language in force.
#[must_use]
pub(crate) fn io_error(error: &io::Error) -> String {
    if language::current() == Language::English {
        return error.to_string();
    }
    let known = match error.kind() {
        io::ErrorKind::NotFound => "no existe el archivo o directorio",
        io::ErrorKind::PermissionDenied => "permiso denegado",
        io::ErrorKind::AlreadyExists => "el archivo ya existe",
        io::ErrorKind::NotADirectory => "no es un directorio",
        io::ErrorKind::IsADirectory => "es un directorio",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "no queda sitio en el disco",
        io::ErrorKind::ReadOnlyFilesystem => "el sistema de archivos es de solo lectura",
        io::ErrorKind::BrokenPipe => "el lector se ha ido",
        io::ErrorKind::InvalidFilename => "el nombre de archivo es demasiado largo",
        io::ErrorKind::WouldBlock | io::ErrorKind::OutOfMemory => "el sistema no tiene recursos ahora",
        io::ErrorKind::FileTooLarge => "el archivo es demasiado grande",
        io::ErrorKind::ResourceBusy | io::ErrorKind::ExecutableFileBusy => "otro programa lo está usando",
        io::ErrorKind::TimedOut => "el disco o la red no responde",
        io::ErrorKind::StaleNetworkFileHandle => "el disco de red ya no lo tiene",
        io::ErrorKind::ConnectionRefused => "conexión rechazada",
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => "se cortó la conexión",
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            "no hay camino hasta la máquina"
        }
        io::ErrorKind::InvalidInput => "el sistema no lo admite",
        _ if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => "hay un bucle de enlaces simbólicos",
        _ if error.raw_os_error() == Some(Errno::IO.raw_os_error()) => "el disco falla",
        _ => return quoted(&error.to_string()),
    };
    known.to_owned()
}

/// Returns the words of another program, as a quotation.
pub(super) fn quoted(english: &str) -> String {
    format!("«{english}»")
}
