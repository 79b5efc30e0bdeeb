//! The loop that accepts, on several sockets, and while the system has no room.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::task::Poll;
use std::time::Duration;

use rustix::io::Errno;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep_until};
use tracing::{info, warn};

/// How long nobody is accepted after the system had no resources for it.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(50);

/// So many bytes the system takes for a client before they can be sent. By itself it would hold megabytes for one that
/// does not read, which count as this process's memory where that is limited. What is on its way does not count: one that
/// reads has all the speed there is.
const UNSENT: u32 = 128 << 10;

/// The system has no resources for another connection.
#[derive(Debug)]
pub(crate) struct Exhausted;

/// The listening sockets, each of which gets its turn.
#[derive(Debug)]
pub(crate) struct Accepting {
    listeners: Vec<TcpListener>,
    /// The listener that is asked first, so that none is left out while another is flooded.
    next: usize,
    paused_until: Option<Instant>,
}

impl Accepting {
    pub(crate) const fn new(listeners: Vec<TcpListener>) -> Self {
        Self { listeners, next: 0, paused_until: None }
    }

    /// The next connection, and its client's address. Nothing is lost where this is dropped while it waits.
    pub(crate) async fn accept(&mut self) -> Result<(TcpStream, SocketAddr), Exhausted> {
        if let Some(until) = self.paused_until {
            sleep_until(until).await;
        }
        loop {
            match self.any().await {
                Ok((stream, client)) => {
                    if self.paused_until.take().is_some() {
                        info!("accepting connections again");
                    }
                    // Responses are written whole: waiting for more would only delay their end. A socket that cannot
                    // do this is about to fail anyway.
                    let _ = stream.set_nodelay(true);
                    let _ = SockRef::from(&stream).set_tcp_notsent_lowat(UNSENT);
                    return Ok((stream, client));
                }
                Err(error) if concerns_one_connection(&error) => {}
                Err(error) => {
                    if self.paused_until.replace(Instant::now() + EXHAUSTED_PAUSE).is_none() {
                        warn!(%error, "cannot accept connections now; trying again");
                    }
                    return Err(Exhausted);
                }
            }
        }
    }

    async fn any(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
        let Self { listeners, next, .. } = self;
        poll_fn(|context| {
            for offset in 0..listeners.len() {
                let index = (*next + offset) % listeners.len();
                if let Poll::Ready(accepted) = listeners[index].poll_accept(context) {
                    *next = index + 1;
                    return Poll::Ready(accepted);
                }
            }
            Poll::Pending
        })
        .await
    }
}

/// Linux hands the errors of a connection that is already gone to whoever accepts it: accept(2), "Error handling".
fn concerns_one_connection(error: &io::Error) -> bool {
    Errno::from_io_error(error).is_some_and(|errno| OF_ONE_CONNECTION.contains(&errno))
}

/// Those of the protocols beneath, and that a signal came between.
const OF_ONE_CONNECTION: [Errno; 13] = [
    Errno::CONNABORTED,
    Errno::CONNREFUSED,
    Errno::CONNRESET,
    Errno::HOSTDOWN,
    Errno::HOSTUNREACH,
    Errno::INTR,
    Errno::NETDOWN,
    Errno::NETUNREACH,
    Errno::NONET,
    Errno::NOPROTOOPT,
    Errno::OPNOTSUPP,
    Errno::PROTO,
    Errno::TIMEDOUT,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_system_holds_little_for_a_client_that_does_not_read() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (client, accepted) = tokio::join!(TcpStream::connect(address), async {
            Accepting::new(vec![listener]).accept().await.unwrap().0
        });
        assert!(SockRef::from(&accepted).tcp_notsent_lowat().unwrap() == UNSENT);
        drop(client);
    }

    #[test]
    fn only_what_concerns_one_connection_is_passed_over() {
        for (name, number) in [
            ("ENONET", 64),
            ("EPROTO", 71),
            ("ENOPROTOOPT", 92),
            ("EOPNOTSUPP", 95),
            ("ENETDOWN", 100),
            ("ENETUNREACH", 101),
            ("ECONNABORTED", 103),
            ("EHOSTDOWN", 112),
            ("EHOSTUNREACH", 113),
        ] {
            assert!(concerns_one_connection(&io::Error::from_raw_os_error(number)), "{name}");
        }
        for (name, number) in [("ENOMEM", 12), ("ENFILE", 23), ("EMFILE", 24), ("ENOBUFS", 105)] {
            assert!(!concerns_one_connection(&io::Error::from_raw_os_error(number)), "{name}");
        }
    }
}
