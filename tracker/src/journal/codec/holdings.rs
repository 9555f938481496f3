//! The byte form of what a peer keeps.
//!
//! Most of it is whole contents, of which no bitmap is written.

use shared::model::{ContentId, FragmentSet, Holding, MAX_FRAGMENTS};

use super::{DecodeError, Reader, Writer, complaint};

/// All fragments are held.
const WHOLE: u8 = 1;

/// It was assigned.
const ASSIGNED: u8 = 2;

impl Writer {
    pub(super) fn holdings(&mut self, holdings: &[Holding]) {
        self.length(holdings.len());
        for holding in holdings {
            let is_whole = holding.fragments.is_full();
            self.raw(holding.content.as_bytes());
            self.u32(holding.fragments.capacity());
            let how = if is_whole { WHOLE } else { 0 };
            self.u8(if holding.is_assigned { how | ASSIGNED } else { how });
            if !is_whole {
                self.raw(&holding.fragments.to_bytes());
            }
        }
    }
}

impl Reader<'_> {
    pub(super) fn bit(&mut self) -> Result<bool, DecodeError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(DecodeError(format!("{other} is neither yes nor no"))),
        }
    }

    pub(super) fn holdings(&mut self) -> Result<Vec<Holding>, DecodeError> {
        (0..self.u32()?).map(|_| self.holding()).collect()
    }

    fn holding(&mut self) -> Result<Holding, DecodeError> {
        let content = ContentId::from_bytes(self.array()?);
        let count = self.u32()?;
        if count > MAX_FRAGMENTS {
            return Err(DecodeError(format!("{count} fragments are too many")));
        }
        let how = self.u8()?;
        if how > WHOLE | ASSIGNED {
            return Err(DecodeError(format!("nothing is held in the way {how}")));
        }
        let fragments = match how & WHOLE {
            0 => {
                let bytes = self.take(count.div_ceil(8) as usize)?;
                FragmentSet::from_bytes(count, bytes).map_err(complaint)?
            }
            _ => FragmentSet::full(count),
        };
        Ok(Holding {
            content,
            fragments,
            keeps: true,
            is_assigned: how & ASSIGNED != 0,
            is_fetching: false,
        })
    }
}
