//! As much of PromQL as it takes to find the names in an expression; promtool judges the rest.

use std::collections::BTreeSet;

/// The metrics and labels that an expression names.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Names {
    pub metrics: BTreeSet<String>,
    pub labels: BTreeSet<String>,
}

/// Words that stand before a list of labels.
const GROUPING: &[&str] = &["by", "without", "on", "ignoring", "group_left", "group_right"];

/// Words that are neither metrics nor functions, which a parenthesis follows.
const OPERATORS: &[&str] = &["and", "or", "unless", "offset", "bool"];

impl Names {
    /// Those of an expression.
    pub fn of_expression(expression: &str) -> Self {
        let mut names = Self::default();
        let tokens = tokens(expression);
        let mut rest = tokens.iter().map(String::as_str).enumerate();
        while let Some((at, token)) = rest.next() {
            let next = tokens.get(at + 1).map(String::as_str);
            match token {
                "{" => {
                    let inside = rest.by_ref().map(|(_, token)| token).take_while(|token| *token != "}");
                    names.labels.extend(inside.filter(|token| is_name(token)).map(str::to_owned));
                }
                _ if GROUPING.contains(&token) => {
                    let inside = rest.by_ref().map(|(_, token)| token).take_while(|token| *token != ")");
                    names.labels.extend(inside.filter(|token| is_name(token)).map(str::to_owned));
                }
                _ if is_name(token) && !OPERATORS.contains(&token) && next != Some("(") && !is_aggregation(next) => {
                    names.metrics.insert(token.to_owned());
                }
                _ => {}
            }
        }
        names
    }

    /// Those of the selectors in an annotation, which are given to `printf` in double quotes.
    pub fn of_template(text: &str) -> Self {
        let mut names = Self::default();
        for quoted in text.split('"').skip(1).step_by(2).filter(|quoted| quoted.contains('{')) {
            let Self { metrics, labels } = Self::of_expression(&quoted.replace("%q", "\"\""));
            names.metrics.extend(metrics);
            names.labels.extend(labels);
        }
        names
    }
}

/// `sum by (…) (…)`: what stands before such a list is an aggregation.
fn is_aggregation(next: Option<&str>) -> bool {
    matches!(next, Some("by" | "without"))
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
}

/// Words, numbers (durations, too) and signs, without strings and comments.
fn tokens(expression: &str) -> Vec<String> {
    let in_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':' || c == '.';
    let mut tokens = Vec::new();
    let mut rest = expression.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '#' => rest.find('\n').unwrap_or(rest.len()),
            '"' => 2 + rest[1..].find('"').expect("a string ends"),
            _ if in_word(first) => rest.find(|c| !in_word(c)).unwrap_or(rest.len()),
            _ => first.len_utf8(),
        };
        let (token, after) = rest.split_at(length);
        if !matches!(first, '#' | '"') {
            tokens.push(token.to_owned());
        }
        rest = after.trim_start();
    }
    tokens
}

#[test]
fn names_are_found_and_nothing_else_is_taken_for_one() {
    let names = Names::of_expression(
        "sum by (job) (rate(a:b{code=~\"5..\",x!=\"y\"}[5m] offset 1h)) # comment\n\
         > on (job) group_left () 2e3 and (time() - c_total < 3600) unless topk(1, d) or up",
    );
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(names.metrics, set(&["a:b", "c_total", "d", "up"]));
    assert_eq!(names.labels, set(&["code", "job", "x"]));
    let names =
        Names::of_template("{{ with printf \"a{b=%q,c=%q}\" $labels.b $labels.c | query }}x{{ label \"name\" }}");
    assert_eq!(names, Names { metrics: set(&["a"]), labels: set(&["b", "c"]) });
}
