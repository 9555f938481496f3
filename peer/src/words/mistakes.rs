//! What is wrong with something that was typed.

use shared::model::NameError;

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
    fn bad_replicas(text, max) {
        en: "{text} is not a number of replicas; choose 1 to {max}",
        es: "{text} no es un número de réplicas; elija de 1 a {max}"
    }
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
    use shared::model::Name;

    use super::*;

    #[test]
    fn in_english_a_mistake_is_told_as_the_error_tells_it() {
        let long = "x".repeat(1025);
        let part = "x".repeat(256);
        for text in ["", &long, &part, "a//b", "a/../b", "a\u{7}", &"0".repeat(64)] {
            let error = Name::new(text).expect_err("no name");
            assert_eq!(name_error(&error), error.to_string());
        }
    }
}
