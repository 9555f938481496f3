//! The language of messages for people, and messages that exist in every language or not at all.
//!
//! [`messages!`](crate::messages) turns a catalogue into functions: one for each message, with its English
//! and its Spanish text side by side. A message without one of them does not compile, nor does one whose
//! texts have different placeholders. [`choose`] determines the language; [`set_language`] sets it for the
//! process, once, before the first message; [`current`] tells the functions. A language is a property of the
//! process, like its locale, and changes only words, never decisions.
//!
//! Logs, JSON and everything on the wire are English in any case.

use std::cell::Cell;
use std::ffi::OsString;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};

/// A language of the programs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Language {
    /// English, which is also the default.
    #[default]
    English,
    /// Spanish.
    Spanish,
}

/// A text that names none of the languages.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no language that is spoken here; choose en or es")]
pub struct LanguageError(pub(crate) String);

impl Language {
    /// Every language.
    pub const ALL: [Self; 2] = [Self::English, Self::Spanish];

    /// Returns the code of ISO 639: `en` or `es`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Spanish => "es",
        }
    }

    /// Returns the language of a POSIX locale such as `es_MX.UTF-8`; English for other languages.
    #[must_use]
    pub fn of_locale(locale: &str) -> Self {
        let code = locale.split(['_', '-', '.', '@']).next().unwrap_or_default();
        code.to_ascii_lowercase().parse().unwrap_or_default()
    }
}

impl FromStr for Language {
    type Err = LanguageError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|language| language.code() == text);
        found.ok_or_else(|| LanguageError(text.chars().take(40).collect()))
    }
}

/// The variable of the environment that names a language.
pub const VARIABLE: &str = "ENJAMBRE_LANG";

/// Returns the language of the flag, or else of [`VARIABLE`], or else of the locale (`LC_ALL`, `LC_MESSAGES`
/// or `LANG`, the first that is set).
///
/// # Errors
/// When the flag or the variable names none; an unknown locale means English.
pub fn choose(flag: Option<&str>, env: &dyn Fn(&str) -> Option<OsString>) -> Result<Language, LanguageError> {
    let variable = |key: &str| -> Option<String> {
        let value = env(key)?.to_string_lossy().into_owned();
        (!value.is_empty()).then_some(value)
    };
    if let Some(named) = flag.map(str::to_owned).or_else(|| variable(VARIABLE)) {
        return named.parse();
    }
    let locale = ["LC_ALL", "LC_MESSAGES", "LANG"].into_iter().find_map(variable);
    Ok(locale.map_or(Language::English, |locale| Language::of_locale(&locale)))
}

/// Whether the language of the process is Spanish.
static IS_SPANISH: AtomicBool = AtomicBool::new(false);

thread_local! {
    static HERE: Cell<Option<Language>> = const { Cell::new(None) };
}

/// Sets the language of the process.
pub fn set_language(language: Language) {
    IS_SPANISH.store(language == Language::Spanish, Ordering::Relaxed);
}

/// Returns the language in force.
#[must_use]
pub fn current() -> Language {
    HERE.get().unwrap_or_else(|| {
        if IS_SPANISH.load(Ordering::Relaxed) {
            Language::Spanish
        } else {
            Language::English
        }
    })
}

/// Sets the language of this thread until the result is dropped: for logs, and for tests, which share a
/// process.
#[must_use]
pub fn here(language: Language) -> Here {
    Here(HERE.replace(Some(language)))
}

/// The language of this thread before [`here`]; its drop restores it.
#[derive(Debug)]
pub struct Here(Option<Language>);

impl Drop for Here {
    fn drop(&mut self) {
        HERE.set(self.0);
    }
}

/// A message of a catalogue, for tests of the catalogue.
#[derive(Clone, Copy, Debug)]
pub struct Message {
    /// The name of its function.
    pub name: &'static str,
    /// English text, or texts for one and for many.
    pub english: &'static [&'static str],
    /// Spanish text, or texts for one and for many.
    pub spanish: &'static [&'static str],
}

impl Message {
    /// Returns a mistake that the compiler cannot see: an empty or untranslated text, spaces at its ends.
    #[must_use]
    pub fn complaint(&self) -> Option<String> {
        let is_word = |text: &str| {
            text.split(['{', '}'])
                .step_by(2)
                .any(|part| part.contains(char::is_alphabetic))
        };
        for (english, spanish) in self.english.iter().zip(self.spanish) {
            let why = if english.is_empty() || spanish.is_empty() {
                "has an empty text"
            } else if english == spanish && is_word(english) {
                "is the same in both languages"
            } else if english.ends_with(' ') != spanish.ends_with(' ')
                || english.starts_with(' ') != spanish.starts_with(' ')
            {
                "begins or ends with a space in one language only"
            } else {
                continue;
            };
            return Some(format!("{} {why}: {english:?}, {spanish:?}", self.name));
        }
        None
    }
}

