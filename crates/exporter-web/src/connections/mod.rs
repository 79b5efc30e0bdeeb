//! The connections: how many, for how long, and how they end.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::{self, AbortHandle, JoinSet};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::connection::Connection;
use crate::origin::Origin;
use crate::phase::{Phase, PhaseClock};
use crate::{Handler, Limits, Service};

/// All connections. Whoever owns this decides when to look for the ones that take too long.
#[derive(Debug)]
pub(crate) struct Connections<S> {
    handler: Arc<Handler<S>>,
    limits: Limits,
    /// How many may be open: as many as the limit allows, or fewer where the system had no room for as many.
    most_open: usize,
    /// Whether newcomers take the places of others, which was logged.
    full: bool,
    stopping: CancellationToken,
    tasks: JoinSet<()>,
    open: HashMap<task::Id, (AbortHandle, Arc<PhaseClock>)>,
}

impl<S: Service> Connections<S> {
    pub(crate) fn new(handler: Arc<Handler<S>>, limits: Limits) -> Self {
        Self {
            handler,
            limits,
            most_open: limits.connections,
            full: false,
            stopping: CancellationToken::new(),
            tasks: JoinSet::new(),
            open: HashMap::new(),
        }
    }

    /// Serves a new client at `origin`. Where too many are there already, the one that has been quiet for longest is closed for it.
    pub(crate) fn add<I>(&mut self, stream: I, origin: Origin)
    where
        I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        if self.open.len() >= self.most_open {
            if !std::mem::replace(&mut self.full, true) {
                warn!(
                    connections = self.open.len(),
                    "too many connections: those that have been quiet for longest are closed"
                );
            }
            if !self.close_quietest() {
                return;
            }
        }
        let tls = self.handler.config().tls().cloned();
        let begin = if tls.is_some() { Phase::Handshake } else { Phase::Head };
        let clock = Arc::new(PhaseClock::new(begin));
        let connection = Connection {
            origin,
            clock: clock.clone(),
            handler: self.handler.clone(),
            limits: self.limits,
            stopping: self.stopping.clone(),
        };
        let task = self.tasks.spawn(connection.run(stream, tls));
        self.open.insert(task.id(), (task, clock));
    }

    /// Waits until a connection has ended, in whichever way; for ever where there is none.
    pub(crate) async fn ended(&mut self) {
        let id = match self.tasks.join_next_with_id().await {
            Some(Ok((id, ()))) => id,
            Some(Err(error)) => error.id(),
            None => return std::future::pending().await,
        };
        self.open.remove(&id);
    }

    /// The system has no room for another connection: closes an eighth of those that wait for their clients, so that
    /// newcomers find places. [`close_overdue`](Self::close_overdue) tries again, little by little, whether there is room for more.
    pub(crate) fn make_room(&mut self) {
        self.most_open = (self.open.len() * 7 / 8).max(1);
        while self.open.len() > self.most_open && self.close_quietest() {}
    }

    /// Closes what takes too long.
    pub(crate) fn close_overdue(&mut self) {
        self.most_open = self.limits.connections.min(self.most_open + 1);
        self.full &= self.open.len() > self.most_open / 2;
        let Limits { handshake, head, idle, sending, .. } = self.limits;
        self.open.retain(|_, (task, clock)| {
            let (phase, lasted) = clock.now();
            let limit = match phase {
                Phase::Handshake => handshake,
                Phase::Idle => idle,
                Phase::Head => head,
                Phase::Sending => sending,
                // It waits for this exporter, not for its client.
                Phase::Answering => return true,
            };
            let in_time = lasted < limit;
            if !in_time {
                debug!(?phase, ?limit, "closed a connection that took too long");
                task.abort();
            }
            in_time
        });
    }

    /// Closes the connection that is worth least, and among these the one whose client has been quiet for longest: who
    /// has not agreed on TLS yet goes first, or they could push out all who have; who takes an answer goes last.
    /// `false`: none waits for its client.
    fn close_quietest(&mut self) -> bool {
        let quiet = self.open.iter().filter_map(|(id, (_, clock))| {
            let (phase, lasted) = clock.now();
            let worth = match phase {
                Phase::Handshake => 0,
                Phase::Idle | Phase::Head => 1,
                Phase::Sending => 2,
                Phase::Answering => return None,
            };
            Some((Reverse(worth), lasted, *id))
        });
        let Some((.., id)) = quiet.max_by_key(|(worth, lasted, _)| (*worth, *lasted)) else { return false };
        if let Some((task, _)) = self.open.remove(&id) {
            task.abort();
        }
        true
    }

    /// Answers what was asked, as far as the grace allows, and closes every connection.
    pub(crate) async fn drain(mut self) {
        let grace = self.limits.grace;
        self.stopping.cancel();
        let all_ended = async {
            while !self.tasks.is_empty() {
                self.ended().await;
            }
        };
        if timeout(grace, all_ended).await.is_err() {
            debug!(connections = self.open.len(), "closed the connections whose requests were not answered in time");
        }
    }
}

#[cfg(test)]
mod tests;
