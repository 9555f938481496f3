//! The byte form of what is said of the past of names.

use shared::model::{
    CollectionSize, ContentId, PinCount, ReplicationTarget, RevisedContent, Revision, RevisionLimit,
    Timestamp,
};

use super::{
    COLLECTED, DecodeError, FLOOR_RAISED, NAME_FORGOTTEN, PIN_CHANGED, REMEMBERED, REVISIONS_KEPT, Reader,
    Writer, complaint,
};
use crate::state::{LineFact, Past};

const REMOVED: u8 = 0;
const COLLECTED_FILE: u8 = 1;
const COLLECTED_COLLECTION: u8 = 2;
const KEPT_FILE: u8 = 3;
const KEPT_COLLECTION: u8 = 4;

impl Writer {
    pub(super) fn line(&mut self, fact: &LineFact) {
        match fact {
            LineFact::RevisionsKept(limit) => {
                self.u8(REVISIONS_KEPT);
                self.u32(limit.get());
            }
            LineFact::Collected { name, revision } => {
                self.u8(COLLECTED);
                self.revised(name, *revision);
            }
            LineFact::PinChanged { name, revision, pins } => {
                self.u8(PIN_CHANGED);
                self.revised(name, *revision);
                self.u32(pins.get());
            }
            LineFact::NameForgotten(name) => {
                self.u8(NAME_FORGOTTEN);
                self.text(name.as_str());
            }
            LineFact::FloorRaised(floor) => {
                self.u8(FLOOR_RAISED);
                self.u64(floor.get());
            }
            LineFact::Remembered { name, revision, past } => {
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
    pub(super) fn line(&mut self, tag: u8) -> Result<LineFact, DecodeError> {
        Ok(match tag {
            REVISIONS_KEPT => LineFact::RevisionsKept(RevisionLimit::new(self.u32()?).map_err(complaint)?),
            COLLECTED => LineFact::Collected {
                name: self.parsed()?,
                revision: Revision::new(self.u64()?),
            },
            PIN_CHANGED => LineFact::PinChanged {
                name: self.parsed()?,
                revision: Revision::new(self.u64()?),
                pins: self.pins()?,
            },
            NAME_FORGOTTEN => LineFact::NameForgotten(self.parsed()?),
            FLOOR_RAISED => LineFact::FloorRaised(Revision::new(self.u64()?)),
            REMEMBERED => LineFact::Remembered {
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
