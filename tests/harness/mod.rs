//! An exporter that runs beside a simulated API: what each test binary that starts one needs. What only one of them
//! needs is in that one, so that the compiler finds whatever nobody uses any more.

mod exporter;
pub mod yaml;

use std::future::Future;
use std::process::Child;
use std::time::Duration;

use elements_sim::{Customer, World};
use tokio::time::{Instant, sleep};

pub use exporter::Exporter;
pub use yaml::{Folder, Yaml};

/// How long anything may take on a busy machine before a test gives up.
pub const PATIENCE: Duration = Duration::from_secs(40);

pub const M365: u32 = 2048;
pub const FLY: u32 = 16_777_216;

/// Waits until `condition` yields something, and returns it.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut condition: impl FnMut() -> F) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = condition().await {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// Two customers with two products.
pub fn world() -> World {
    World::with([
        Customer::new("c-1", "Contoso").product(M365, 25).product(FLY, 7),
        Customer::new("c-2", "Fabrikam").product(M365, 300),
    ])
}

/// A program that runs. Dropped, it is killed.
#[derive(Debug)]
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A client that asks the address that it is given, whatever surrounds the tests.
pub fn http() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap()
}
