//! Turns at what only one can do at a time, fair between those who want it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::origin::Origin;

/// One turn at a time. Origins take turns, however many times each of them asks: whoever waits does so for the turn
/// that runs, and for one of each origin that was there before.
#[derive(Debug, Default)]
pub(crate) struct Turns(Shared);

type Shared = Arc<Mutex<Queue>>;

/// The turn, until it is dropped.
#[derive(Debug)]
pub(crate) struct Turn(Shared);

/// So many wait already that another would take too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Busy;

/// Beside the turn that runs, one for each of two servers that scrape from behind one address.
const MOST_OF_ONE: usize = 2;

/// Together they fill a quarter of the connections that a server has by default, so that newcomers find places.
const MOST_ORIGINS: usize = 64;

#[derive(Debug, Default)]
struct Queue {
    /// Whether somebody has the turn. Where nobody has, nobody waits.
    is_taken: bool,
    /// Who waits. The first origin is the next.
    origins: VecDeque<(Origin, VecDeque<Waiting>)>,
}

/// Where the turn is waited for. It is closed where that is given up.
type Waiting = oneshot::Sender<Turn>;

impl Turns {
    /// Waits for a turn; dropping this gives it up.
    pub(crate) async fn take(&self, origin: Origin) -> Result<Turn, Busy> {
        let waiting = lock(&self.0).enter(origin)?;
        match waiting {
            None => Ok(Turn(self.0.clone())),
            // Who waits is sent a turn sooner or later.
            Some(turn) => turn.await.map_err(|_| Busy),
        }
    }

    /// How many wait.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        lock(&self.0).origins.iter().map(|(_, waiting)| waiting.len()).sum()
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let next = lock(&self.0).next();
        if let Some(next) = next {
            // Whoever has just given up drops the turn, which so goes to the next.
            let _ = next.send(Self(self.0.clone()));
        }
    }
}

impl Queue {
    /// Where to wait; `None`: the turn is taken at once.
    fn enter(&mut self, origin: Origin) -> Result<Option<oneshot::Receiver<Turn>>, Busy> {
        if !self.is_taken {
            self.is_taken = true;
            return Ok(None);
        }
        self.forget_who_gave_up();
        let (sender, turn) = oneshot::channel();
        let has_room = self.origins.len() < MOST_ORIGINS;
        match self.origins.iter_mut().find(|(other, _)| *other == origin) {
            Some((_, waiting)) if waiting.len() < MOST_OF_ONE => waiting.push_back(sender),
            None if has_room => self.origins.push_back((origin, [sender].into())),
            _ => return Err(Busy),
        }
        Ok(Some(turn))
    }

    /// Who has the turn now; `None`: nobody wants it.
    fn next(&mut self) -> Option<Waiting> {
        self.forget_who_gave_up();
        while let Some((origin, mut waiting)) = self.origins.pop_front() {
            let next = waiting.pop_front();
            if !waiting.is_empty() {
                self.origins.push_back((origin, waiting));
            }
            if next.is_some() {
                return next;
            }
        }
        self.is_taken = false;
        None
    }

    fn forget_who_gave_up(&mut self) {
        self.origins.retain_mut(|(_, waiting)| {
            waiting.retain(|waiting| !waiting.is_closed());
            !waiting.is_empty()
        });
    }
}

fn lock(queue: &Shared) -> MutexGuard<'_, Queue> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use tokio::task::{JoinSet, yield_now};

    use super::*;

    fn origin(number: u32) -> Origin {
        IpAddr::from(Ipv4Addr::from_bits(number)).into()
    }

    /// Lets each of `origins` wait for a turn, one after the other; whoever has had it tells its place among them.
    async fn wait(turns: &Arc<Turns>, origins: &[u32]) -> JoinSet<usize> {
        let mut waiting = JoinSet::new();
        for (place, number) in origins.iter().enumerate() {
            let (turns, origin) = (turns.clone(), origin(*number));
            waiting.spawn(async move {
                let _turn = turns.take(origin).await.unwrap();
                place
            });
            yield_now().await;
        }
        assert_eq!(turns.waiting(), origins.len());
        waiting
    }

    #[tokio::test]
    async fn origins_take_turns_and_two_of_one_may_wait() {
        let turns = Arc::<Turns>::default();
        let first = turns.take(origin(1)).await.unwrap();
        let waiting = wait(&turns, &[1, 1, 2, 2, 3]).await;
        assert_eq!(turns.take(origin(1)).await.unwrap_err(), Busy);
        drop(first);
        assert_eq!(waiting.join_all().await, [0, 2, 4, 1, 3]);
        assert!(turns.take(origin(1)).await.is_ok(), "nobody has it any more");
    }

    #[tokio::test]
    async fn who_gives_up_leaves_a_place_and_takes_no_turn() {
        let turns = Arc::<Turns>::default();
        let first = turns.take(origin(1)).await.unwrap();
        wait(&turns, &[1, 1, 2]).await.shutdown().await;
        let mut gone = wait(&turns, &[1]).await;
        drop(first);
        // Its turn has come, and it has not seen that.
        gone.abort_all();
        assert!(turns.take(origin(2)).await.is_ok());
    }

    #[tokio::test]
    async fn there_is_a_bound_on_origins() {
        let turns = Arc::<Turns>::default();
        let _first = turns.take(origin(0)).await.unwrap();
        let _waiting = wait(&turns, &(0..64).collect::<Vec<_>>()).await;
        assert_eq!(turns.take(origin(64)).await.unwrap_err(), Busy);
    }
}
