//! The byte form of what is said of the past of names.

use shared::model::{
    CollectionSize, ContentId, PinCount, ReplicationTarget, RevisedContent, Revision, RevisionLimit,
    Timestamp,
};

use super::{
    COLLECTED, DecodeError, FLOOR_RAISED, NAME_FORGOTTEN, PIN_CHANGED, REMEMBERED, REVISIONS_KEPT, Reader,
    Writer, complaint,
};
use crate::state::{NameFact, Past};

const REMOVED: u8 = 0;
const COLLECTED_FILE: u8 = 1;
const COLLECTED_COLLECTION: u8 = 2;
const KEPT_FILE: u8 = 3;
const KEPT_COLLECTION: u8 = 4;

impl Writer {
    pub(super) fn line(&mut self, fact: &NameFact) {
        match fact {
            NameFact::RevisionsKept(limit) => {
                self.u8(REVISIONS_KEPT);
                self.u32(limit.get());
            }
            NameFact::Collected { name, revision } => {
                self.u8(COLLECTED);
                self.revised(name, *revision);
            }
            NameFact::PinChanged { name, revision, pins } => {
                self.u8(PIN_CHANGED);
                self.revised(name, *revision);
                self.u32(pins.get());
            }
            NameFact::NameForgotten(name) => {
                self.u8(NAME_FORGOTTEN);
                self.text(name.as_str());
            }
            NameFact::FloorRaised(floor) => {
                self.u8(FLOOR_RAISED);
                self.u64(floor.get());
            }
            NameFact::Remembered { name, revision, past } => {
                self.u8(REMEMBERED);
                self.revised(name, *revision);
                self.past(past);
            }
        }
    }

    fn past(&mut self, past: &Past) {
        match past {
            Past::Removed => self.u8(REMOVED),
            Past::Collected { was, pins } => {
                self.u8(match was.collection {
                    None => COLLECTED_FILE,
                    Some(_) => COLLECTED_COLLECTION,
                });
                self.u32(pins.get());
                self.raw(was.content.as_bytes());
                self.u64(was.length);
                self.u32(was.target.get());
                if let Some(size) = was.collection {
                    self.u32(size.parts);
                    self.u64(size.length);
                }
            }
            Past::Kept {
                since,
                pins,
                target,
                manifest,
                publishers,
                parts,
            } => {
                self.u8(if parts.is_none() {
                    KEPT_FILE
                } else {
                    KEPT_COLLECTION
                });
                self.u64(since.as_millis());
                self.u32(pins.get());
                self.u32(target.get());
                self.manifest(manifest);
                self.publishers(publishers);
                if let Some(parts) = parts {
                    self.parts(parts);
                }
            }
        }
    }
}

impl Reader<'_> {
    pub(super) fn line(&mut self, tag: u8) -> Result<NameFact, DecodeError> {
        Ok(match tag {
            REVISIONS_KEPT => NameFact::RevisionsKept(RevisionLimit::new(self.u32()?).map_err(complaint)?),
            COLLECTED => NameFact::Collected {
                name: self.parsed()?,
                revision: Revision::new(self.u64()?),
            },
            PIN_CHANGED => NameFact::PinChanged {
                name: self.parsed()?,
                revision: Revision::new(self.u64()?),
                pins: self.pins()?,
            },
            NAME_FORGOTTEN => NameFact::NameForgotten(self.parsed()?),
            FLOOR_RAISED => NameFact::FloorRaised(Revision::new(self.u64()?)),
            REMEMBERED => NameFact::Remembered {
                name: self.parsed()?,
                revision: Revision::new(self.u64()?),
                past: self.past()?,
            },
            other => return Err(DecodeError(format!("there is no fact of kind {other}"))),
        })
    }

    fn pins(&mut self) -> Result<PinCount, DecodeError> {
        self.u32().map(PinCount::new)
    }

    fn target(&mut self) -> Result<ReplicationTarget, DecodeError> {
        ReplicationTarget::new(self.u32()?).map_err(complaint)
    }

    fn past(&mut self) -> Result<Past, DecodeError> {
        match self.u8()? {
            REMOVED => Ok(Past::Removed),
            kind @ (COLLECTED_FILE | COLLECTED_COLLECTION) => Ok(Past::Collected {
                pins: self.pins()?,
                was: RevisedContent {
                    content: ContentId::from_bytes(self.array()?),
                    length: self.u64()?,
                    target: self.target()?,
                    collection: match kind {
                        COLLECTED_FILE => None,
                        _ => Some(CollectionSize {
                            parts: self.u32()?,
                            length: self.u64()?,
                        }),
                    },
                },
            }),
            kind @ (KEPT_FILE | KEPT_COLLECTION) => Ok(Past::Kept {
                since: Timestamp::from_millis(self.u64()?),
                pins: self.pins()?,
                target: self.target()?,
                manifest: self.manifest()?,
                publishers: self.publishers()?,
                parts: match kind {
                    KEPT_FILE => None,
                    _ => Some(self.parts()?),
                },
            }),
            other => Err(DecodeError(format!("there is no past of kind {other}"))),
        }
    }
}
