//! A real Chromium, driven by chromedriver (WebDriver).

use std::future::Future;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::sync::Arc;

use fantoccini::error::CmdError;
use fantoccini::key::Key;
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper::Method;
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;
use url::{ParseError, Url};

use crate::harness::{Running, eventually, tool};

/// Runs `test` in a browser of its own, which must have nothing to complain about at the end: no violation of the
/// Content-Security-Policy, no script that failed.
pub async fn browse<F: Future<Output = ()> + Send + 'static>(test: impl FnOnce(Browser) -> F) {
    // chromedriver would say no more than that it cannot find it.
    tool("chromium", "chromium");
    let driver = Driver::start();
    let profile = tempfile::tempdir().unwrap();
    let browser = Browser { client: driver.client(&profile).await, address: Arc::from("") };
    let tested = tokio::spawn(test(browser.clone())).await;
    let complaints = browser.complaints().await;
    browser.client.close().await.unwrap();
    match tested {
        Ok(()) => assert_eq!(complaints, [""; 0]),
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

#[derive(Debug, Clone)]
pub struct Browser {
    client: Client,
    address: Arc<str>,
}

impl Browser {
    /// From now on, paths are of this server.
    pub fn at(mut self, address: &str) -> Self {
        self.address = format!("http://{address}").into();
        self
    }

    pub async fn open(&self, path: &str) {
        self.client.goto(&format!("{}{path}", self.address)).await.unwrap();
    }

    /// The path and query of the page that is shown.
    pub async fn place(&self) -> String {
        let url = self.client.current_url().await.unwrap();
        format!("{}?{}", url.path(), url.query().unwrap_or_default())
    }

    /// The text of every element that `css` selects, as it is seen.
    pub async fn texts(&self, css: &str) -> Vec<String> {
        let mut texts = Vec::new();
        for element in self.client.find_all(Locator::Css(css)).await.unwrap() {
            texts.push(element.text().await.unwrap());
        }
        texts
    }

    pub async fn text(&self, css: &str) -> String {
        self.client.find(Locator::Css(css)).await.unwrap().text().await.unwrap()
    }

    /// Clicks on a link that says `link`, and awaits the page that it leads to.
    pub async fn follow(&self, link: &str) {
        self.turn(self.client.find(Locator::LinkText(link)).await.unwrap().click()).await;
    }

    /// Clicks on a link or a button, and awaits the page that it leads to.
    pub async fn go(&self, css: &str) {
        self.turn(self.client.find(Locator::Css(css)).await.unwrap().click()).await;
    }

    /// Sends the form that has the focus with the Enter key, and awaits its answer.
    pub async fn submit(&self) {
        let enter = char::from(Key::Enter).to_string();
        self.turn(self.client.active_element().await.unwrap().send_keys(&enter)).await;
    }

    /// Waits until `leaving` has led to another page, and all of it is there: what is asked earlier is answered by the old one.
    async fn turn(&self, leaving: impl Future<Output = Result<(), CmdError>>) {
        self.script("window.old = true").await;
        leaving.await.unwrap();
        // While one page makes way for the other, there is none that could answer.
        eventually("another page", || async {
            let arrived = "return !window.old && document.readyState === 'complete'";
            (self.client.execute(arrived, Vec::new()).await.ok()? == true).then_some(())
        })
        .await;
    }

    pub async fn click(&self, css: &str) {
        self.client.find(Locator::Css(css)).await.unwrap().click().await.unwrap();
    }

    /// Chooses an option of a list by what it says.
    pub async fn choose(&self, css: &str, option: &str) {
        self.client.find(Locator::Css(css)).await.unwrap().select_by_label(option).await.unwrap();
    }

    /// Types into whatever has the focus, and returns which element has it then.
    pub async fn press(&self, key: Key) -> String {
        self.write(&char::from(key).to_string()).await;
        self.script(
            "return document.activeElement.name || document.activeElement.id || document.activeElement.className",
        )
        .await
        .as_str()
        .unwrap()
        .to_owned()
    }

    pub async fn write(&self, text: &str) {
        self.client.active_element().await.unwrap().send_keys(text).await.unwrap();
    }

    pub async fn script(&self, script: &str) -> Value {
        self.client.execute(script, Vec::new()).await.unwrap()
    }

    /// As the visitor's system asks for it, such as `prefers-color-scheme` `dark`.
    pub async fn prefer(&self, name: &str, value: &str) {
        let features = json!({ "features": [{ "name": name, "value": value }] });
        self.devtools("Emulation.setEmulatedMedia", features).await;
    }

    /// A window of so many CSS pixels, with so many dots each.
    pub async fn resize(&self, width: u32, height: u32) {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.devtools("Emulation.setDeviceMetricsOverride", metrics).await;
    }

    /// How far the page extends past the right edge, in CSS pixels.
    pub async fn overflow(&self) -> i64 {
        let script = "const page = document.documentElement; return page.scrollWidth - page.clientWidth";
        self.script(script).await.as_i64().unwrap()
    }

    pub async fn screenshot(&self) -> Vec<u8> {
        self.client.screenshot().await.unwrap()
    }

    async fn devtools(&self, command: &str, parameters: Value) {
        let body = json!({ "cmd": command, "params": parameters });
        self.client.issue_cmd(Own { path: "goog/cdp/execute", body }).await.unwrap();
    }

    /// What the console has of warnings and errors.
    async fn complaints(&self) -> Vec<String> {
        let log = self.client.issue_cmd(Own { path: "se/log", body: json!({ "type": "browser" }) }).await.unwrap();
        let entries = log.as_array().unwrap().iter().map(|entry| entry["message"].as_str().unwrap().to_owned());
        entries.collect()
    }
}

/// A running chromedriver. Dropped, it is killed, and its browser ends with it.
struct Driver {
    _running: Running,
    port: u16,
}

impl Driver {
    fn start() -> Self {
        // Another program may take the port between its choice and its use.
        (0..3).find_map(|_| Self::try_start()).expect("chromedriver prints its port")
    }

    fn try_start() -> Option<Self> {
        let mut command = tool("chromedriver", "chromium-driver");
        let mut child = command.arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let running = Running(child);
        let port = lines.map_while(Result::ok).find_map(|line| {
            let (_, port) = line.split_once("started successfully on port ")?;
            port.trim_end_matches('.').parse().ok()
        });
        Some(Self { _running: running, port: port? })
    }

    async fn client(&self, profile: &TempDir) -> Client {
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--window-size=1280,1000",
            &format!("--user-data-dir={}", profile.path().display()),
        ];
        let capabilities = json!({
            "browserName": "chrome",
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "WARNING" },
        });
        let Value::Object(capabilities) = capabilities else { unreachable!() };
        let address = format!("http://127.0.0.1:{}", self.port);
        let (address, capabilities) = (&address, &capabilities);
        eventually("a browser", || async move {
            let mut builder = ClientBuilder::new(HttpConnector::new());
            builder.capabilities(capabilities.clone()).connect(address).await.ok()
        })
        .await
    }
}

/// A command that is chromedriver's own.
#[derive(Debug)]
struct Own {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for Own {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.body.to_string()))
    }
}
