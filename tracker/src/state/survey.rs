//! How safe one content is, and how safe all of them are.
//!
//! All of them are looked at step by step, so that no reader holds the writer up for long; what changes in between may be
//! counted as it was or as it is.

use std::collections::BTreeSet;

use shared::model::{ContentId, ContentRef, ContentState, Durability, Endangered, Repair, Survey, Why};

use super::State;
use super::assessment::Assessment;
use super::catalogue::Content;
use super::command::Rejection;
use super::losses::Toll;
use super::repair::{UnderWay, committed};

/// Looks at keepers in one step: some milliseconds.
const STEP: usize = 20_000;

/// A survey that has not come to its end.
#[derive(Debug, Default)]
pub struct Surveying {
    survey: Survey,
    toll: Toll,
    endangered: BTreeSet<Endangered>,
    after: Option<ContentId>,
}

impl State {
    /// Looks at the next contents; the result when there are no more.
    #[must_use]
    pub fn survey_step(&self, surveying: &mut Surveying) -> Option<Survey> {
        let mut cost = 0;
        while cost < STEP {
            let Some(id) = self.catalogue.contents_after(surveying.after).next() else {
                return Some(self.surveyed(surveying));
            };
            surveying.after = Some(id);
            if let Some(content) = self.catalogue.content(id) {
                cost += 1 + self.survey_one(content, surveying);
            }
        }
        None
    }

    fn surveyed(&self, surveying: &mut Surveying) -> Survey {
        let mut survey = std::mem::take(&mut surveying.survey);
        survey.fatal = surveying.toll.summary();
        survey.endangered = std::mem::take(&mut surveying.endangered).into_iter().collect();
        survey.in_safe_mode = self.is_in_safe_mode();
        survey.repair = self.repair_of(self.assignments.bytes(), survey.repair.bytes_waiting);
        survey
    }

    fn survey_one(&self, content: &Content, surveying: &mut Surveying) -> usize {
        if content.manifest.fragment_count() == 0 {
            return 0;
        }
        let health = self.health_of(content);
        let survey = &mut surveying.survey;
        survey.contents += 1;
        survey.bytes = survey.bytes.saturating_add(content.manifest.length());
        match health.state {
            ContentState::Replicated => survey.replicated += 1,
            ContentState::Degraded => survey.degraded += 1,
            ContentState::Unavailable => survey.unavailable += 1,
        }
        let losses = health.fewest.saturating_sub(1).min(3);
        survey.survives[losses as usize] += 1;
        let lacking = self.lacking(content, &self.assess(content));
        survey.repair.bytes_waiting = survey.repair.bytes_waiting.saturating_add(lacking);
        if health.state != ContentState::Replicated
            && let Some(name) = content.names().first()
        {
            surveying.endangered.insert(Endangered {
                fewest: health.fewest,
                name: name.clone(),
                target: health.target.get(),
                copies_under_way: health.copies_under_way,
            });
            if surveying.endangered.len() > Survey::LISTED {
                surveying.endangered.pop_last();
            }
        }
        self.add_toll(content, &mut surveying.toll)
    }

    /// Which losses a content would survive, and what is done about it.
    ///
    /// # Errors
    /// [`Rejection::NoSuchName`], [`Rejection::NoSuchContent`].
    pub fn durability(&self, what: &ContentRef) -> Result<Durability, Rejection> {
        let (binding, content) = self.find(what)?;
        let health = self.health_of(content);
        let mut toll = Toll::default();
        self.add_toll(content, &mut toll);
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let keepers = self.keepers(content);
        let draining = keepers.iter().filter(|held| self.is_draining(held.peer));
        let held = self.holders.of(binding.content).iter();
        let others = held.filter(|held| self.is_source(held));
        let (live, silent): (Vec<_>, Vec<_>) = others.partition(|held| self.members.is_live(held.peer));
        let under_way = self
            .assignments
            .of(binding.content)
            .map(|(_, job)| job.bytes())
            .sum();
        let waiting = self.lacking(content, &self.assess(content));
        Ok(Durability {
            name: binding.name,
            content: binding.content,
            health,
            survives_any: health.fewest.saturating_sub(1),
            draining: count(draining.count()),
            keepers: count(keepers.len()),
            away: count(silent.iter().filter(|held| held.keeps).count()),
            sources: count(live.iter().filter(|held| !held.keeps).count()),
            fatal: toll.summary(),
            repair: self.repair_of(under_way, waiting),
            reasons: self.reasons(content),
        })
    }

    /// Why a content is below its target.
    ///
    /// # Errors
    /// As [`Self::durability`].
    pub fn why(&self, what: &ContentRef) -> Result<Why, Rejection> {
        let (binding, content) = self.find(what)?;
        Ok(Why {
            name: binding.name,
            content: binding.content,
            health: self.health_of(content),
            reasons: self.reasons(content),
            fetch: None,
        })
    }

    /// Everything that is under way comes before it is over: nobody can say in which order.
    fn repair_of(&self, bytes_under_way: u64, bytes_waiting: u64) -> Repair {
        let is_done = bytes_under_way == 0 && bytes_waiting == 0;
        let ahead = self.assignments.bytes().saturating_add(bytes_waiting);
        let remaining = self.pace.time_for(self.ticked_at, ahead);
        Repair {
            bytes_under_way,
            bytes_waiting,
            pace: self.pace.rate(self.ticked_at),
            remaining: remaining.filter(|_| !is_done),
        }
    }

    /// Bytes of the copies that the content lacks, that could be made and that nobody has been asked for.
    pub(super) fn lacking(&self, content: &Content, assessment: &Assessment) -> u64 {
        let target = content.target.get();
        let under_way: UnderWay = self.under_way(&content.manifest);
        let lacking = |index| {
            let committed = committed(assessment, &under_way, index, target);
            let can_be_made = u32::from(assessment.sourced.contains(index));
            u64::from(target.saturating_sub(committed) * can_be_made)
        };
        let length_of = |index| u64::from(content.manifest.len_of(index));
        if assessment.is_uniform() && assessment.sourced.is_full() && under_way.is_empty() {
            let first = content.manifest.indices().next();
            return first.map_or(0, |first| lacking(first) * content.manifest.length());
        }
        let indices = content.manifest.indices();
        indices.map(|index| lacking(index) * length_of(index)).sum()
    }
}
