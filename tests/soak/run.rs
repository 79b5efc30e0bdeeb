//! The script played to a running exporter, and each scrape held against the model.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Read;
use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use elements_api::CATALOG;
use elements_sim::{Customer, Effect, Platform, Rule, Simulator, Tenant, World};
use flate2::read::MultiGzDecoder;
use reqwest::StatusCode;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING};
use reqwest::tls::TlsInfo;
use rustix::process::Signal;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::exposition::{Key, Scrape};
use super::model::{Model, STALE_AFTER, now};
use super::process::{Clock, Daemon, Footprint};
use super::script::{CUSTOMERS, Event, Product, Script};
use super::yaml::{Folder, Yaml};
use super::{USER, hostile, id};

/// In which a scrape has to succeed, and a cycle to end, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(90);

/// In so many cycles after the end of all faults everything is as it should be: an absent interval, holds that the API
/// asked for, and as much again for a busy machine.
const RECOVERY: u64 = 60;

/// Prometheus' own, in seconds, unless its configuration has another one.
const SCRAPE_TIMEOUT: f64 = 10.0;

/// For how long the API is gone: no number counts at its end.
const OUTAGE: Duration = Duration::from_secs(18);

const PAUSE: Duration = Duration::from_millis(200);

pub struct Soak {
    simulator: Simulator,
    folder: Folder,
    yaml: Yaml,
    address: SocketAddr,
    daemon: Daemon,
    clock: Option<Clock>,
    model: Model,
    http: reqwest::Client,
    passwords: [String; 2],
    is_tls: bool,
    /// That which is served over TLS.
    certificate: Vec<u8>,
    encoding: &'static str,
    crowd: Vec<TcpStream>,
    /// How many cycles to do, and how many have ended in this process and in those before it.
    goal: u64,
    cycles: u64,
    before: u64,
    counts: BTreeMap<String, u64>,
    events: Vec<String>,
    footprints: Vec<Footprint>,
    scrapes: u64,
    refused: u64,
    begun: Instant,
}

type Outcome<T = ()> = Result<T, String>;

impl Soak {
    pub async fn start(goal: u64) -> Self {
        let mut model = Model::new();
        let simulator = Simulator::start(World { record_limit: 16, ..World::default() }).await.unwrap();
        for customer in 1..=CUSTOMERS {
            arrive(&mut model, &simulator, customer);
        }
        let yaml = Yaml::new(&simulator).rest(
            "discovery: {enabled: true}\nproducts: all\nstate_file: state.json\nsubscriptions: {enabled: true}\n\
             tenants: {platforms: [microsoft_365], interval: 20s}\n",
        );
        let yaml = yaml.with_api("timeout", "2s").with_api("max_retries", "1");
        let yaml = yaml.with_poll("stale_after", format!("{STALE_AFTER}s")).with_poll("absent_interval", "20s");
        let folder = Folder::new(&yaml);
        let clock = Clock::find(&folder);
        // Each process listens where the one before did, as behind a unit or a service.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let passwords = [String::from("first"), String::from("first")];
        folder.write("web.yml", users(&passwords[0]));
        let daemon = Daemon::start(&folder, &address.to_string(), None);
        let http = reqwest::Client::builder().no_proxy().tls_danger_accept_invalid_certs(true).tls_info(true);
        let http = http.timeout(Duration::from_secs(20)).pool_max_idle_per_host(0).build().unwrap();
        Self {
            simulator,
            folder,
            yaml,
            address,
            daemon,
            clock,
            model,
            http,
            passwords,
            is_tls: false,
            certificate: Vec::new(),
            encoding: ENCODINGS[0],
            crowd: Vec::new(),
            goal,
            cycles: 0,
            before: 0,
            counts: BTreeMap::new(),
            events: Vec::new(),
            footprints: Vec::new(),
            scrapes: 0,
            refused: 0,
            begun: Instant::now(),
        }
    }

    pub async fn run(&mut self, seed: u64) -> Outcome {
        self.settle().await?;
        for step in Script::new(seed) {
            self.advance(step.after).await?;
            let is_settled = matches!(step.event, Event::Settle);
            if self.is_skipped(&step.event) {
                continue;
            }
            if !is_settled {
                self.note(&step.name);
            }
            self.perform(step.event).await?;
            if is_settled && self.before + self.cycles >= self.goal {
                break;
            }
        }
        self.is_flat()?;
        let status = self.daemon.ended(Signal::TERM).await?;
        if status.code() == Some(0) { Ok(()) } else { Err(format!("it ended with {status}")) }
    }