/// Makes functions of messages: `pub(crate) fn`s that return the text in the language in force.
///
/// Without arguments a function returns a `&'static str`, with arguments a `String`. Arguments are named;
/// each is anything that has a `Display`, and stands in both texts. Two texts in brackets are for one and for
/// many: the first argument is the count then, a `u64`, and the text for one leaves it out.
///
/// ```
/// mod words {
///     shared::messages! {
///         fn offline() { en: "offline", es: "sin conexión" }
///         fn connected(tracker) { en: "connected to {tracker}", es: "conectado con {tracker}" }
///         fn peers(count) { en: ["1 peer", "{count} peers"], es: ["1 nodo", "{count} nodos"] }
///     }
///     pub fn say() -> String {
///         format!("{}; {}; {} and {}", offline(), connected("a:1"), peers(1), peers(2))
///     }
/// }
/// use shared::language::{Language, here};
/// assert_eq!(words::say(), "offline; connected to a:1; 1 peer and 2 peers");
/// let _spanish = here(Language::Spanish);
/// assert_eq!(words::say(), "sin conexión; conectado con a:1; 1 nodo and 2 nodos");
/// ```
///
/// A text that is missing, or a placeholder that is only in one of them, does not compile:
///
/// ```compile_fail
/// shared::messages! {
///     fn offline() { en: "offline" }
/// }
/// ```
///
/// ```compile_fail
/// shared::messages! {
///     fn connected(tracker) { en: "connected to {tracker}", es: "conectado" }
/// }
/// ```
#[macro_export]
macro_rules! messages {
    ($($(#[$meta:meta])* fn $name:ident $args:tt { en: $en:tt, es: $es:tt $(,)? })*) => {
        $($crate::messages!(@function [$(#[$meta])*] $name $args $en $es);)*

        /// Every message here.
        #[cfg(test)]
        pub(crate) const MESSAGES: &[$crate::language::Message] = &[
            $($crate::language::Message {
                name: stringify!($name),
                english: $crate::messages!(@texts $en),
                spanish: $crate::messages!(@texts $es),
            },)*
        ];
    };
    (@texts [$one:literal, $many:literal]) => { &[$one, $many] };
    (@texts $text:literal) => { &[$text] };
    (@function [$($meta:tt)*] $name:ident () $en:literal $es:literal) => {
        $($meta)*
        #[must_use]
        pub(crate) fn $name() -> &'static str {
            match $crate::language::current() {
                $crate::language::Language::English => $en,
                $crate::language::Language::Spanish => $es,
            }
        }
    };
    (@function [$($meta:tt)*] $name:ident ($count:ident $(, $arg:ident)*) [$en_one:literal, $en:literal] [$es_one:literal, $es:literal]) => {
        $($meta)*
        #[must_use]
        pub(crate) fn $name($count: u64 $(, $arg: impl ::std::fmt::Display)*) -> String {
            match ($crate::language::current(), $count) {
                ($crate::language::Language::English, 1) => format!($en_one $(, $arg = $arg)*),
                ($crate::language::Language::English, _) => format!($en, $count = $count $(, $arg = $arg)*),
                ($crate::language::Language::Spanish, 1) => format!($es_one $(, $arg = $arg)*),
                ($crate::language::Language::Spanish, _) => format!($es, $count = $count $(, $arg = $arg)*),
            }
        }
    };
    (@function [$($meta:tt)*] $name:ident ($($arg:ident),+ $(,)?) $en:literal $es:literal) => {
        $($meta)*
        #[must_use]
        pub(crate) fn $name($($arg: impl ::std::fmt::Display),+) -> String {
            match $crate::language::current() {
                $crate::language::Language::English => format!($en, $($arg = $arg),+),
                $crate::language::Language::Spanish => format!($es, $($arg = $arg),+),
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::messages! {
        fn fine(what) { en: "no {what}", es: "sin {what}" }
        fn figures(done) { en: ["1 %", "{done} %"], es: ["1 %", "{done} %"] }
        fn forgotten(what) { en: "no {what}", es: "no {what}" }
    }

    #[test]
    fn a_locale_names_a_language_by_its_first_letters() {
        for (locale, language) in [
            ("es", Language::Spanish),
            ("es_ES.UTF-8", Language::Spanish),
            ("es-MX", Language::Spanish),
            ("ES@euro", Language::Spanish),
            ("en_GB", Language::English),
            ("C", Language::English),
            ("POSIX", Language::English),
            ("fr_FR.UTF-8", Language::English),
            ("est", Language::English),
        ] {
            assert_eq!(Language::of_locale(locale), language, "{locale}");
        }
    }

    #[test]
    fn the_flag_wins_over_the_variable_and_that_over_the_locale() {
        let meant = |flag, set: &[(&str, &str)]| {
            let env = |key: &str| {
                set.iter()
                    .find(|(name, _)| *name == key)
                    .map(|(_, value)| value.into())
            };
            choose(flag, &env)
        };
        let (english, spanish) = (Ok(Language::English), Ok(Language::Spanish));
        assert_eq!(meant(None, &[]), english);
        assert_eq!(meant(None, &[("LANG", "es_ES.UTF-8")]), spanish);
        assert_eq!(meant(None, &[("LANG", "es"), ("LC_MESSAGES", "C")]), english);
        assert_eq!(
            meant(None, &[("LC_ALL", ""), ("LC_MESSAGES", "es"), ("LANG", "C")]),
            spanish
        );
        assert_eq!(meant(None, &[("LC_ALL", "C"), (VARIABLE, "es")]), spanish);
        assert_eq!(meant(Some("en"), &[(VARIABLE, "es")]), english);
        assert!(meant(Some("fr"), &[]).is_err());
        assert!(meant(None, &[(VARIABLE, "español")]).is_err());
    }

    #[test]
    fn the_language_of_a_thread_ends_with_its_scope() {
        assert_eq!(fine("x"), "no x");
        {
            let _spanish = here(Language::Spanish);
            assert_eq!(
                (fine("x"), figures(1), figures(2)),
                ("sin x".into(), "1 %".into(), "2 %".into())
            );
            let _english = here(Language::English);
            assert_eq!(forgotten("x"), "no x");
        }
        assert_eq!(current(), Language::English);
    }

    #[test]
    fn a_text_that_was_not_translated_is_found() {
        let complaints: Vec<_> = MESSAGES.iter().filter_map(Message::complaint).collect();
        assert_eq!(complaints.len(), 1, "{complaints:?}");
        assert!(
            complaints[0].starts_with("forgotten is the same"),
            "{complaints:?}"
        );
    }
}
