//! Every family that this exporter exports, and how samples of them are made.

use std::time::{Duration, SystemTime};

use prometheus::proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType};

use crate::status;

/// A metric family: what it is called, how it is labelled, and what it means.
#[derive(Debug, PartialEq, Eq)]
pub struct Family {
    pub name: &'static str,
    pub kind: Kind,
    pub labels: &'static [&'static str],
    /// For a person. Free of what an exposition format would escape, so that it reads alike in all of them.
    pub help: &'static str,
}

/// The type of a family. The text is what stands after `# TYPE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Kind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

macro_rules! catalogue {
    ($($constant:ident = $kind:ident $name:literal $labels:tt $help:literal;)*) => {
        $(pub(super) const $constant: Family =
            Family { name: $name, kind: Kind::$kind, labels: &$labels, help: $help };)*

        /// Every family, in the order in which they are exported. The other `process_*` families, which are those of
        /// every Prometheus client, are the `prometheus` crate's.
        pub const CATALOGUE: &[Family] = &[$($constant),*];
    };
}

const OF_A_SUBSCRIPTION: [&str; 5] = ["customer", "subscribed_service", "subscription", "package", "source"];
const OF_A_TENANT: [&str; 4] = ["customer", "platform", "customer_tenant_id", "customer_tenant"];

