//! What differs between two states of the settings.

use std::ffi::OsString;

use super::key::Effect;
use super::values::Values;

/// A setting that is not what it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which.
    pub name: &'static str,
    /// When that takes effect.
    pub effect: Effect,
    /// What it was; none: nothing.
    pub from: Option<OsString>,
    /// What it is; none: nothing.
    pub to: Option<OsString>,
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let words = |text: &Option<OsString>| match text {
            Some(text) => format!("{:?}", text.display().to_string()),
            None => "nothing".to_owned(),
        };
        write!(
            f,
            "{} is {} instead of {}",
            self.name,
            words(&self.to),
            words(&self.from)
        )
    }
}

/// The settings whose values differ, in the table's order. Another place that says the same is no change.
#[must_use]
pub fn changes(from: &Values, to: &Values) -> Vec<Change> {
    let owned = |values: &Values, name| values.text(name).map(OsString::from);
    let one = |setting: &&'static dyn super::Setting| {
        let name = setting.name();
        let (from, to) = (owned(from, name), owned(to, name));
        (from != to).then_some(Change {
            name,
            effect: setting.effect(),
            from,
            to,
        })
    };
    to.table().iter().filter_map(one).collect()
}

impl Values {
    /// What is in force once these changes have taken effect as far as they can without a restart: the new
    /// values of what can change, the old ones of what cannot.
    #[must_use]
    pub(super) fn in_force(&self, new: &Self) -> Self {
        let mut in_force = new.clone();
        for change in changes(self, new) {
            if change.effect == Effect::AtRestart {
                match self.said.get(change.name) {
                    Some(said) => in_force.said.insert(change.name, said.clone()),
                    None => in_force.said.remove(change.name),
                };
            }
        }
        in_force
    }
}
