//! Client secrets and certificates: what is accepted, what is reported of the rest, and their rotation.

mod certificates;
mod client_secrets;

use crate::harness::{Ended, Folder};

const AUTH_FAILURES: &str = "avepoint_poll_failures_total{reason=\"auth\"}";
const API_UP: &str = "avepoint_api_up";

async fn is_accepted(folder: &Folder, what: &str) {
    let Ended { code, stdout, stderr } = Ended::beside(folder.command(&["check", "--live"])).await;
    assert_eq!(code, Some(0), "{what}: {stdout}{stderr}");
}
