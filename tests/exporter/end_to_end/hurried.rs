//! The shipped rules with time passing faster: every duration is divided by one number, and nothing else is changed.

use std::time::Duration;

use serde_yaml::Value;

/// How many times faster time passes.
#[derive(Debug, Clone, Copy)]
pub struct Hurry(pub f64);

impl Hurry {
    /// How long a duration takes, such as `15m`, as Prometheus and `exporter.yaml` write it.
    pub fn after(self, duration: &str) -> String {
        self.duration(duration).unwrap()
    }

    /// A rule file, hurried.
    pub fn rules(self, text: &str) -> String {
        let mut file: Value = serde_yaml::from_str(text).unwrap();
        let groups = file["groups"].as_sequence_mut().unwrap();
        for rule in groups.iter_mut().flat_map(|group| group["rules"].as_sequence_mut().unwrap()) {
            for (key, value) in rule.as_mapping_mut().unwrap() {
                let hurried = match key.as_str() {
                    Some("expr") => self.expression(value.as_str().unwrap()),
                    Some("for" | "keep_firing_for") => self.duration(value.as_str().unwrap()).unwrap(),
                    _ => continue,
                };
                *value = hurried.into();
            }
        }
        serde_yaml::to_string(&file).unwrap()
    }

    /// A PromQL expression, hurried: its durations, such as `15m`, and its numbers of seconds, which are all the whole
    /// numbers from a minute on.
    fn expression(self, expression: &str) -> String {
        // What stands between quotes, every second part, is text.
        let parts = expression.split('"').zip([false, true].into_iter().cycle());
        let hurried = parts.map(|(part, is_quoted)| if is_quoted { part.to_owned() } else { self.words(part) });
        hurried.collect::<Vec<_>>().join("\"")
    }

    fn words(self, text: &str) -> String {
        let mut hurried = String::new();
        let mut rest = text;
        let is_of_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '.');
        while let Some(start) = rest.find(is_of_word) {
            let (between, from_word) = rest.split_at(start);
            let (word, after) = from_word.split_at(from_word.find(|c| !is_of_word(c)).unwrap_or(from_word.len()));
            hurried.push_str(between);
            hurried.push_str(&self.duration(word).or_else(|| self.seconds(word)).unwrap_or_else(|| word.to_owned()));
            rest = after;
        }
        hurried + rest
    }

    fn seconds(self, word: &str) -> Option<String> {
        let seconds: u32 = word.parse().ok().filter(|seconds| *seconds >= 60)?;
        Some(format!("{}", f64::from(seconds) / self.0))
    }

    /// A duration as Prometheus writes it, hurried; `None` if `word` is none.
    fn duration(self, word: &str) -> Option<String> {
        let hurried = duration(word)?.div_f64(self.0);
        Some(format!("{}ms", hurried.as_millis()))
    }
}

/// What Prometheus understands by `15m` or `1h30m`.
fn duration(word: &str) -> Option<Duration> {
    let is_one = word.starts_with(|c: char| c.is_ascii_digit()) && word.ends_with(|c: char| c.is_ascii_lowercase());
    // Prometheus knows no months, and its days, weeks and years are as long as these.
    is_one.then(|| humantime::parse_duration(word).ok()).flatten()
}

#[test]
fn durations_are_hurried_and_nothing_else() {
    let rules = "groups:\n- name: a\n  rules:\n  - alert: B\n    for: 15m\n    labels: {seats: '100'}\n    expr: |\n      \
                 x_total{a=\"5m\",b=\"100\"}[1h30m] offset 1d > 3 and time() - y_600 < 3600 or z:rate5m * 0.5 > 2.5\n";
    let hurried: Value = serde_yaml::from_str(&Hurry(60.0).rules(rules)).unwrap();
    let mut expected: Value = serde_yaml::from_str(rules).unwrap();
    expected["groups"][0]["rules"][0]["for"] = "15000ms".into();
    let expression =
        "x_total{a=\"5m\",b=\"100\"}[90000ms] offset 1440000ms > 3 and time() - y_600 < 60 or z:rate5m * 0.5 > 2.5\n";
    expected["groups"][0]["rules"][0]["expr"] = expression.into();
    assert_eq!(hurried, expected);
}
