//! Who knows what of whom: hosts meet, tell their neighbours what they have, and are missed.

use std::sync::Arc;

use peer::fetch::scheduler::Event;
use shared::model::FragmentSet;

use super::plan::Role;
use super::queue::{Happening, HostId};
use super::world::{World, nanos};

impl World<'_> {
    pub(super) fn meet(&mut self, one: HostId, other: HostId) {
        if !self.hosts[one].is_present || !self.hosts[other].is_present {
            return;
        }
        for (who, whom) in [(one, other), (other, one)] {
            self.hosts[who].linked.push(whom);
            let source = self.hosts[whom].id;
            self.apply(
                who,
                Event::Joined {
                    source,
                    is_near: false,
                },
            );
            let (held, coming) = (self.hosts[whom].held.clone(), self.hosts[whom].coming.clone());
            self.hears(who, whom, &held, &coming);
        }
    }

    /// Something has changed at the host; its neighbours will be told.
    pub(super) fn has_news(&mut self, host: HostId) {
        if !std::mem::replace(&mut self.hosts[host].is_telling, true) {
            let soon = self.now + nanos(self.plan.news_interval);
            self.queue.plan(soon, Happening::Tells(host));
        }
    }

    pub(super) fn tells(&mut self, host: HostId) {
        self.hosts[host].is_telling = false;
        let news = (self.hosts[host].held.clone(), self.hosts[host].coming.clone());
        self.later(Happening::Told(host, Arc::new(news)));
    }

    pub(super) fn told(&mut self, host: HostId, news: &(FragmentSet, FragmentSet)) {
        // Taken out for the loop: hearing changes nobody's links.
        let linked = std::mem::take(&mut self.hosts[host].linked);
        for other in &linked {
            self.hears(*other, host, &news.0, &news.1);
        }
        self.hosts[host].linked = linked;
    }

    fn hears(&mut self, who: HostId, of: HostId, held: &FragmentSet, coming: &FragmentSet) {
        let host = &self.hosts[who];
        if host.plan.role == Role::Receiver && host.completed.is_none() {
            let event = Event::Has {
                source: self.hosts[of].id,
                fragments: held.clone(),
                coming: coming.clone(),
            };
            self.apply(who, event);
        }
    }

    pub(super) fn missed(&mut self, host: HostId) {
        let source = self.hosts[host].id;
        for other in std::mem::take(&mut self.hosts[host].linked) {
            self.hosts[other].linked.retain(|linked| *linked != host);
            self.apply(other, Event::Left { source });
        }
    }
}
