//! The text format 0.0.4 and OpenMetrics 1.0.0.
//!
//! The `prometheus` crate's encoder knows only the first, and repeats the header of a family that comes in chunks.

use std::io::Write as _;

use prometheus::proto::{LabelPair, Metric, MetricFamily, MetricType};

use super::Format;
use crate::metrics::family::count;

/// Writes families one after the other.
#[derive(Debug)]
pub(super) struct Encoder {
    format: Format,
    out: Vec<u8>,
    /// The name of the family that was written last, whose next chunk needs no header.
    family: String,
}

/// A label besides those of the metric: the bound of a bucket.
type Extra<'a> = Option<(&'a str, &'a str)>;

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
            self.header(family);
        }
        for metric in family.get_metric() {
            match family.get_field_type() {
                MetricType::COUNTER => self.sample(family.name(), "", metric, None, metric.get_counter().get_value()),
                MetricType::HISTOGRAM => self.histogram(family.name(), metric),
                _ => self.sample(family.name(), "", metric, None, metric.get_gauge().get_value()),
            }
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

    fn header(&mut self, family: &MetricFamily) {
        let kind = match family.get_field_type() {
            MetricType::COUNTER => "counter",
            MetricType::HISTOGRAM => "histogram",
            _ => "gauge",
        };
        // OpenMetrics: the family of a counter is called without the `_total` of its samples.
        let name = match (self.format, kind) {
            (Format::OpenMetrics, "counter") => family.name().strip_suffix("_total").unwrap_or(family.name()),
            _ => family.name(),
        };
        for part in ["# HELP ", name, " "] {
            self.text(part);
        }
        self.escaped(family.help(), self.format == Format::OpenMetrics);
        for part in ["\n# TYPE ", name, " ", kind, "\n"] {
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
            self.sample(name, "_bucket", metric, Some(("le", &bound)), count(bucket.cumulative_count()));
        }
        let count = count(histogram.get_sample_count());
        self.sample(name, "_bucket", metric, Some(("le", "+Inf")), count);
        self.sample(name, "_sum", metric, None, histogram.get_sample_sum());
        self.sample(name, "_count", metric, None, count);
    }

    fn sample(&mut self, name: &str, suffix: &str, metric: &Metric, extra: Extra<'_>, value: f64) {
        self.text(name);
        self.text(suffix);
        let labels = metric.get_label().iter().map(|pair: &LabelPair| (pair.name(), pair.value()));
        let mut before = "{";
        for (label, value) in labels.chain(extra) {
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
