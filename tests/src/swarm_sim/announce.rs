//! Knowledge among hosts: they meet, announce their fragments, and leave.

use std::sync::Arc;

use rand::seq::SliceRandom as _;

use peer::fetch::scheduler::Event;

use super::plan::Role;
use super::queue::{Happening, HostId, News};
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
            let news = self.news(whom);
            self.hears(who, whom, &news);
        }
    }

    /// Notes a change at the host, to be announced to its neighbours.
    pub(super) fn has_news(&mut self, host: HostId) {
        if !std::mem::replace(&mut self.hosts[host].is_telling, true) {
            let soon = self.now + nanos(self.plan.news_interval);
            self.queue.plan(soon, Happening::Tells(host));
        }
    }

    pub(super) fn is_free(&self, host: HostId) -> bool {
        let host = &self.hosts[host];
        host.slots_used + host.waiting.len() < self.plan.slots + self.plan.line
    }

    fn news(&self, id: HostId) -> News {
        let host = &self.hosts[id];
        News {
            held: host.held.clone(),
            coming: host.coming.clone(),
            handed_out: host.handed_out.clone(),
            is_free: self.is_free(id),
        }
    }

    pub(super) fn tells(&mut self, host: HostId) {
        self.hosts[host].is_telling = false;
        let news = Arc::new(self.news(host));
        self.hosts[host].said_free = news.is_free;
        self.later(Happening::Told(host, news));
    }

    pub(super) fn told(&mut self, host: HostId, news: &News) {
        // Taken out for the loop: announcing changes no links.
        let linked = std::mem::take(&mut self.hosts[host].linked);
        let mut linked = linked;
        linked.shuffle(&mut self.rng);
        for other in &linked {
            self.hears(*other, host, news);
        }
        self.hosts[host].linked = linked;
    }

    fn hears(&mut self, who: HostId, of: HostId, news: &News) {
        let host = &self.hosts[who];
        if host.plan.role == Role::Receiver && host.completed.is_none() {
            let source = self.hosts[of].id;
            self.apply(
                who,
                Event::Has {
                    source,
                    fragments: news.held.clone(),
                    coming: news.coming.clone(),
                },
            );
            self.apply(
                who,
                Event::Serves {
                    source,
                    handed_out: news.handed_out.clone(),
                    is_full: !news.is_free,
                },
            );
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
