//! What a client asks for: a format by `Accept`, an encoding by `Accept-Encoding` (RFC 9110, 12.5).

/// How metrics are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// Prometheus' text format 0.0.4.
    #[default]
    Text,
    /// OpenMetrics 1.0.0.
    OpenMetrics,
}

/// How the bytes travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Encoding {
    #[default]
    Identity,
    Gzip,
}

impl Format {
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// The format that the values of `Accept` weigh most; among equals, the one named first. Text where none fits:
    /// whoever asks for something else is better served with text than with an error.
    pub fn accepted<'a>(values: impl Iterator<Item = &'a str>) -> Self {
        let formats = offers(values).filter_map(|offer| Some((offer.weight, Self::named(&offer)?)));
        heaviest(formats).unwrap_or_default()
    }

    fn named(offer: &Offer<'_>) -> Option<Self> {
        let version = offer.parameter("version");
        match offer.name.to_ascii_lowercase().as_str() {
            "application/openmetrics-text" if matches!(version, None | Some("1.0.0")) => Some(Self::OpenMetrics),
            "text/plain" if matches!(version, None | Some("0.0.4")) => Some(Self::Text),
            "text/*" | "*/*" => Some(Self::Text),
            _ => None,
        }
    }
}

impl Encoding {
    /// Gzip where the values of `Accept-Encoding` allow it and do not weigh `identity` more.
    pub fn accepted<'a>(values: impl Iterator<Item = &'a str>) -> Self {
        let (mut gzip, mut any, mut identity) = (None, None, None);
        for offer in offers(values) {
            match offer.name.to_ascii_lowercase().as_str() {
                "gzip" | "x-gzip" => gzip = Some(offer.weight),
                "*" => any = Some(offer.weight),
                "identity" => identity = Some(offer.weight),
                _ => {}
            }
        }
        let gzip = gzip.or(any).unwrap_or(0);
        if gzip > 0 && gzip >= identity.unwrap_or(0) { Self::Gzip } else { Self::Identity }
    }
}

/// One element of a list, with its weight in thousandths.
struct Offer<'a> {
    name: &'a str,
    parameters: &'a str,
    weight: u16,
}

impl<'a> Offer<'a> {
    fn parse(text: &'a str) -> Self {
        let (name, parameters) = text.split_once(';').unwrap_or((text, ""));
        let mut offer = Self { name: name.trim(), parameters, weight: 0 };
        offer.weight = offer.parameter("q").map_or(1000, thousandths);
        offer
    }

    fn parameter(&self, wanted: &str) -> Option<&'a str> {
        let pairs = self.parameters.split(';').filter_map(|parameter| parameter.split_once('='));
        let mut values = pairs.filter(|(name, _)| name.trim().eq_ignore_ascii_case(wanted));
        values.next().map(|(_, value)| value.trim().trim_matches('"'))
    }
}

/// No quoted string with a comma occurs in what is asked of us, so a comma ends an element.
fn offers<'a>(values: impl Iterator<Item = &'a str>) -> impl Iterator<Item = Offer<'a>> {
    values.flat_map(|value| value.split(',')).map(Offer::parse)
}

fn heaviest<T>(weighed: impl Iterator<Item = (u16, T)>) -> Option<T> {
    let acceptable = weighed.filter(|(weight, _)| *weight > 0);
    acceptable.reduce(|best, next| if next.0 > best.0 { next } else { best }).map(|(_, item)| item)
}

/// A weight is 0 to 1 with at most three decimals. An invalid weight counts as 0.
fn thousandths(text: &str) -> u16 {
    let weight: f32 = text.parse().unwrap_or(0.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped between 0 and 1000")]
    let thousandths = (weight.clamp(0.0, 1.0) * 1000.0).round() as u16;
    thousandths
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Prometheus 2.42, the distribution's, sends.
    const PROMETHEUS_2: &str = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;\
                                q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    /// What Prometheus 3 sends.
    const PROMETHEUS_3: &str = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
                                application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;\
                                escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1";

    fn format(accept: &str) -> Format {
        Format::accepted([accept].into_iter())
    }

    fn encoding(accept: &str) -> Encoding {
        Encoding::accepted([accept].into_iter())
    }

    #[test]
    fn prometheus_2_and_3_get_openmetrics() {
        assert_eq!(format(PROMETHEUS_2), Format::OpenMetrics);
        assert_eq!(format(PROMETHEUS_3), Format::OpenMetrics);
    }

    #[test]
    fn weights_decide_between_the_formats() {
        for (accept, expected) in [
            ("application/openmetrics-text;version=1.0.0;q=0.2,text/plain;version=0.0.4;q=0.3", Format::Text),
            ("text/plain;q=0.2 , Application/OpenMetrics-Text; Version=\"1.0.0\"; Q=0.9", Format::OpenMetrics),
            ("application/openmetrics-text;q=0", Format::Text),
            ("application/openmetrics-text, text/plain", Format::OpenMetrics),
            ("text/plain, application/openmetrics-text", Format::Text),
        ] {
            assert_eq!(format(accept), expected, "{accept}");
        }
    }

    #[test]
    fn what_is_not_spoken_gets_text() {
        for accept in [
            "",
            "*/*",
            "text/html,application/xhtml+xml,*/*;q=0.8",
            "application/json",
            "application/openmetrics-text;version=2.0.0",
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
            ";;q=,,=",
        ] {
            assert_eq!(format(accept), Format::Text, "{accept}");
        }
        assert_eq!(Format::accepted(std::iter::empty()), Format::Text);
    }

    #[test]
    fn several_header_lines_are_one_list() {
        let lines = ["text/plain;q=0.1", "application/openmetrics-text;q=0.2"];
        assert_eq!(Format::accepted(lines.into_iter()), Format::OpenMetrics);
    }

    #[test]
    fn gzip_is_used_where_it_is_allowed() {
        for accept in ["gzip", "deflate, GZIP;q=0.5", "x-gzip", "*", "br, *;q=0.1", "gzip, identity", "identity;q=0, *"]
        {
            assert_eq!(encoding(accept), Encoding::Gzip, "{accept}");
        }
        for accept in ["", "gzip;q=0", "gzip;q=0.000, *", "br", "*;q=0", "gzip;q=0.5, identity", "gzip;q=nan", "gzipx"]
        {
            assert_eq!(encoding(accept), Encoding::Identity, "{accept}");
        }
    }
}
