//! What is wrong with something that was typed.

use std::error::Error;

use shared::model::{NameError, NamedRevisionError};
use shared::settings;

use crate::cli::args::GiveUpAfterError;
use crate::cli::ticket::ParseTicketError;
use crate::node::MemoryBudgetError;

shared::messages! {
    fn name_empty() { en: "a name must not be empty", es: "un nombre no puede estar vacío" }
    fn name_too_long(max, got) {
        en: "a name may have {max} bytes, this one has {got}",
        es: "un nombre puede tener {max} bytes, este tiene {got}"
    }
    fn name_part_too_long(max, got) {
        en: "a name may have {max} bytes in one part, this one has {got}",
        es: "cada parte de un nombre puede tener {max} bytes, esta tiene {got}"
    }
    fn name_empty_part(name) {
        en: "a name must not begin or end with '/' or contain '//': {name}",
        es: "un nombre no puede empezar ni acabar con '/' ni contener '//': {name}"
    }
    fn name_dot_part(name) {
        en: "a part of a name must not be '.' or '..': {name}",
        es: "una parte de un nombre no puede ser '.' ni '..': {name}"
    }
    fn name_bad_character(found, name) {
        en: "a name must not contain {found}: {name}",
        es: "un nombre no puede contener {found}: {name}"
    }
    fn name_like_id(name) {
        en: "{name} reads as a content id; choose another name",
        es: "{name} parece el id de un contenido; elija otro nombre"
    }
    fn no_revision(text) {
        en: "{text} names no revision; write NAME@REVISION, such as models/a@3 (`peer history NAME` lists them)",
        es: "{text} no indica una revisión; escriba NOMBRE@REVISIÓN, como models/a@3 (`peer history NOMBRE` las lista)"
    }
    fn no_ticket(text) {
        en: "{text} is not a line of `peer send`: enjambre://HOST:PORT/ID/NAME",
        es: "{text} no es una línea de `peer send`: enjambre://HOST:PUERTO/ID/NOMBRE"
    }
    fn or_none(what) { en: "{what}; or none", es: "{what}; o none" }
    fn too_little_memory(size) {
        en: "{size} is too little memory for transfers; give at least 16MiB",
        es: "{size} es muy poca memoria para las transferencias; dé al menos 16MiB"
    }
    fn same_name() { en: "that is the same name", es: "es el mismo nombre" }
    fn bad_replicas(text, max) {
        en: "{text} is not a number of replicas; choose 1 to {max}",
        es: "{text} no es un número de réplicas; elija de 1 a {max}"
    }
}

/// What is wrong with a value that was typed, in the language in force.
#[must_use]
pub(crate) fn mistake(error: &(dyn Error + 'static)) -> String {
    if let Some(error) = error.downcast_ref() {
        return name_error(error);
    }
    match error.downcast_ref() {
        Some(NamedRevisionError::NoRevision(text)) => return no_revision(format_args!("{text:?}")),
        Some(NamedRevisionError::Name(error)) => return name_error(error),
        None => {}
    }
    match error.downcast_ref() {
        Some(MemoryBudgetError::TooSmall(size)) => return too_little_memory(size),
        Some(MemoryBudgetError::Size(error)) => return settings::mistake(error),
        None => {}
    }
    if let Some(ParseTicketError(text)) = error.downcast_ref() {
        return no_ticket(format_args!("{text:?}"));
    }
    if let Some(GiveUpAfterError(error)) = error.downcast_ref() {
        return or_none(settings::mistake(error));
    }
    settings::mistake(error)
}

/// Why a text is no name.
#[must_use]
pub(crate) fn name_error(error: &NameError) -> String {
    match error {
        NameError::Empty => name_empty().to_owned(),
        NameError::TooLong { scope: "", max, got } => name_too_long(max, got),
        NameError::TooLong { max, got, .. } => name_part_too_long(max, got),
        NameError::EmptyPart(name) => name_empty_part(format_args!("{name:?}")),
        NameError::DotPart(name) => name_dot_part(format_args!("{name:?}")),
        NameError::BadCharacter { found, name } => {
            name_bad_character(format_args!("{found:?}"), format_args!("{name:?}"))
        }
        NameError::LooksLikeId(name) => name_like_id(name),
    }
}

#[cfg(test)]
mod tests {
    use shared::model::{Name, NamedRevision};

    use super::*;
    use crate::cli::args::GiveUpAfter;
    use crate::cli::ticket::Ticket;
    use crate::node::MemoryBudget;

    #[test]
    fn in_english_a_mistake_is_told_as_the_error_tells_it() {
        let long = "x".repeat(1025);
        let part = "x".repeat(256);
        for text in ["", &long, &part, "a//b", "a/../b", "a\u{7}", &"0".repeat(64)] {
            let error = Name::new(text).expect_err("no name");
            assert_eq!(mistake(&error), error.to_string());
        }
        for text in ["a", "a//b@1"] {
            let error = text.parse::<NamedRevision>().expect_err("no revision");
            assert_eq!(mistake(&error), error.to_string());
        }
        let small = "1MiB".parse::<MemoryBudget>().expect_err("too little");
        assert_eq!(mistake(&small), small.to_string());
        let ticket = "x".parse::<Ticket>().expect_err("no line");
        assert_eq!(mistake(&ticket), ticket.to_string());
        let patience = "x".parse::<GiveUpAfter>().expect_err("no duration");
        assert_eq!(mistake(&patience), patience.to_string());
    }
}
