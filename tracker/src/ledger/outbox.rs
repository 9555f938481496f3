//! Outbox: orders that wait to be sent to one peer.

use shared::model::Order;
use tokio::sync::{mpsc, oneshot};

use crate::state::Closing;

/// Orders that wait to be sent to one peer: several ticks' worth. A peer that lets more pile up is cut off.
const OUTBOX_ORDERS: usize = 4096;

/// The writer's end of an outbox.
#[derive(Debug)]
pub(super) struct Outbox {
    orders: mpsc::Sender<Order>,
    closing: oneshot::Sender<Closing>,
}

/// The session's end of an outbox: the orders, and then why there are no more.
#[derive(Debug)]
pub struct Orders {
    orders: mpsc::Receiver<Order>,
    closing: oneshot::Receiver<Closing>,
}

impl Outbox {
    pub(super) fn new() -> (Self, Orders) {
        let (orders_tx, orders) = mpsc::channel(OUTBOX_ORDERS);
        let (closing_tx, closing) = oneshot::channel();
        (
            Self {
                orders: orders_tx,
                closing: closing_tx,
            },
            Orders { orders, closing },
        )
    }

    /// Puts an order in; returns false when there is no room.
    pub(super) fn put(&self, order: Order) -> bool {
        // An order to a session that has just ended is dropped.
        !matches!(
            self.orders.try_send(order),
            Err(mpsc::error::TrySendError::Full(_))
        )
    }

    /// Closes the outbox; orders that wait are still sent.
    pub(super) fn close(self, why: Closing) {
        if self.closing.send(why).is_err() {
            tracing::trace!(%why, "the session had ended already");
        }
    }
}

impl Orders {
    /// Returns the next order; at the end, why the session ends.
    ///
    /// Cancel-safe.
    ///
    /// # Errors
    /// At the end.
    pub async fn next(&mut self) -> Result<Order, Closing> {
        match self.orders.recv().await {
            Some(order) => Ok(order),
            // Without a reason the writer itself has ended.
            None => Err(self.closing.try_recv().unwrap_or(Closing::Stopping)),
        }
    }
}
