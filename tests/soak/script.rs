//! What goes wrong, and when: all of it follows from the seed.

use std::time::Duration;

use elements_sim::{Effect, Operation, Rule};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use reqwest::StatusCode;
use reqwest::header::HeaderValue;

/// A customer, by its number.
pub type Customer = u32;

/// A product, by its place in the catalogue.
pub type Product = usize;

/// How many products there are.
pub const PRODUCTS: usize = 22;

/// How many customers there are at first: with all products of each, somewhat more than 500 targets.
pub const CUSTOMERS: u32 = 23;

/// With the step's own name, for the report.
#[derive(Debug, Clone)]
pub enum Event {
    /// A number that there never was.
    Buy(Customer, Product),
    /// Answers without a number.
    Unknown(Customer, Product, &'static str),
    /// The product ends: 0.
    End(Customer, Product),
    Arrive(Customer),
    Leave(Customer),
    Fault(Rule),
    Heal,
    Kill,
    Terminate,
    /// SIGSTOP for so long, then SIGCONT.
    Freeze(Duration),
    /// How many requests may be in flight, from a reload on.
    Reload(u32),
    WrongConfiguration(&'static str),
    /// The account's secret changes, and then the configuration.
    Secret,
    /// The whole API is gone for longer than a number counts.
    Outage,
    /// Files end at so many bytes.
    FullDisk(u64),
    UnreadLog,
    Hostile(Attack),
    /// Another password for the scrapes.
    Password,
    WrongUsers,
    /// TLS with a certificate of its own.
    Certificate,
    /// No more TLS, which a reload refuses: the next process has none.
    PlainText,
    /// The process' clock is set, after a restart that puts it under one that can be.
    Clock(Vec<i32>),
    /// All faults end, and all is shown as it is.
    Settle,
}

/// What clients do that are no Prometheus.
#[derive(Debug, Clone, Copy)]
pub enum Attack {
    /// Heads that never end.
    Slow,
    /// Answers that nobody reads.
    Unread,
    /// Bytes that are no HTTP.
    Garbage,
    /// Wrong passwords.
    Guesses,
}

/// An event after so many cycles, and what it is called in the report.
#[derive(Debug)]
pub struct Step {
    pub after: u64,
    pub name: String,
    pub event: Event,
}

/// The steps of a seed, without an end.
pub struct Script {
    random: StdRng,
    customers: Vec<Customer>,
    last_customer: Customer,
    steps: Vec<Step>,
    episodes: usize,
}

/// What the API may answer that is no answer. None of these numbers may ever be shown.
const NONSENSE: [&str; 8] = [
    r#"{"productType":999,"purchasedUserSeat":999999001}"#,
    r#"{"productType":2048,"purchasedUserSeat":-5}"#,
    r#"[{"productType":2048,"purchasedUserSeat":999999002}]"#,
    r#"{"productType":2048,"purchasedUserSeat":1.5}"#,
    r#"{"productType":2048,"purchasedUserSeat":99999"#,
    "{}",
    "null",
    "",
];

const WRONG: [&str; 3] = ["products: [Flie]\n", "products: all\n  - [", "products: all\nunknown_key: 1\n"];

/// All that an episode may bring besides faults of the API, in the order in which the first ones have it: what ends the
/// process comes at first, since the last one is to live for long.
const TROUBLES: [Trouble; 12] = [
    Trouble::Kill,
    Trouble::Disk,
    Trouble::Web,
    Trouble::Outage,
    Trouble::Hostile,
    Trouble::Freeze,
    Trouble::Configuration,
    Trouble::Secret,
    Trouble::Log,
    Trouble::Terminate,
    Trouble::Clock,
    Trouble::None,
];

#[derive(Debug, Clone, Copy)]
enum Trouble {
    Kill,
    Terminate,
    Freeze,
    Configuration,
    Secret,
    Outage,
    Disk,
    Log,
    Hostile,
    Web,
    Clock,
    None,
}

impl Script {
    pub fn new(seed: u64) -> Self {
        let customers = (1..=CUSTOMERS).collect();
        let random = StdRng::seed_from_u64(seed);
        Self { random, customers, last_customer: CUSTOMERS, steps: Vec::new(), episodes: 0 }
    }

    /// The products that a customer has from the beginning.
    pub fn purchased(customer: Customer) -> impl Iterator<Item = Product> {
        (0..PRODUCTS).filter(move |product| (product * 7 + customer as usize * 5) % PRODUCTS < 12)
    }

    /// One trouble after the other, with changes of seats before, within and behind it.
    fn episode(&mut self) {
        // Each trouble comes once before any comes again by chance.
        let trouble = TROUBLES.get(self.episodes).copied();
        let trouble = trouble.unwrap_or_else(|| *TROUBLES.choose(&mut self.random).expect("some"));
        self.episodes += 1;
        self.changes(1);
        for _ in 0..self.random.random_range(1..=3) {
            let fault = self.fault();
            self.steps.push(fault);
        }
        self.changes(1);
        self.trouble(trouble);
        self.changes(2);
        self.step(2, "heal", Event::Heal);
        self.changes(0);
        self.step(3, "settle", Event::Settle);
    }

    fn trouble(&mut self, trouble: Trouble) {
        match trouble {
            Trouble::Kill => {
                for after in 0..self.random.random_range(1..=2) {
                    self.step(after, "SIGKILL", Event::Kill);
                }
            }
            Trouble::Terminate => self.step(1, "SIGTERM", Event::Terminate),
            Trouble::Freeze => {
                let frozen = Duration::from_millis(self.random.random_range(500..6000));
                self.step(1, "SIGSTOP and SIGCONT", Event::Freeze(frozen));
            }
            Trouble::Configuration => {
                let wrong = *WRONG.choose(&mut self.random).expect("some");
                self.step(1, "wrong configuration", Event::WrongConfiguration(wrong));
                self.changes(1);
                let slots = self.random.random_range(4..=16);
                self.step(1, "reload", Event::Reload(slots));
            }
            Trouble::Outage => self.step(0, "API gone", Event::Outage),
            Trouble::Secret => self.step(1, "secret changed", Event::Secret),
            Trouble::Disk => {
                let bytes = self.random.random_range(0..40_000);
                self.step(1, "full disk", Event::FullDisk(bytes));
                self.changes(2);
                let end = if self.random.random() { ("SIGKILL", Event::Kill) } else { ("SIGTERM", Event::Terminate) };
                self.step(2, end.0, end.1);
            }
            Trouble::Log => self.step(0, "log unread", Event::UnreadLog),
            Trouble::Hostile => {
                let attacks = [Attack::Slow, Attack::Unread, Attack::Garbage, Attack::Guesses];
                for attack in attacks {
                    self.step(1, &format!("hostile clients: {attack:?}"), Event::Hostile(attack));
                }
            }
            Trouble::Web => {
                self.step(1, "password changed", Event::Password);
                self.step(1, "wrong web configuration", Event::WrongUsers);
                self.step(1, "certificate changed", Event::Certificate);
                self.step(1, "certificate changed", Event::Certificate);
                self.step(1, "SIGTERM, and no more TLS", Event::PlainText);
            }
            Trouble::Clock => {
                let mut step = || self.random.random_range(-7200..7200);
                let steps = vec![step(), step(), 0];
                self.step(1, "clock set", Event::Clock(steps));
            }
            Trouble::None => {}
        }
    }

    /// Some targets are answered with something else from now on.
    fn changes(&mut self, after: u64) {
        for nth in 0..self.random.random_range(3..12) {
            let customer = *self.customers.choose(&mut self.random).expect("some");
            let mut products: Vec<_> = Self::purchased(customer).collect();
            // A first purchase is noticed in an absent interval.
            if self.random.random_ratio(1, 40) {
                products = (0..PRODUCTS).collect();
            }
            let product = *products.choose(&mut self.random).expect("some");
            let (name, event) = match self.random.random_range(0..12) {
                0 => ("seats null", Event::Unknown(customer, product, "null")),
                1 => ("seats N/A", Event::Unknown(customer, product, "\"N/A\"")),
                2 => ("product ended", Event::End(customer, product)),
                _ => ("seats changed", Event::Buy(customer, product)),
            };
            self.step(if nth == 0 { after } else { 0 }, name, event);
        }
        match self.random.random_range(0..16) {
            0 if self.customers.len() < CUSTOMERS as usize + 3 => {
                self.last_customer += 1;
                self.customers.push(self.last_customer);
                self.step(0, "customer comes", Event::Arrive(self.last_customer));
            }
            1 if self.customers.len() > CUSTOMERS as usize - 3 => {
                let leaves = self.random.random_range(0..self.customers.len());
                let leaves = self.customers.remove(leaves);
                self.step(0, "customer leaves", Event::Leave(leaves));
            }
            _ => {}
        }
    }

    fn fault(&mut self) -> Step {
        let (name, effect) = self.effect();
        let (operation, mut rule) = match self.random.random_range(0..12) {
            0 => ("all", Rule::new(effect)),
            1 => ("token", Rule::on(Operation::Token, effect)),
            2 => ("customers", Rule::on(Operation::Customers, effect)),
            3 => ("subscriptions", Rule::on(Operation::Subscriptions, effect)),
            4 => ("tenants", Rule::on(Operation::Tenants, effect)),
            _ => ("overview", Rule::on(Operation::Overview, effect)),
        };
        let customer = *self.customers.choose(&mut self.random).expect("some");
        rule = match self.random.random_range(0..6) {
            0 => rule.times(self.random.random_range(1..200)),
            1 => rule.every(self.random.random_range(2..20)),
            2 => rule.fraction(self.random.random(), self.random.random()),
            3 if operation == "overview" => rule.customer(super::id(customer)),
            _ => rule,
        };
        Step {
            after: self.random.random_range(0..3),
            name: format!("API, {operation}: {name}"),
            event: Event::Fault(rule),
        }
    }

    fn effect(&mut self) -> (&'static str, Effect) {
        let text = |text: &str| HeaderValue::from_str(text).expect("a header");
        let seconds = self.random.random_range(1..5_u64);
        match self.random.random_range(0..19) {
            0 => ("500", Effect::status(StatusCode::INTERNAL_SERVER_ERROR)),
            1 => ("502", Effect::status(StatusCode::BAD_GATEWAY)),
            2 => ("503", Effect::status(StatusCode::SERVICE_UNAVAILABLE)),
            3 => ("429", Effect::status(StatusCode::TOO_MANY_REQUESTS)),
            4 => ("429 with Retry-After", Effect::throttled(text(&seconds.to_string()))),
            5 => ("429 with a date that is over", Effect::throttled(text("Wed, 21 Oct 2015 07:28:00 GMT"))),
            6 => ("401", Effect::status(StatusCode::UNAUTHORIZED)),
            7 => ("403", Effect::status(StatusCode::FORBIDDEN)),
            8 => ("400", Effect::status(StatusCode::BAD_REQUEST)),
            9 => ("a page for people", Effect::html()),
            10 => ("bad JSON", Effect::json(*NONSENSE.choose(&mut self.random).expect("some"))),
            11 => ("redirect", Effect::redirect(text("http://127.0.0.1:9/elsewhere"))),
            12 => ("delay", Effect::Delay(Duration::from_millis(self.random.random_range(100..2500)))),
            13 => ("stall", Effect::Stall),
            14 => ("drip", Effect::Drip(Duration::from_millis(self.random.random_range(2..120)))),
            15 => ("flood", Effect::Flood { mebibytes: self.random.random_range(1..8) }),
            16 => ("truncated", Effect::Truncate),
            17 => ("reset", Effect::Reset),
            _ if self.random.random() => ("garbage", Effect::Garbage),
            _ => ("token expired", Effect::ExpireToken),
        }
    }

    fn step(&mut self, after: u64, name: &str, event: Event) {
        self.steps.push(Step { after, name: name.to_owned(), event });
    }
}

impl Iterator for Script {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        if self.steps.is_empty() {
            self.episode();
            self.steps.reverse();
        }
        self.steps.pop()
    }
}
