//! The text format 0.0.4 and OpenMetrics 1.0.0.
//!
//! The `prometheus` crate's encoder knows only the first, and repeats the header of a family that comes in chunks.

use std::borrow::Cow;
use std::io::Write as _;

use prometheus::proto::{Metric, MetricFamily, MetricType};

use super::Format;
use crate::metrics::family::{Family, Kind, count};

/// Writes families one after the other.
#[derive(Debug)]
pub(super) struct Encoder {
    format: Format,
    out: Vec<u8>,
    /// The name of the family that was written last, whose next chunk needs no header.
    family: String,
}

impl Encoder {
    pub(super) const fn new(format: Format) -> Self {
        Self { format, out: Vec::new(), family: String::new() }
    }

    /// Writes a family, or the next chunk of the family before. One without samples is left out.
    pub(super) fn family(&mut self, family: &MetricFamily) {
        if family.get_metric().is_empty() {
            return;
        }
        if self.family != family.name() {
            family.name().clone_into(&mut self.family);
            self.header(family.name(), kind(family), family.help());
        }
        for metric in family.get_metric() {
            match kind(family) {
                Kind::Counter => self.sample(family.name(), "", labels(metric), metric.get_counter().get_value()),
                Kind::Gauge => self.sample(family.name(), "", labels(metric), metric.get_gauge().get_value()),
                Kind::Histogram => self.histogram(family.name(), metric),
            }
        }
    }

    /// Writes a whole family of counters or gauges whose samples have these values of its labels. What every scrape
    /// writes is written so: to make objects of the samples first takes longer than all else.
    pub(super) fn samples<const N: usize>(
        &mut self,
        family: &Family,
        samples: impl Iterator<Item = ([Cow<'static, str>; N], f64)>,
    ) {
        let mut samples = samples.peekable();
        if samples.peek().is_some() {
            self.header(family.name, family.kind, family.help);
        }
        for (values, value) in samples {
            let labels = family.labels.iter().copied().zip(values.iter().map(AsRef::as_ref));
            self.sample(family.name, "", labels, value);
        }
    }

    /// Writes that nothing follows, where the format wants to know.
    pub(super) fn end(&mut self) {
        if self.format == Format::OpenMetrics {
            self.text("# EOF\n");
        }
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.out
    }

    fn header(&mut self, name: &str, kind: Kind, help: &str) {
        // OpenMetrics: the family of a counter is called without the `_total` of its samples.
        let name = match (self.format, kind) {
            (Format::OpenMetrics, Kind::Counter) => name.strip_suffix("_total").unwrap_or(name),
            _ => name,
        };
        for part in ["# HELP ", name, " "] {
            self.text(part);
        }
        self.escaped(help, self.format == Format::OpenMetrics);
        for part in ["\n# TYPE ", name, " ", kind.as_str(), "\n"] {
            self.text(part);
        }
    }

    fn histogram(&mut self, name: &str, metric: &Metric) {
        let histogram = metric.get_histogram();
        for bucket in histogram.get_bucket() {
            // OpenMetrics wants whole bounds with a fraction, as `Debug` writes them.
            let bound = match self.format {
                Format::Text => bucket.upper_bound().to_string(),
                Format::OpenMetrics => format!("{:?}", bucket.upper_bound()),
            };
            let labels = labels(metric).chain([("le", bound.as_str())]);
            self.sample(name, "_bucket", labels, count(bucket.cumulative_count()));
        }
        let count = count(histogram.get_sample_count());
        self.sample(name, "_bucket", labels(metric).chain([("le", "+Inf")]), count);
        self.sample(name, "_sum", labels(metric), histogram.get_sample_sum());
        self.sample(name, "_count", labels(metric), count);
    }

    fn sample<'a>(&mut self, name: &str, suffix: &str, labels: impl Iterator<Item = (&'a str, &'a str)>, value: f64) {
        self.text(name);
        self.text(suffix);
        let mut before = "{";
        for (label, value) in labels {
            for part in [before, label, "=\""] {
                self.text(part);
            }
            self.escaped(value, true);
            self.text("\"");
            before = ",";
        }
        self.text(if before == "{" { " " } else { "} " });
        self.number(value);
        self.text("\n");
    }

    fn number(&mut self, value: f64) {
        if value.is_infinite() {
            return self.text(if value > 0.0 { "+Inf" } else { "-Inf" });
        }
        // Writing to a vector cannot fail.
        let _ = write!(self.out, "{value}");
    }

    fn escaped(&mut self, text: &str, quotes: bool) {
        let mut rest = text.as_bytes();
        let special = |byte: &u8| matches!(byte, b'\\' | b'\n') || (quotes && *byte == b'"');
        while let Some(at) = rest.iter().position(special) {
            self.out.extend_from_slice(&rest[..at]);
            self.text(match rest[at] {
                b'\n' => "\\n",
                b'"' => "\\\"",
                _ => "\\\\",
            });
            rest = &rest[at + 1..];
        }
        self.out.extend_from_slice(rest);
    }

    fn text(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }
}

fn kind(family: &MetricFamily) -> Kind {
    match family.get_field_type() {
        MetricType::COUNTER => Kind::Counter,
        MetricType::HISTOGRAM => Kind::Histogram,
        _ => Kind::Gauge,
    }
}

fn labels(metric: &Metric) -> impl Iterator<Item = (&str, &str)> {
    metric.get_label().iter().map(|pair| (pair.name(), pair.value()))
}
