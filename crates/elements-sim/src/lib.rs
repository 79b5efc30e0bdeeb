//! AvePoint's identity service and Elements API, simulated on a loopback port: for tests, benchmarks and demos of what
//! talks to them.
//!
//! A [`Simulator`] answers over real sockets from a [`World`], as strictly as the vendor documents, records what it was
//! asked, and fails in every way that a [`Rule`] describes.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use elements_sim::{Customer, Effect, Operation, Rule, Simulator, World};
//!
//! let world = World::with([Customer::new("c1", "Contoso").product(16_777_216, 25)]);
//! let simulator = Simulator::start(world).await?;
//! simulator.inject(Rule::on(Operation::Token, Effect::throttled(7)).once());
//!
//! // Stands for the program under test, which is given `base_url` and `token_url`.
//! let http = reqwest::Client::builder().no_proxy().build()?;
//! assert_eq!(http.post(simulator.token_url()).send().await?.status(), 429);
//! assert_eq!(http.post(simulator.token_url()).send().await?.status(), 400);
//!
//! assert_eq!(simulator.count(Operation::Token), 2);
//! assert_eq!(simulator.record()[1].header("content-type"), None);
//! # Ok(())
//! # }
//! ```
//!
//! A customer that bought products has the subscriptions to them; others, and tenants, are added:
//!
//! ```
//! use elements_sim::{Customer, Day, Platform, Subscription, Tenant};
//!
//! Customer::new("c1", "Contoso")
//!     .product(2048, 25)
//!     .subscription(Subscription::new("Fly Migration").seats(7).contract_ends(Day::from_now(25)))
//!     .subscription(Subscription::new("EnPower").field("purchasedUnits", 1).without("package"))
//!     .tenant(Platform::Microsoft365, Tenant::new("t1", "contoso.example").available(25).assigned(31));
//! ```
//!
//! It implements the token endpoint, product overviews and the listings of customers, of subscriptions and of tenants, and no
//! more of the API. Its wire format is its own: were it shared with a client, one wrong field name would agree with itself.

#![warn(missing_docs)]

mod answer;
mod assertion;
mod control;
mod day;
pub mod demo;
mod evenly;
mod exchange;
mod fault;
mod identity;
mod latency;
mod partner;
mod record;
mod server;
mod subscription;
mod tenant;
#[cfg(test)]
mod testing;
mod world;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Deref;
use std::sync::Arc;

use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

pub use control::Control;
pub use day::{DateForm, Day};
pub use fault::{Effect, Rule};
pub use latency::{Latency, Spread};
pub use record::{Exchange, Operation};
pub use subscription::{Subscription, service_of};
pub use tenant::{Platform, Tenant};
pub use world::{CUSTOMERS_SCOPE, Customer, Customers, LICENSE_SCOPE, NeverBought, World};

/// A running simulation of the vendor: a [`Control`] with a server behind it. It stops when it is dropped: the port closes
/// and every connection breaks.
#[derive(Debug)]
pub struct Simulator {
    control: Control,
    addr: SocketAddr,
    base_url: String,
    server: JoinHandle<()>,
    stop: DropGuard,
}

impl Simulator {
    /// Plays `world` over plain HTTP on a free port of 127.0.0.1.
    ///
    /// # Errors
    ///
    /// No port can be had.
    pub async fn start(world: World) -> io::Result<Self> {
        Self::listen(world, loopback(), None).await
    }

    /// Plays `world` over HTTPS on a free port of 127.0.0.1. The certificate should name that address.
    ///
    /// # Errors
    ///
    /// No port can be had.
    pub async fn start_tls(world: World, tls: Arc<ServerConfig>) -> io::Result<Self> {
        Self::listen(world, loopback(), Some(tls)).await
    }

    /// Plays `world` on `addr`, which may be the address of a simulator that was [stopped](Self::stop) before.
    ///
    /// # Errors
    ///
    /// The address cannot be listened on.
    pub async fn listen(world: World, addr: SocketAddr, tls: Option<Arc<ServerConfig>>) -> io::Result<Self> {
        let listener = TcpListener::bind(addr).await?;
        let addr = listener.local_addr()?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let base_url = format!("{scheme}://{addr}");
        let control = Control::new(world, token_url(&base_url));
        let stop = CancellationToken::new();
        let server = tokio::spawn(server::run(listener, tls, control.clone(), stop.clone()));
        Ok(Self { control, addr, base_url, server, stop: stop.drop_guard() })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The base URL of the API, without a slash at its end.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// The URL of the identity service's token endpoint.
    pub fn token_url(&self) -> String {
        token_url(&self.base_url)
    }

    /// A handle for another task. It does not keep the server running.
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// Stops, and returns when the port is free and every connection is closed.
    pub async fn stop(self) {
        drop(self.stop);
        // A server that panicked has stopped as well.
        let _ = self.server.await;
    }
}

impl Deref for Simulator {
    type Target = Control;

    fn deref(&self) -> &Control {
        &self.control
    }
}

fn loopback() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

fn token_url(base_url: &str) -> String {
    format!("{base_url}{}", identity::PATH)
}

#[cfg(test)]
mod tests {
    use rcgen::generate_simple_self_signed;
    use rustls::pki_types::PrivateKeyDer;
    use tokio::io::AsyncReadExt;
    use tokio::net::TcpStream;

    use super::testing::{Caller, read};
    use super::*;

    #[tokio::test]
    async fn a_stopped_simulator_leaves_its_port_to_the_next_one() {
        let first = Caller::new(World::with([Customer::new("c1", "Contoso").product(4, 1)])).await;
        assert_eq!(first.overview("c1", 4).await.0, 200);
        let addr = first.sim.addr();
        let mut idle = TcpStream::connect(addr).await.expect("it listens");
        first.sim.stop().await;
        assert_eq!(idle.read(&mut [0; 1]).await.unwrap_or(0), 0, "the connection is closed");
        assert!(TcpStream::connect(addr).await.is_err(), "the port is closed");

        let second = Simulator::listen(World::default(), addr, None).await.expect("the port is free");
        assert_eq!(second.addr(), addr);
        TcpStream::connect(addr).await.expect("it listens again");
    }

    #[tokio::test]
    async fn a_dropped_simulator_breaks_its_connections_off() {
        let sim = Simulator::start(World::default()).await.expect("a free port");
        let mut idle = TcpStream::connect(sim.addr()).await.expect("it listens");
        drop(sim);
        assert_eq!(idle.read(&mut [0; 1]).await.unwrap_or(0), 0);
    }

    #[tokio::test]
    async fn it_speaks_tls_where_it_is_asked_to() {
        let made = generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .expect("they belong together");
        let sim = Simulator::start_tls(World::default(), Arc::new(tls)).await.expect("a free port");
        let root = reqwest::Certificate::from_der(made.cert.der()).expect("a certificate");
        let http = reqwest::Client::builder().no_proxy().tls_certs_only([root]).build().expect("a client");
        assert!(sim.token_url().starts_with("https://"));
        assert_eq!(read(http.get(sim.base_url())).await.0, 404);

        sim.inject(Rule::new(Effect::Reset));
        http.get(sim.base_url()).send().await.expect_err("a reset");
    }
}
