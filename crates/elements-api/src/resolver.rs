//! Addresses of hosts, on few threads of its own.
//!
//! The system's resolver blocks its thread until it gives up, which may take half a minute. On the threads that the
//! runtime keeps for what may block it would hold up files, passwords and scrapes.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::watch;

/// How many names are looked up at the same time: two hosts, and a proxy for each. Requests for one host share a lookup.
const MOST_LOOKUPS: usize = 4;

/// The lookups that are on their way in this process.
static LOOKUPS: Mutex<BTreeMap<String, Lookup>> = Mutex::new(BTreeMap::new());

/// One that is on its way, and what it came to: every request for the host gets it.
type Lookup = watch::Receiver<Option<Result<Arc<[SocketAddr]>, Arc<io::Error>>>>;

/// Asks the system's resolver.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Resolver;

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let find = |name: &str| (name, 0).to_socket_addrs().map(Iterator::collect);
            let addresses = end(begin(name.as_str().to_owned(), find)?).await?;
            Ok(Box::new(Vec::from(&*addresses).into_iter()) as Addrs)
        })
    }
}

/// Begins to `find` the addresses of `name`. Whoever asks for the same name meanwhile waits for the same answer; whoever
/// has waited long enough goes away, and leaves the thread to the system.
fn begin(
    name: String,
    find: impl FnOnce(&str) -> io::Result<Arc<[SocketAddr]>> + Send + 'static,
) -> io::Result<Lookup> {
    let mut lookups = lookups();
    if let Some(found) = lookups.get(&name) {
        return Ok(found.clone());
    }
    if lookups.len() >= MOST_LOOKUPS {
        return Err(io::Error::other("the system's resolver does not answer, and is not asked for yet another name"));
    }
    let (tell, found) = watch::channel(None);
    let host = name.clone();
    thread::Builder::new().name("resolver".to_owned()).spawn(move || {
        let found = find(&host).map_err(Arc::new);
        self::lookups().remove(&host);
        tell.send_replace(Some(found));
    })?;
    lookups.insert(name, found.clone());
    Ok(found)
}

/// Waits for what was found.
async fn end(mut lookup: Lookup) -> io::Result<Arc<[SocketAddr]>> {
    match lookup.wait_for(Option::is_some).await.as_deref() {
        Ok(Some(Ok(addresses))) => Ok(addresses.clone()),
        Ok(Some(Err(error))) => Err(io::Error::new(error.kind(), error.clone())),
        // It panicked, which ends the process.
        Ok(None) | Err(_) => Err(io::Error::other("the lookup ended without an answer")),
    }
}

fn lookups() -> MutexGuard<'static, BTreeMap<String, Lookup>> {
    // Each change to it is one step, which no panic can leave half done.
    LOOKUPS.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};

    use url::Url;

    use super::*;
    use crate::transport::{Http, Request, SendError, Transport};
    use crate::{Settings, testing};

    /// A lookup that two have asked for, and that is on its way until the other end is dropped.
    fn hang(name: &str) -> (Lookup, Sender<()>) {
        let (answer, waiting) = channel::<()>();
        begin(name.to_owned(), move |_| {
            let _ = waiting.recv();
            Err(io::Error::other("no such host"))
        })
        .unwrap();
        (begin(name.to_owned(), |_| unreachable!("it is looked up already")).unwrap(), answer)
    }

    /// What comes of a request to `url`.
    async fn requested(url: &str) -> String {
        let url = Url::parse(url).unwrap();
        let settings = Settings { base_url: url.clone(), ..testing::settings() };
        match Http::new(&settings).unwrap().send(Request { url, bearer: None, body: None }).await {
            Err(SendError::Network(problem)) => problem.to_string(),
            _ => "an answer".to_owned(),
        }
    }

    /// One test, since the lookups are the process's.
    #[tokio::test]
    async fn names_that_are_not_answered_cost_a_thread_each_and_few_of_them_at_once() {
        let hanging: Vec<_> = (0..MOST_LOOKUPS).map(|number| hang(&format!("host-{number}.invalid"))).collect();
        let refused = requested("http://another.invalid").await;
        assert!(refused.contains("resolver does not answer"), "{refused}");
        for (lookup, answer) in hanging {
            drop(answer);
            assert_eq!(end(lookup).await.unwrap_err().to_string(), "no such host");
        }
        let mut resolved = Resolver.resolve("localhost".parse().unwrap()).await.unwrap();
        assert!(resolved.all(|address| address.ip().is_loopback()));
    }
}
