//! The dashboards: how they are made, what the documents say of them, and what every query of theirs finds in a real
//! Prometheus.

mod board;
mod choices;
mod documents;
mod examples;
mod history;
mod links;
mod live;
mod looks;
mod metrics;
mod moved;
mod renewals;
mod scene;
mod structure;
mod times;
