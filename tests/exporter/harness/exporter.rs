//! What can be asked of a running exporter.

use std::process::{ChildStderr, Command};

use reqwest::{Method, StatusCode};

use super::{Exporter, Folder, eventually, free_address, value};

/// An answer of the daemon.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: reqwest::header::HeaderMap,
    pub body: String,
}

impl Exporter {
    /// Starts the daemon with a log that nobody reads, and waits until it answers.
    pub async fn start_unread(folder: &Folder, arguments: &[&str]) -> (Self, ChildStderr) {
        // Only its log would say which port it got.
        let address = free_address();
        let mut command = folder.command(&["--web.listen-address", &address]);
        Self::answering(command.args(arguments), address).await
    }

    /// Starts the daemon, which listens on `address`, with a log that is not looked at.
    pub async fn answering(command: &mut Command, address: String) -> (Self, ChildStderr) {
        let (mut exporter, stderr) = Self::unread(command);
        exporter.address = address;
        let url = format!("http://{}/-/healthy", exporter.address);
        eventually("the daemon answers", || async { exporter.http.get(&url).send().await.ok() }).await;
        (exporter, stderr)
    }

    pub async fn ask(&self, method: Method, path: &str) -> Answer {
        let answer = self.http.request(method, format!("http://{}{path}", self.address)).send().await.unwrap();
        let (status, headers) = (answer.status(), answer.headers().clone());
        Answer { status, headers, body: answer.text().await.unwrap() }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path).await
    }

    /// The value of a series, written as in the text format, such as `avepoint_api_up`.
    pub async fn value(&self, series: &str) -> Option<f64> {
        value(&self.metrics().await, series)
    }

    /// Waits until the series has the value.
    pub async fn until(&self, series: &str, value: f64) {
        eventually(&format!("{series} is {value}\n{}", self.log()), || async {
            (self.value(series).await == Some(value)).then_some(())
        })
        .await;
    }

    /// Waits until there is no such series.
    pub async fn until_gone(&self, series: &str) {
        eventually(&format!("{series} is gone"), || async { self.value(series).await.is_none().then_some(()) }).await;
    }

    /// Waits for so many more cycles to end.
    pub async fn cycles(&self, more: u32) {
        let series = "avepoint_poll_cycles_total";
        let before = self.value(series).await.unwrap();
        eventually("cycles end", || async { (self.value(series).await? >= before + f64::from(more)).then_some(()) })
            .await;
    }
}