    /// The last process lives for half of the run, so that there is something to see of what grows.
    fn is_skipped(&self, event: &Event) -> bool {
        let ends = match event {
            Event::Kill | Event::Terminate | Event::Clock(_) => true,
            // TLS ends with the process alone: none begins where the process is to stay.
            Event::Certificate | Event::PlainText => !self.is_tls,
            _ => false,
        };
        ends && (self.before + self.cycles) * 2 > self.goal
    }

    fn note(&mut self, name: &str) {
        *self.counts.entry(name.to_owned()).or_default() += 1;
        self.events.push(format!(
            "{:9.3} s, cycle {}: {name}",
            self.begun.elapsed().as_secs_f64(),
            self.before + self.cycles
        ));
    }

    /// Scrapes until so many more cycles have ended.
    async fn advance(&mut self, cycles: u64) -> Outcome {
        let (mut goal, mut ended) = (self.cycles + cycles, Instant::now());
        while self.cycles < goal {
            let before = self.cycles;
            self.scrape().await?;
            if self.cycles != before {
                ended = Instant::now();
            }
            // Where the process has begun anew, so has the count.
            goal = goal.min(self.cycles + cycles);
            if ended.elapsed() > PATIENCE {
                return Err(format!("no cycle has ended for {PATIENCE:?}"));
            }
            sleep(PAUSE).await;
        }
        Ok(())
    }

