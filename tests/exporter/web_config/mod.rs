//! `--web.config.file`, as clients see it.

mod certificates;
mod clients;
mod passwords;

use std::fs;
use std::time::Duration;

use elements_sim::Simulator;
use reqwest::{Certificate, Client, ClientBuilder, Response};

use crate::harness::keys::{Authority, Identity};
use crate::harness::{Exporter, Folder, Yaml, eventually, world};

/// A running exporter with a web configuration, and what its clients need to know.
struct Secured {
    folder: Folder,
    exporter: Exporter,
    authority: Authority,
    _simulator: Simulator,
}

impl Secured {
    /// With TLS, and with `web` behind the name of the certificate in the section `tls_server_config`.
    async fn tls(web: &str) -> Self {
        Self::start(&format!("{TLS}{web}")).await
    }

    async fn start(web: &str) -> Self {
        let simulator = Simulator::start(world()).await.unwrap();
        let yaml = Yaml::new(&simulator).with_poll("interval", "1h");
        let (folder, authority) = (Folder::new(&yaml), Authority::new("Company"));
        write_identity(&folder, &authority);
        folder.write("ca.crt", authority.pem());
        folder.write("web.yml", web);
        let arguments = ["--web.config.file", "web.yml", "--web.enable-lifecycle", "--config.enable-auto-reload"];
        let exporter = Exporter::start_with(&folder, &arguments).await;
        Self { folder, exporter, authority, _simulator: simulator }
    }

    /// Asks on a connection of its own.
    async fn get(&self, path: &str) -> reqwest::Result<Response> {
        self.get_as(path, |client| client, None).await
    }

    async fn get_as(
        &self,
        path: &str,
        adapt: impl FnOnce(ClientBuilder) -> ClientBuilder,
        login: Option<(&str, &str)>,
    ) -> reqwest::Result<Response> {
        let is_tls = fs::read_to_string(self.folder.file("web.yml")).unwrap().contains("tls_server_config");
        let scheme = if is_tls { "https" } else { "http" };
        let request = adapt(self.client()).build()?.get(format!("{scheme}://{}{path}", self.exporter.address()));
        let request = match login {
            Some((user, password)) => request.basic_auth(user, Some(password)),
            None => request,
        };
        request.send().await
    }

    /// A client that trusts the authority.
    fn client(&self) -> ClientBuilder {
        let trusted = Certificate::from_pem(self.authority.pem().as_bytes()).unwrap();
        Client::builder().no_proxy().tls_certs_only([trusted]).timeout(Duration::from_secs(10))
    }

    async fn status(&self, path: &str, login: Option<(&str, &str)>) -> u16 {
        self.get_as(path, |client| client, login).await.unwrap().status().as_u16()
    }

    /// Waits until the web configuration was looked at again. Both configurations are looked at equally often, and of
    /// `exporter.yaml` the log says when a change was found.
    async fn looked_again(&self) {
        const FOUND: &str = "\"configuration reloaded\"";
        let before = self.exporter.log_lines(FOUND).len();
        let text = fs::read_to_string(self.folder.file("exporter.yaml")).unwrap();
        self.folder.write("exporter.yaml", text + "# changed\n");
        eventually("a change of exporter.yaml is found", || async {
            (self.exporter.log_lines(FOUND).len() > before).then_some(())
        })
        .await;
    }

    async fn until_status(&self, login: Option<(&str, &str)>, status: u16) {
        eventually(&format!("{status} for {login:?}: {}", self.exporter.log()), || async {
            (self.status("/metrics", login).await == status).then_some(())
        })
        .await;
    }
}

const TLS: &str = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n";

/// Writes `server.crt` and `server.key`, and returns what is in them.
fn write_identity(folder: &Folder, authority: &Authority) -> Identity {
    let identity = authority.identity(&["127.0.0.1", "localhost"]);
    // The certificate may change before its key: until both fit, the ones before go on.
    folder.write("server.crt", identity.certificate_pem());
    folder.write("server.key", identity.key_pem());
    identity
}
