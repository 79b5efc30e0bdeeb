//! `demo`: the whole exporter on a simulated API.

use std::io::{Write, stdout};
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use anyhow::{Context, Result};
use elements_api::{Credential, CustomerId, Secret, SecretSource};
use elements_sim::{Simulator, World, demo};
use tokio::task::spawn_blocking;

use super::args::Options;
use super::logging::Log;
use super::{Outcome, bind, on_hang_up, on_stop};
use crate::app::Source;
use crate::config::{Config, USER_AGENT};
use crate::poll::{self, ConfiguredCustomer, Discovery, ProductList, Selection};

/// Nobody but the person who tries it.
const DEFAULT_ADDRESS: &str = "127.0.0.1:10878";

/// Short enough that something happens while a person watches.
const INTERVAL: Duration = Duration::from_secs(15);

/// Runs the exporter against the simulator until a signal stops it.
pub(super) async fn run(options: &Options, log: &Log) -> Result<Outcome> {
    let (shutdown, reload) = (on_stop()?, on_hang_up()?);
    let world = demo::world();
    let simulator = Simulator::start(world.clone()).await.context("the simulated API cannot be started")?;
    let config = config(&simulator, world)?;
    let source = Source::Fixed(Box::new(config));
    let Some(app) = bind(options, source, DEFAULT_ADDRESS, log, &shutdown).await? else { return Ok(Outcome::Done) };
    let Some(address) = app.addresses().first() else { return Ok(Outcome::Failed) };
    // Every interface is an address to listen on, and none that a browser takes.
    let port = address.port();
    let place = if address.ip().is_unspecified() { format!("localhost:{port}") } else { address.to_string() };
    let (url, path) = (format!("{}://{place}", app.scheme()), &options.telemetry_path);
    let greeting =
        format!("A demo on a simulated API; stop it with Ctrl-C.\n  metrics:     {url}{path}\n  status page: {url}/");
    // Nobody need read it: a full pipe holds up neither the exporter nor its end.
    spawn_blocking(move || writeln!(stdout().lock(), "{greeting}"));
    tokio::select! {
        outcome = app.run(shutdown, reload) => outcome?,
        never = demo::live(simulator.control(), INTERVAL) => match never {},
    }
    Ok(Outcome::Done)
}

/// As a partner would write it: discovery finds the customers, and those with a short name get one.
fn config(simulator: &Simulator, world: World) -> Result<Config> {
    let api = elements_api::Settings {
        user_agent: USER_AGENT,
        base_url: simulator.base_url().parse()?,
        token_url: simulator.token_url().parse()?,
        client_id: world.client_id,
        credential: Credential::Secret(SecretSource::Inline(Secret::new(world.client_secret.unwrap_or_default()))),
        ca_file: None,
        timeout: Duration::from_secs(5),
        max_in_flight: NonZeroUsize::MIN.saturating_add(15),
        requests_per_second: NonZeroU32::MIN.saturating_add(199),
        max_retries: 3,
        discovery: true,
    };
    let poll = poll::Timing { interval: INTERVAL, stale_after: INTERVAL * 3, absent_interval: INTERVAL * 4 };
    let customers = world.customers.iter().filter_map(|customer| {
        let name = customer.organization.to_lowercase().replace(' ', "-");
        Some(ConfiguredCustomer { id: CustomerId::parse(&customer.id)?, name: Some(name), products: None })
    });
    let products = ProductList::All;
    let selection = Selection { customers: customers.collect(), discovery: Some(Discovery::default()), products };
    Ok(Config { api, poll, state_file: None, selection })
}