    /// One scrape, which has to succeed sooner or later.
    async fn scrape(&mut self) -> Outcome<Scrape> {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.daemon.exit() {
                return Err(format!("the process has ended by itself with {status}"));
            }
            if let Some(panicked) = self.daemon.panics().first() {
                return Err(panicked.clone());
            }
            let at = now();
            match self.ask().await {
                Ok(body) => {
                    let took = now() - at;
                    if took > SCRAPE_TIMEOUT {
                        return Err(format!("a scrape took {took} s"));
                    }
                    self.scrapes += 1;
                    let scrape = Scrape::read(text(&body, self.encoding)?)?;
                    self.model.check(&scrape, at)?;
                    self.cycles = scrape.cycles;
                    if self.scrapes.is_multiple_of(50) {
                        parsed_by_promtool(&scrape.text)?;
                    }
                    return Ok(scrape);
                }
                Err(error) if begun.elapsed() > PATIENCE => return Err(format!("no scrape for {PATIENCE:?}: {error}")),
                Err(_) => self.refused += 1,
            }
            sleep(PAUSE).await;
        }
    }

    /// Asks as Prometheus would be configured now, or was a moment ago: both are followed within seconds.
    async fn ask(&self) -> Outcome<Vec<u8>> {
        let format = if self.scrapes.is_multiple_of(2) { "text/plain" } else { "application/openmetrics-text" };
        let mut refusal = String::new();
        for (is_tls, password) in
            [(self.is_tls, &self.passwords[0]), (self.is_tls, &self.passwords[1]), (!self.is_tls, &self.passwords[0])]
        {
            let scheme = if is_tls { "https" } else { "http" };
            let request = self.http.get(format!("{scheme}://{}/metrics", self.address));
            let request = request.header(ACCEPT, format).header(ACCEPT_ENCODING, self.encoding);
            match request.basic_auth(USER, Some(password)).send().await {
                Ok(answer) if answer.status() == 200 => {
                    return answer.bytes().await.map(Vec::from).map_err(|error| format!("{error:?}"));
                }
                Ok(answer) => refusal = format!("{}", answer.status()),
                Err(error) => refusal = format!("{error:?}"),
            }
        }
        Err(refusal)
    }

    async fn perform(&mut self, event: Event) -> Outcome {
        match event {
            Event::Buy(customer, product) => {
                let number = self.model.number();
                self.answer(customer, product, Some(number), number.into());
            }
            Event::Unknown(customer, product, text) => {
                self.answer(customer, product, None, serde_json::from_str(text).expect("JSON"));
            }
            Event::End(customer, product) => self.answer(customer, product, Some(0), 0.into()),
            Event::Arrive(customer) => arrive(&mut self.model, &self.simulator, customer),
            Event::Leave(customer) => {
                let id = id(customer);
                self.model.leaves(&id, || self.simulator.change(|world| drop(world.customers.remove(&id))));
            }
            Event::Fault(rule) => self.simulator.inject(rule),
            Event::Heal => self.simulator.clear_faults(),
            Event::Kill => self.end(Signal::KILL).await?,
            Event::Terminate => self.end(Signal::TERM).await?,
            Event::Freeze(duration) => {
                self.daemon.signal(Signal::STOP);
                sleep(duration).await;
                self.daemon.signal(Signal::CONT);
            }
            Event::Reload(slots) => {
                self.yaml.api("max_in_flight", slots);
                self.folder.configure(&self.yaml);
                self.reloaded(1).await?;
            }
            Event::WrongConfiguration(rest) => {
                self.folder.configure(&self.yaml.clone().rest(rest));
                self.reloaded(0).await?;
            }
            Event::Secret => {
                let secret = format!("secret-{}", self.cycles);
                self.simulator.change(|world| world.client_secret = Some(secret.clone()));
                self.simulator.revoke_tokens();
                self.advance(1).await?;
                self.yaml.api("client_secret", secret);
                self.folder.configure(&self.yaml);
                self.reloaded(1).await?;
            }
            Event::Outage => {
                self.simulator.clear_faults();
                self.simulator.inject(Rule::new(Effect::status(StatusCode::SERVICE_UNAVAILABLE)));
                self.model.api_is_gone(true);
                let begun = Instant::now();
                while begun.elapsed() < OUTAGE {
                    self.scrape().await?;
                    sleep(PAUSE).await;
                }
                self.model.api_is_gone(false);
            }
            Event::FullDisk(bytes) => {
                self.daemon.limit_files(Some(bytes));
                self.model.disk_is_full(true);
            }
            Event::UnreadLog => self.daemon.read_log(false),
            Event::Hostile(attack) => {
                let crowd = hostile::attack(attack, self.address, &self.passwords[0]).await;
                self.crowd.extend(crowd);
            }
            Event::Password => {
                let password = format!("password-{}", self.scrapes);
                self.passwords.swap(0, 1);
                self.passwords[0] = password;
                self.configure_web();
            }
            Event::WrongUsers => {
                self.folder.write("web.yml", format!("basic_auth_users: {{{USER}: plain}}\n"));
                self.reloaded(0).await?;
                self.configure_web();
                self.reloaded(1).await?;
            }
            Event::Certificate => {
                let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
                // Until both fit, those before go on.
                self.folder.write("server.crt", made.cert.pem());
                self.folder.write("server.key", made.signing_key.serialize_pem());
                self.is_tls = true;
                self.certificate = made.cert.der().to_vec();
                self.configure_web();
            }
            Event::PlainText => {
                self.is_tls = false;
                self.configure_web();
                // It would protect less than before.
                self.reloaded(0).await?;
                self.end(Signal::TERM).await?;
            }
            Event::Clock(steps) => self.set_clock(&steps).await?,
            Event::Settle => self.settle().await?,
        }
        Ok(())
    }

    fn answer(&mut self, customer: u32, product: Product, seats: Option<u64>, value: Value) {
        let (id, product_type) = (id(customer), CATALOG[product].product_type.number());
        let simulator = &self.simulator;
        self.model.answers(&key(customer, product), seats, || simulator.set_seats(&id, product_type, value));
    }

    /// Waits until the last reload was refused, 0, or not, 1.
    async fn reloaded(&mut self, success: u8) -> Outcome {
        const SUCCESSFUL: &str = "avepoint_exporter_config_last_reload_successful";
        let cycle = self.cycles;
        while self.scrape().await?.value(SUCCESSFUL) != Some(f64::from(success)) {
            if self.cycles > cycle + RECOVERY {
                return Err(format!("{SUCCESSFUL} does not become {success}"));
            }
            sleep(PAUSE).await;
        }
        Ok(())
    }

    fn configure_web(&self) {
        let tls = "tls_server_config: {cert_file: server.crt, key_file: server.key}\n";
        let text = users(&self.passwords[0]) + if self.is_tls { tls } else { "" };
        self.folder.write("web.yml", text);
    }

    /// Ends the process, and starts the next one.
    async fn end(&mut self, signal: Signal) -> Outcome {
        self.end_with(signal, false).await
    }

    async fn end_with(&mut self, signal: Signal, is_clocked: bool) -> Outcome {
        self.daemon.read_log(true);
        let status = self.daemon.ended(signal).await?;
        if signal == Signal::KILL {
            self.model.killed();
        } else if status.code() == Some(0) {
            self.model.stopped();
        } else {
            return Err(format!("it ended with {status}"));
        }
        self.model.disk_is_full(false);
        let clock = self.clock.as_ref().filter(|_| is_clocked);
        self.daemon = Daemon::start(&self.folder, &self.address.to_string(), clock);
        self.before += self.cycles;
        self.cycles = 0;
        self.scrape().await?;
        Ok(())
    }

    async fn set_clock(&mut self, steps: &[i32]) -> Outcome {
        if self.clock.is_none() {
            return Ok(());
        }
        self.end_with(Signal::TERM, true).await?;
        for seconds in steps {
            self.model.clock_may_be_ahead(f64::from(*seconds));
            self.clock.iter().for_each(|clock| clock.set(*seconds));
            sleep(Clock::FOLLOWED).await;
            self.model.clock_is_ahead(f64::from(*seconds));
            self.advance(4).await?;
        }
        self.end_with(Signal::TERM, false).await
    }

    /// Ends all faults, and waits until each scrape shows what the API answers.
    async fn settle(&mut self) -> Outcome {
        self.simulator.clear_faults();
        self.daemon.read_log(true);
        self.daemon.limit_files(None);
        self.model.disk_is_full(false);
        self.crowd.clear();
        let cycle = self.cycles;
        loop {
            let scrape = self.scrape().await?;
            let Some(wrong) = self.model.missing(&scrape).or_else(|| self.model.lingers(&scrape)) else {
                parsed_by_promtool(&scrape.text)?;
                break;
            };
            if self.cycles > cycle + RECOVERY {
                return Err(format!("not right {RECOVERY} cycles after all faults: {wrong}"));
            }
            sleep(PAUSE).await;
        }
        self.model.those_who_left_are_gone();
        // Not what the connections of an episode leave for a moment.
        self.advance(2).await?;
        self.lets_in_who_may().await?;
        // What one encoding shows, the other may show a second later: there is no change now.
        self.encoding = if self.encoding == ENCODINGS[0] { ENCODINGS[1] } else { ENCODINGS[0] };
        let footprint = self.daemon.footprint();
        eprintln!("cycle {}: all is as it should be, {footprint:?}", self.before + self.cycles);
        if (self.before + self.cycles) * 2 > self.goal {
            self.footprints.push(footprint);
        }
        Ok(())
    }

    /// Nobody is let in by a password that is not theirs or no longer theirs, or without TLS where there is TLS, and that
    /// has the certificate which was written last.
    async fn lets_in_who_may(&self) -> Outcome {
        let [password, before] = &self.passwords;
        for (is_tls, password, is_let_in) in [
            (self.is_tls, password, true),
            (self.is_tls, before, password == before),
            (self.is_tls, &String::from("guess"), false),
            (!self.is_tls, password, false),
        ] {
            let scheme = if is_tls { "https" } else { "http" };
            let request = self.http.get(format!("{scheme}://{}/seats.json", self.address));
            let answer = request.basic_auth(USER, Some(password)).send().await;
            if answer.as_ref().is_ok_and(|answer| answer.status() == 200) != is_let_in {
                return Err(format!("over {scheme}, {password:?} should be let in: {is_let_in}; it is {answer:?}"));
            }
            let shown = answer.ok().and_then(|answer| answer.extensions().get::<TlsInfo>().cloned());
            let shown = shown.as_ref().and_then(TlsInfo::peer_certificate);
            if is_tls && is_let_in && shown != Some(&self.certificate) {
                return Err("another certificate is served than the one that was written".to_owned());
            }
        }
        Ok(())
    }

    /// Whether the last quarter of what was measured is as the first.
    fn is_flat(&self) -> Outcome {
        let quarter = (self.footprints.len() / 4).max(1);
        let most = |of: &[Footprint], what: fn(&Footprint) -> u64| of.iter().map(what).max().unwrap_or_default();
        let (first, last) = (&self.footprints[..quarter], &self.footprints[self.footprints.len() - quarter..]);
        for Limit { what, of, percent, more } in LIMITS {
            let (before, after) = (most(first, of), most(last, of));
            if after > before + before * percent / 100 + more {
                return Err(format!("{what} grow from {before} to {after}: {:?}", self.footprints));
            }
        }
        Ok(())
    }

    pub fn report(&self) -> String {
        let mut report = format!(
            "{} cycles in {:.0} s, {} scrapes with {} numbers held against the model, {} refused\n",
            self.before + self.cycles,
            self.begun.elapsed().as_secs_f64(),
            self.scrapes,
            self.model.numbers_checked,
            self.refused,
        );
        for (name, count) in &self.counts {
            writeln!(report, "{count:6} {name}").unwrap();
        }
        let (first, last) = (self.footprints.first(), self.footprints.last());
        writeln!(report, "the last process took at first {first:?}\nand at last {last:?}").unwrap();
        if self.clock.is_none() {
            report += "left out: `clock set` did nothing, since the package faketime is not installed\n";
        }
        report
    }

    /// What went wrong, and what happened before it.
    pub fn moment(&self, wrong: &str) -> String {
        let events = &self.events[self.events.len().saturating_sub(40)..];
        let (cycle, log) = (self.before + self.cycles, self.daemon.log());
        format!("at cycle {cycle}: {wrong}\n\nbefore it:\n{}\n\nthe log:\n{log}", events.join("\n"))
    }
}