catalogue! {
    PURCHASED_USER_SEATS = Gauge "avepoint_purchased_user_seats" ["customer", "product"]
        "Purchased user seats, as AvePoint's API last answered. Polled in the background, not at scrape time; absent \
         once nobody has answered for avepoint_poll_stale_after_seconds.";
    SEATS_PREVIOUS = Gauge "avepoint_purchased_user_seats_previous" ["customer", "product"]
        "Purchased user seats before the last change that this exporter saw in AvePoint's answers. Polled in the \
         background; absent until there was a change.";
    SEATS_LAST_CHANGE = Gauge "avepoint_purchased_user_seats_last_change_timestamp_seconds" ["customer", "product"]
        "Unix time in seconds at which this exporter saw the number of purchased user seats change in AvePoint's \
         answers. Polled in the background; absent until there was a change.";
    POLL_SUCCESS = Gauge "avepoint_poll_success" ["customer", "product"]
        "1 if AvePoint's API answered the last background poll of this target and the answer is fresh, 0 if not. That \
         the customer has no such product is an answer, too.";
    POLL_LAST_SUCCESS = Gauge "avepoint_poll_last_success_timestamp_seconds" ["customer", "product"]
        "Unix time in seconds at which AvePoint's API last answered a background poll of this target.";
    EXPECTED_USER_SEATS = Gauge "avepoint_expected_user_seats" ["customer", "product"]
        "User seats that this customer is expected to have purchased, as the expected seats file says; absent without one.";
    EXPECTED_FILE_SUCCESS = Gauge "avepoint_expected_seats_file_success" []
        "1 if the expected seats file could be read when it was last looked at, 0 if not and what it said before still \
         counts; absent without one.";
    EXPECTED_ROWS_UNMATCHED = Gauge "avepoint_expected_seats_rows_unmatched" []
        "Number of rows of the expected seats file that are ignored, since their customer or product is unknown; absent \
         without one, and with discovery until there is a listing of customers.";
    CUSTOMER_INFO = Gauge "avepoint_customer_info" ["customer", "customer_id", "name"]
        "1 for each customer that is polled in the background; name is the organization from AvePoint's listing, else \
         the configured name, else the id.";
    CUSTOMER_PURCHASED_PRODUCTS = Gauge "avepoint_customer_purchased_products" ["customer"]
        "Number of products of which this customer has more than 0 purchased user seats, as AvePoint's API last answered \
         in the background; absent unless there is a fresh answer for each of its products.";
    CUSTOMER_FAILING_PRODUCTS = Gauge "avepoint_customer_failing_products" ["customer"]
        "Number of products of this customer that fail: the last background poll of AvePoint's API had no answer, or the \
         last answer is too old. Products without series of their own count, too.";
    CUSTOMER_ADDED = Gauge "avepoint_customer_added_timestamp_seconds" ["customer"]
        "Unix time in seconds at which a background listing of AvePoint's API first had this customer, where the \
         complete listing before did not have it; absent for all others.";
    SUBSCRIPTION_USER_SEATS = Gauge "avepoint_subscription_purchased_user_seats" OF_A_SUBSCRIPTION
        "Purchased user seats of a subscription, as AvePoint's API listed it in the background; rows that agree in all \
         labels are added. Absent where the vendor tells none.";
    SUBSCRIPTION_UNITS = Gauge "avepoint_subscription_purchased_units" OF_A_SUBSCRIPTION
        "Purchased units of a subscription that is sold by the unit, as AvePoint's API listed it in the background.";
    SUBSCRIPTION_EXPIRATION = Gauge "avepoint_subscription_expiration_timestamp_seconds" OF_A_SUBSCRIPTION
        "Unix time in seconds at which a subscription ends, as AvePoint's API listed it in the background; a date without \
         a time is 00:00 UTC. The earliest of rows that agree in all labels.";
    SUBSCRIPTION_CONTRACT_END = Gauge "avepoint_subscription_contract_end_timestamp_seconds" OF_A_SUBSCRIPTION
        "Unix time in seconds at which the contract behind a subscription ends, as AvePoint's API listed it in the \
         background. The earliest of rows that agree in all labels.";
    SUBSCRIPTION_LICENSES_ASSIGNED = Gauge "avepoint_subscription_microsoft_licenses_assigned" OF_A_SUBSCRIPTION
        "Microsoft licences that the customer of a subscription has given to users, as AvePoint's API listed it in the \
         background.";
    SUBSCRIPTION_LICENSES_AVAILABLE = Gauge "avepoint_subscription_microsoft_licenses_available" OF_A_SUBSCRIPTION
        "Microsoft licences that the customer of a subscription has left, as AvePoint's API listed it in the background.";
    SUBSCRIPTION_POOLED_CHANGE = Gauge "avepoint_subscription_pooled_change" OF_A_SUBSCRIPTION
        "Seats of a pooled subscription against the first day of the month, as AvePoint's API listed it in the background.";
    SUBSCRIPTION_CAPACITY = Gauge "avepoint_subscription_purchased_capacity_bytes" OF_A_SUBSCRIPTION
        "Purchased capacity of a subscription in bytes, as AvePoint's API listed it in the background.";
    SUBSCRIPTION_STORAGE = Gauge "avepoint_subscription_consumed_storage_bytes" OF_A_SUBSCRIPTION
        "Storage that a subscription uses in bytes, as AvePoint's API listed it in the background.";
    SUBSCRIPTION_INFO = Gauge "avepoint_subscription_info"
        ["customer", "subscribed_service", "subscription", "package", "source", "model", "payment_type", "storage", "retention"]
        "1 for each subscription that AvePoint's API listed in the background, with how it is sold and paid, and where and \
         how long data is kept, in the vendor's words.";
    TENANT_ASSIGNED = Gauge "avepoint_tenant_assigned_user_seats" OF_A_TENANT
        "User seats that are assigned in a tenant of a customer, as AvePoint's API last answered in the background.";
    TENANT_AVAILABLE = Gauge "avepoint_tenant_available_user_seats" OF_A_TENANT
        "User seats that the vendor calls available in a tenant of a customer, as AvePoint's API last answered in the \
         background.";
    TENANTS_SUCCESS = Gauge "avepoint_tenants_success" ["customer", "platform"]
        "1 if AvePoint's API answered the last background listing of this customer's tenants of this platform and the \
         answer is fresh, 0 if not. That there is no such tenant is an answer, too. Absent before the first.";
    PRODUCT_INFO = Gauge "avepoint_product_info" ["product", "product_type"]
        "1 for each product that is polled in the background; product_type is its number in AvePoint's API.";
    POLL_TARGETS = Gauge "avepoint_poll_targets" ["state"]
        "Number of targets (one product of one customer) by what the background polls came to: absent (freshly \
         answered, and never had more than 0 seats), ok (every other fresh answer), failing, pending (not yet polled).";
    CYCLE_TARGETS = Gauge "avepoint_poll_cycle_targets" ["result"]
        "Number of targets (one product of one customer) by what the last full background polling cycle came to: answered, \
         failed, left (its time was over before their turn).";

    POLL_FAILURES = Counter "avepoint_poll_failures_total" ["reason"]
        "Number of targets that ended a full background polling cycle without an answer from AvePoint's API, by reason. \
         Early cycles, which try again what failed, do not count.";
    POLL_CYCLES = Counter "avepoint_poll_cycles_total" []
        "Number of full background polling cycles that have ended: those that the interval begins.";
    CYCLE_DURATION = Gauge "avepoint_poll_cycle_duration_seconds" []
        "Duration in seconds of the last full background polling cycle.";
    CYCLE_COMPLETED = Gauge "avepoint_poll_cycle_last_completed_timestamp_seconds" []
        "Unix time in seconds at which the last full background polling cycle ended.";
    POLL_INTERVAL = Gauge "avepoint_poll_interval_seconds" []
        "Seconds between the starts of two background polling cycles, as configured.";
    POLL_STALE_AFTER = Gauge "avepoint_poll_stale_after_seconds" []
        "Seconds for which a number of seats is exported after AvePoint's API answered it, as configured.";
    API_UP = Gauge "avepoint_api_up" []
        "1 if the last background polling cycle that asked AvePoint's API anything got any answer, 0 if not; early \
         cycles, which try again what failed, count, too. Absent until one ended.";
    API_HOLD_UNTIL = Gauge "avepoint_api_hold_until_timestamp_seconds" []
        "Unix time in seconds until which this exporter makes no requests, because AvePoint's API asked for that by \
         status 429 and Retry-After; absent without such a hold.";
    API_REQUESTS = Counter "avepoint_api_requests_total" ["operation", "code"]
        "Number of attempts at AvePoint's API and its identity service, by what was asked and by HTTP status, or error \
         where no complete answer came.";
    API_REQUEST_DURATION = Histogram "avepoint_api_request_duration_seconds" ["operation"]
        "Duration in seconds of attempts at AvePoint's API and its identity service, by what was asked.";
    API_RETRIES = Counter "avepoint_api_retries_total" ["reason"]
        "Number of attempts at AvePoint's API that were made again, by why the attempt before failed.";
    API_TOKEN_EXPIRY = Gauge "avepoint_api_token_expiry_timestamp_seconds" []
        "Unix time in seconds at which the access token in hand expires, as AvePoint's identity service answered; \
         absent without a token.";
    API_CERTIFICATE_EXPIRY = Gauge "avepoint_api_client_certificate_expiry_timestamp_seconds" []
        "Unix time in seconds at which the certificate expires that proves this exporter's identity to AvePoint; \
         absent without a certificate.";
    DISCOVERY_SUCCESS = Gauge "avepoint_discovery_success" []
        "1 if AvePoint's API answered the last background listing of customers completely, 0 if not; absent without \
         discovery.";
    DISCOVERY_LAST_SUCCESS = Gauge "avepoint_discovery_last_success_timestamp_seconds" []
        "Unix time in seconds at which AvePoint's API last answered a background listing of customers completely.";
    DISCOVERY_CUSTOMERS = Gauge "avepoint_discovery_customers" []
        "Number of customers in the last complete listing that AvePoint's API answered in the background.";
    SUBSCRIPTIONS_SUCCESS = Gauge "avepoint_subscriptions_success" []
        "1 if AvePoint's API answered the last background listing of subscriptions completely, 0 if not; absent where they \
         are not listed.";
    SUBSCRIPTIONS_LAST_SUCCESS = Gauge "avepoint_subscriptions_last_success_timestamp_seconds" []
        "Unix time in seconds at which AvePoint's API last answered a background listing of subscriptions completely.";
    RELOAD_SUCCESSFUL = Gauge "avepoint_exporter_config_last_reload_successful" []
        "1 if this exporter's configuration and its web configuration could be loaded the last time, 0 if one could \
         not and the previous one stays in effect.";
    RELOAD_LAST_SUCCESS = Gauge "avepoint_exporter_config_last_reload_success_timestamp_seconds" []
        "Unix time in seconds at which this exporter's configuration was last loaded.";
    BUILD_INFO = Gauge "avepoint_exporter_build_info" ["version", "revision", "rustversion"]
        "1, with the version of this exporter, the git revision it was built from, and the compiler's version.";
    LOG_LINES_DROPPED = Counter "avepoint_exporter_log_lines_dropped_total" []
        "Number of lines of this exporter's log that were dropped because stderr did not take them in time, or at all.";
    PROCESS_CPU = Counter "process_cpu_seconds_total" []
        "Total user and system CPU time spent in seconds.";
    HTTP_REQUESTS = Counter "avepoint_exporter_http_requests_total" ["handler", "code"]
        "Number of requests that this exporter answered, by route and HTTP status. Handler /metrics is the telemetry \
         path wherever it is; handler other is every path that is no route.";
}

