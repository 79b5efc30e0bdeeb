//! An exporter under attack, which a client as it should be scrapes meanwhile.

use std::time::{Duration, Instant};

use elements_sim::Simulator;
use procfs::process::Process;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{Mutex, MutexGuard, watch};
use tokio::time::{interval, timeout};
use tokio_util::task::AbortOnDropHandle;

use crate::harness::{Exporter, Folder, PATIENCE, Yaml, world};

/// In which each scrape has to end: in [`SLOWER`] times as long as without an attack, but neither in less than the first
/// nor in more than the second of these. Whoever waits for another client waits for ten seconds or more.
const LIMITS: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(5)];

const SLOWER: u32 = 40;

/// Between two scrapes.
const PACE: Duration = Duration::from_millis(50);

const MIB: u64 = 1 << 20;

/// Waits for the end of every other attack, and keeps off more until it is dropped: the scrapes are timed.
pub async fn alone() -> MutexGuard<'static, ()> {
    static ATTACK: Mutex<()> = Mutex::const_new(());
    ATTACK.lock().await
}

/// Scraped until it is dropped.
pub struct Victim {
    pub exporter: Exporter,
    /// How many scrapes were answered.
    scrapes: watch::Receiver<u32>,
    _task: AbortOnDropHandle<()>,
    /// The most that was resident before the attack.
    before: u64,
    _simulator: Simulator,
}

impl Victim {
    /// With few targets.
    pub async fn start() -> Self {
        let simulator = Simulator::start(world()).await.unwrap();
        let exporter = Exporter::start(&Folder::new(&Yaml::new(&simulator))).await;
        Self::of(exporter, simulator).await
    }

    /// Begins to scrape an exporter.
    pub async fn of(exporter: Exporter, simulator: Simulator) -> Self {
        let client = reqwest::Client::builder().no_proxy().tls_certs_only([]);
        let url = format!("http://{}/metrics", exporter.address());
        Self::scraped(exporter, simulator, client, url).await
    }

    /// As `of`, with a client and a URL of the test's own.
    pub async fn scraped(
        exporter: Exporter,
        simulator: Simulator,
        client: reqwest::ClientBuilder,
        url: String,
    ) -> Self {
        // Each scrape on a connection of its own: it has to find a place first.
        let client = client.pool_max_idle_per_host(0).build().unwrap();
        let mut undisturbed = Duration::ZERO;
        for _ in 0..3 {
            undisturbed = undisturbed.max(scrape(&client, &url).await);
        }
        let limit = (undisturbed * SLOWER).clamp(LIMITS[0], LIMITS[1]);
        let (answered, scrapes) = watch::channel(0);
        let task = AbortOnDropHandle::new(tokio::spawn(async move {
            let mut ticks = interval(PACE);
            loop {
                ticks.tick().await;
                let took = scrape(&client, &url).await;
                assert!(took < limit, "a scrape took {took:?}, and may take {limit:?}");
                answered.send_modify(|answered| *answered += 1);
            }
        }));
        let mut victim = Self { exporter, scrapes, _task: task, before: 0, _simulator: simulator };
        victim.scraped_again(5).await;
        victim.before = resident_peak(&victim.exporter);
        victim
    }

    /// Waits for so many more scrapes, none of which may fail or take long.
    pub async fn scraped_again(&self, more: u32) {
        let mut scrapes = self.scrapes.clone();
        let goal = *scrapes.borrow() + more;
        let reached = timeout(PATIENCE, scrapes.wait_for(|scrapes| *scrapes >= goal)).await;
        assert!(matches!(reached, Ok(Ok(_))), "scrapes failed:\n{}", self.exporter.log());
    }

    /// Ends the attack: it may have cost so many MiB.
    pub async fn survived(self, mib: u64) {
        self.scraped_again(5).await;
        let cost = resident_peak(&self.exporter).saturating_sub(self.before);
        assert!(cost < mib * MIB, "the attack took {} MiB", cost / MIB);
        let Self { exporter, _task: task, .. } = self;
        drop(task);
        exporter.stop().await;
    }
}

/// How long a scrape takes, which has to succeed.
async fn scrape(client: &reqwest::Client, url: &str) -> Duration {
    let begun = Instant::now();
    let answer = client.get(url).send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
    // An answer that is not complete is an error.
    answer.bytes().await.expect("a complete answer");
    begun.elapsed()
}

/// Many connections to the exporter, on each of which `bytes` were sent.
pub async fn crowd(exporter: &Exporter, number: usize, bytes: &[u8]) -> Vec<TcpStream> {
    let mut crowd = Vec::new();
    for _ in 0..number {
        let socket = TcpSocket::new_v4().unwrap();
        // What nobody reads must weigh on the exporter, not on this side of the connection.
        socket.set_recv_buffer_size(4096).unwrap();
        let mut client = socket.connect(exporter.address().parse().unwrap()).await.unwrap();
        // It may be closed already.
        let _ = client.write_all(bytes).await;
        crowd.push(client);
    }
    crowd
}

/// The most memory that the exporter had, in bytes.
fn resident_peak(exporter: &Exporter) -> u64 {
    let process = Process::new(exporter.pid().cast_signed()).unwrap();
    process.status().unwrap().vmhwm.unwrap() << 10
}

/// Whether the exporter has closed the connection, on which it never sends anything.
pub fn is_closed(client: &TcpStream) -> bool {
    !matches!(client.try_read(&mut [0]), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
}