/// How much more of something may be taken at the end: of a hundred, and beyond that.
struct Limit {
    what: &'static str,
    of: fn(&Footprint) -> u64,
    percent: u64,
    more: u64,
}

/// An allocator keeps pieces, and a scrape may be answered while it is measured.
const LIMITS: [Limit; 3] = [
    Limit { what: "MiB of memory", of: |footprint| footprint.resident_mib, percent: 25, more: 8 },
    Limit { what: "threads", of: |footprint| footprint.threads, percent: 0, more: 8 },
    Limit { what: "descriptors", of: |footprint| footprint.descriptors, percent: 0, more: 16 },
];

fn users(password: &str) -> String {
    format!("basic_auth_users:\n  {USER}: {}\n", bcrypt::hash(password, 4).unwrap())
}

fn key(customer: u32, product: Product) -> Key {
    (id(customer), CATALOG[product].name.to_owned())
}

/// A customer with its first products.
fn arrive(model: &mut Model, simulator: &Simulator, customer: u32) {
    let id = id(customer);
    let tenant = Tenant::new(format!("t-{customer}"), format!("{customer}.example")).assigned(customer);
    let arrives = Customer::new(&id, format!("Customer {customer}")).tenant(Platform::Microsoft365, tenant);
    simulator.change(|world| world.customers.insert(arrives));
    for (product, in_catalog) in CATALOG.iter().enumerate() {
        let seats = if Script::purchased(customer).any(|purchased| purchased == product) { model.number() } else { 0 };
        let product_type = in_catalog.product_type.number();
        model.answers(&key(customer, product), Some(seats), || simulator.set_seats(&id, product_type, seats));
    }
}

/// The encodings of scrapes.
const ENCODINGS: [&str; 2] = ["identity", "gzip"];

fn text(body: &[u8], encoding: &str) -> Outcome<String> {
    let mut text = String::new();
    let mut read: Box<dyn Read> = if encoding == "gzip" { Box::new(MultiGzDecoder::new(body)) } else { Box::new(body) };
    read.read_to_string(&mut text).map_err(|error| format!("no {encoding} text: {error}"))?;
    Ok(text)
}

/// What is in the text format is; promtool knows no other.
fn parsed_by_promtool(text: &str) -> Outcome {
    use std::io::Write as _;
    if text.ends_with("# EOF\n") {
        return Ok(());
    }
    let mut command = Command::new("promtool");
    command.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| format!("promtool of the package prometheus: {error}"))?;
    child.stdin.take().expect("piped").write_all(text.as_bytes()).map_err(|error| error.to_string())?;
    let output = child.wait_with_output().map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(format!("promtool says: {said}")) }
}