impl Family {
    /// The family with these samples.
    pub(super) fn of(&self, samples: Vec<Metric>) -> MetricFamily {
        let mut family = MetricFamily::default();
        family.set_name(self.name.to_owned());
        family.set_help(self.help.to_owned());
        family.set_field_type(match self.kind {
            Kind::Counter => MetricType::COUNTER,
            Kind::Gauge => MetricType::GAUGE,
            Kind::Histogram => MetricType::HISTOGRAM,
        });
        family.set_metric(samples);
        family
    }

    /// The family with the one sample that a family without labels has, or with none.
    pub(super) fn single(&self, value: Option<f64>) -> MetricFamily {
        self.of(value.map(|value| self.sample(&[], value)).into_iter().collect())
    }

    /// One sample of a counter or a gauge, with the values of its labels in the order of [`Family::labels`].
    pub(super) fn sample(&self, labels: &[&str], value: f64) -> Metric {
        let mut metric = self.labelled(labels);
        if self.kind == Kind::Counter {
            let mut counter = Counter::default();
            counter.set_value(value);
            metric.set_counter(counter);
        } else {
            let mut gauge = Gauge::default();
            gauge.set_value(value);
            metric.set_gauge(gauge);
        }
        metric
    }

    /// One histogram.
    pub(super) fn distribution(&self, labels: &[&str], counted: &status::Histogram) -> Metric {
        let buckets = status::Histogram::BOUNDS.iter().zip(counted.buckets).map(|(bound, count)| {
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(*bound);
            bucket.set_cumulative_count(count);
            bucket
        });
        let mut histogram = Histogram::default();
        histogram.set_bucket(buckets.collect());
        histogram.set_sample_count(counted.count);
        histogram.set_sample_sum(counted.sum.as_secs_f64());
        let mut metric = self.labelled(labels);
        metric.set_histogram(histogram);
        metric
    }

    fn labelled(&self, values: &[&str]) -> Metric {
        debug_assert_eq!(self.labels.len(), values.len(), "{}", self.name);
        let pairs = self.labels.iter().zip(values).map(|(name, value)| {
            let mut pair = LabelPair::default();
            pair.set_name((*name).to_owned());
            pair.set_value((*value).to_owned());
            pair
        });
        Metric::from_label(pairs.collect())
    }
}

/// A moment as Prometheus writes it: Unix time in seconds, to the millisecond, which is all that it stores.
pub(super) fn timestamp(at: SystemTime) -> f64 {
    let millis = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis();
    Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX)).as_secs_f64()
}

/// A count as a sample's value.
#[expect(clippy::cast_precision_loss, reason = "no count here comes near 2^53")]
pub(super) const fn count(count: u64) -> f64 {
    count as f64
}

/// 1 for yes, 0 for no.
pub(super) fn flag(yes: bool) -> f64 {
    f64::from(u8::from(yes))
}
