//! The way to the API: whom TLS trusts, and proxies.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::sync::{Arc, Mutex};

use elements_sim::{Operation, Simulator};
use rustls::ServerConfig;
use rustls::version::{TLS12, TLS13};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

use crate::harness::keys::Authority;
use crate::harness::{Ended, Exporter, Folder, Yaml, eventually, seats, world};

const NETWORK_FAILURES: &str = "avepoint_poll_failures_total{reason=\"network\"}";

/// An authority that the system trusts, whatever machine this is.
struct System(Authority);

impl System {
    fn new() -> Self {
        Self(Authority::new("System"))
    }

    /// A command on this system.
    fn command(&self, folder: &Folder, arguments: &[&str]) -> Command {
        let mut command = folder.command(arguments);
        command.env("SSL_CERT_FILE", folder.write("system.pem", self.0.pem()));
        command
    }

    async fn check_live(&self, folder: &Folder) -> Ended {
        Ended::beside(self.command(folder, &["check", "--live"])).await
    }

    async fn start(&self, folder: &Folder) -> Exporter {
        Exporter::spawn(&mut self.command(folder, &["--web.listen-address", "127.0.0.1:0"])).await
    }
}

async fn simulator(tls: Arc<ServerConfig>) -> Simulator {
    Simulator::start_tls(world(), tls).await.unwrap()
}

#[tokio::test]
async fn a_server_that_nobody_trusts_is_a_network_failure_that_names_the_ca_file() {
    let (system, company) = (System::new(), Authority::new("Company"));
    let simulator = simulator(company.server(&["127.0.0.1"], &[&TLS13])).await;
    let folder = Folder::new(&Yaml::new(&simulator));
    let live = system.check_live(&folder).await;
    assert_eq!(live.code, Some(1), "{}", live.text());
    assert!(live.stdout.contains("not trusted") && live.stdout.contains("api.ca_file"), "{}", live.text());

    let exporter = system.start(&folder).await;
    exporter.until("avepoint_api_up", 0.0).await;
    assert!(exporter.value(NETWORK_FAILURES).await.unwrap() >= 4.0);
    let logged = exporter.until_logged("target fails").await;
    assert!(logged.contains("not trusted") && logged.contains("api.ca_file"), "{logged}");
    exporter.cycles(2).await;
    let others: Vec<_> =
        exporter.log().lines().filter(|line| !line.contains("avepoint_exporter")).map(str::to_owned).collect();
    assert_eq!(others, Vec::<String>::new(), "logged once by the exporter, and not at every request by a library");
    assert!(simulator.record().is_empty(), "nothing was sent");

    folder.write("company.pem", company.pem());
    folder.configure(&Yaml::new(&simulator).with_api("ca_file", "company.pem"));
    exporter.signal("HUP");
    exporter.until(&seats("contoso", "Fly"), 7.0).await;
    exporter.stop().await;
}

#[tokio::test]
async fn a_reload_keeps_its_token_unless_the_ca_file_holds_something_else() {
    let (system, company) = (System::new(), Authority::new("Company"));
    let simulator = simulator(company.server(&["127.0.0.1"], &[&TLS13])).await;
    let folder = Folder::new(&Yaml::new(&simulator).with_api("ca_file", "company.pem"));
    folder.write("company.pem", company.pem());
    let exporter = system.start(&folder).await;
    exporter.cycles(1).await;
    let loaded = "avepoint_exporter_config_last_reload_success_timestamp_seconds";
    for _ in 0..5 {
        let before = exporter.value(loaded).await;
        exporter.signal("HUP");
        eventually("it is loaded again", || async { (exporter.value(loaded).await > before).then_some(()) }).await;
    }
    exporter.cycles(1).await;
    assert_eq!(simulator.count(Operation::Token), 1);
    folder.write("company.pem", company.pem() + &Authority::new("Another").pem());
    exporter.signal("HUP");
    eventually("another client has a token of its own", || async {
        (simulator.count(Operation::Token) > 1).then_some(())
    })
    .await;
    exporter.stop().await;
}

#[tokio::test]
async fn the_systems_authorities_are_trusted_and_so_are_those_of_the_ca_file() {
    let (system, company) = (System::new(), Authority::new("Company"));
    let api = simulator(company.server(&["127.0.0.1"], &[&TLS13])).await;
    let identity = simulator(system.0.server(&["127.0.0.1"], &[&TLS13])).await;
    // The identity service's token is unknown to this API, which is as good as an answer here.
    let yaml = Yaml::new(&api).with_api("token_url", identity.token_url()).with_api("ca_file", "bundle.pem");
    let folder = Folder::new(&yaml);
    folder.write("bundle.pem", Authority::new("Another").pem() + &company.pem());
    let live = system.check_live(&folder).await;
    assert!(live.stdout.contains("the credentials are accepted"), "{}", live.text());
    assert!(live.stdout.contains("answered 401"), "{}", live.text());
}

#[tokio::test]
async fn tls_1_2_and_1_3_are_spoken() {
    let (system, company) = (System::new(), Authority::new("Company"));
    for version in [&TLS12, &TLS13] {
        let simulator = simulator(company.server(&["127.0.0.1"], &[version])).await;
        let folder = Folder::new(&Yaml::new(&simulator).with_api("ca_file", "company.pem"));
        folder.write("company.pem", company.pem());
        let live = system.check_live(&folder).await;
        assert_eq!(live.code, Some(0), "{version:?}: {}", live.text());
    }
}

#[tokio::test]
async fn a_certificate_for_another_host_is_refused() {
    let (system, company) = (System::new(), Authority::new("Company"));
    let simulator = simulator(company.server(&["other.example.test"], &[&TLS13])).await;
    let folder = Folder::new(&Yaml::new(&simulator).with_api("ca_file", "company.pem"));
    folder.write("company.pem", company.pem());
    let live = system.check_live(&folder).await;
    assert_eq!(live.code, Some(1), "{}", live.text());
    assert!(live.stdout.contains("not valid for name"), "{}", live.text());
    assert!(live.stdout.contains("not trusted"), "{}", live.text());
    assert!(!live.stdout.contains("ca_file"), "another authority would not help: {}", live.text());
    assert!(simulator.record().is_empty(), "nothing was sent");
}

#[tokio::test]
async fn a_certificate_with_thousands_of_names_fills_no_log() {
    let (system, company) = (System::new(), Authority::new("Company"));
    let names: Vec<_> = (0..3_000).map(|n| format!("n{n}.test")).collect();
    let simulator = simulator(company.server(&names.iter().map(String::as_str).collect::<Vec<_>>(), &[&TLS13])).await;
    let folder = Folder::new(&Yaml::new(&simulator).with_api("ca_file", "company.pem"));
    folder.write("company.pem", company.pem());
    let live = system.check_live(&folder).await;
    assert!(live.stdout.contains("n1.test") && live.text().len() < 2_000, "{}", live.text().len());
}

#[tokio::test]
async fn a_ca_file_without_a_certificate_is_reported_by_check_and_at_start() {
    let (system, company) = (System::new(), Authority::new("Company"));
    let simulator = simulator(company.server(&["127.0.0.1"], &[&TLS13])).await;
    let folder = Folder::new(&Yaml::new(&simulator).with_api("ca_file", "company.pem"));
    let pem = |inside: &str| format!("-----BEGIN CERTIFICATE-----\n{inside}\n-----END CERTIFICATE-----\n");
    for (contents, problem) in [
        (String::new(), "it holds no PEM certificate"),
        ("corporate root".to_owned(), "it holds no PEM certificate"),
        (pem("not base64!"), "a certificate in it cannot be read"),
        (pem("bm8gY2VydGlmaWNhdGU="), "a certificate in it cannot be read"),
    ] {
        folder.write("company.pem", contents);
        for arguments in [&["check"][..], &["check", "--live"], &["--web.listen-address", "127.0.0.1:0"]] {
            let refusal = Ended::beside(system.command(&folder, arguments)).await.refusal();
            let expected = format!("avepoint-exporter: api.ca_file company.pem: {problem}\n");
            assert_eq!(refusal, expected, "{arguments:?}");
        }
    }
}

#[tokio::test]
async fn a_system_without_authorities_is_reported_unless_the_ca_file_has_all() {
    let company = Authority::new("Company");
    let simulator = simulator(company.server(&["127.0.0.1"], &[&TLS13])).await;
    let folder = Folder::new(&Yaml::new(&simulator));
    let check = || {
        let mut command = folder.command(&["check", "--live"]);
        command.env("SSL_CERT_FILE", folder.write("nothing.pem", ""));
        Ended::beside(command)
    };
    let refusal = check().await.refusal();
    assert!(refusal.contains("ca-certificates"), "{refusal}");
    folder.write("company.pem", company.pem());
    folder.configure(&Yaml::new(&simulator).with_api("ca_file", "company.pem"));
    let ended = check().await;
    assert_eq!(ended.code, Some(0), "{}", ended.text());
}

/// An HTTP proxy that leads every connection to one address, and keeps the heads of the requests.
struct Proxy {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    _serving: AbortOnDropHandle<()>,
}

impl Proxy {
    async fn to(destination: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let heads = asked.clone();
        let serving = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, destination, heads.clone()));
            }
        });
        Self { address, asked, _serving: AbortOnDropHandle::new(serving) }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// A user called `refused` is.
async fn serve(mut client: TcpStream, destination: SocketAddr, heads: Arc<Mutex<Vec<String>>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = client.read_u8().await else { return };
        head.push(byte);
    }
    let head = String::from_utf8(head).unwrap();
    heads.lock().unwrap().push(head.clone());
    if !head.starts_with("CONNECT ") || head.to_lowercase().contains(&format!("basic {REFUSED_IN_BASE64}")) {
        // Whoever asks may be gone.
        let _ = client.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n").await;
        return;
    }
    let mut server = TcpStream::connect(destination).await.unwrap();
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.unwrap();
    // Either end may break off.
    let _ = copy_bidirectional(&mut client, &mut server).await;
}

/// `refused:hunter2`, in lower case.
const REFUSED_IN_BASE64: &str = "cmvmdxnlzdpodw50zxiy";

/// `https://api.example.test` and its identity service, which only a proxy finds.
async fn far_away(company: &Authority) -> (Simulator, Folder) {
    let simulator = simulator(company.server(&["api.example.test", "identity.example.test"], &[&TLS13])).await;
    let yaml = Yaml::new(&simulator)
        .with_api("base_url", "https://api.example.test")
        .with_api("token_url", "https://identity.example.test/connect/token")
        .with_api("ca_file", "company.pem")
        .with_api("timeout", "5s");
    let folder = Folder::new(&yaml);
    folder.write("company.pem", company.pem());
    (simulator, folder)
}

#[tokio::test]
async fn a_proxy_of_the_usual_variables_leads_to_the_api() {
    let (system, company) = (System::new(), Authority::new("Company"));
    for variable in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        let (simulator, folder) = far_away(&company).await;
        let proxy = Proxy::to(simulator.addr()).await;
        let mut command = system.command(&folder, &["check", "--live"]);
        command.env(variable, format!("http://{}", proxy.address));
        let live = Ended::beside(command).await;
        assert_eq!(live.code, Some(0), "{variable}: {}", live.text());
        let asked = proxy.asked();
        for host in ["api.example.test:443", "identity.example.test:443"] {
            assert!(asked.iter().any(|head| head.starts_with(&format!("CONNECT {host} HTTP/1.1\r\n"))), "{asked:?}");
        }
        assert!(simulator.count(Operation::Overview) > 0);
    }
}

#[tokio::test]
async fn the_proxys_password_goes_to_the_proxy_and_into_no_log() {
    let (system, company) = (System::new(), Authority::new("Company"));
    let (simulator, folder) = far_away(&company).await;
    let proxy = Proxy::to(simulator.addr()).await;
    let run = async |url: &str, series: &str, value: f64| {
        let mut command = system.command(&folder, &["--web.listen-address", "127.0.0.1:0", "--log.level", "trace"]);
        let exporter = Exporter::spawn(command.env("HTTPS_PROXY", url)).await;
        exporter.until(series, value).await;
        exporter.cycles(1).await;
        for text in [exporter.log(), exporter.metrics().await, exporter.get("/").await.body] {
            assert!(!text.contains("hunter2") && !text.to_lowercase().contains(REFUSED_IN_BASE64), "{text}");
        }
        let log = exporter.log();
        exporter.stop().await;
        log
    };
    run(&format!("http://reader:hunter2@{}", proxy.address), "avepoint_api_up", 1.0).await;
    // `reader:hunter2`.
    assert!(proxy.asked()[0].contains("cmVhZGVyOmh1bnRlcjI="), "{:?}", proxy.asked());
    let log = run(&format!("http://refused:hunter2@{}", proxy.address), "avepoint_api_up", 0.0).await;
    assert!(log.contains("proxy"), "{log}");
    let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap();
    run(&format!("http://reader:hunter2@{closed}"), "avepoint_api_up", 0.0).await;
    for arguments in [&["check"][..], &["--web.listen-address", "127.0.0.1:0"]] {
        let mut command = system.command(&folder, arguments);
        command.env("HTTPS_PROXY", "http://reader:hunter2@no host:port");
        let refusal = Ended::beside(command).await.refusal();
        assert!(refusal.contains("HTTPS_PROXY is not the address of a proxy"), "{refusal}");
        assert!(!refusal.contains("hunter2"), "{refusal}");
    }
}

#[tokio::test]
async fn a_host_that_cannot_be_reached_is_named() {
    let system = System::new();
    let simulator = Simulator::start(world()).await.unwrap();
    let yaml = |url: &str| Yaml::new(&simulator).with_api("token_url", url).with_api("timeout", "1s");
    let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap();
    for (url, host) in [
        ("https://nowhere.invalid/connect/token".to_owned(), "nowhere.invalid".to_owned()),
        (format!("https://{closed}/connect/token"), closed.to_string()),
    ] {
        let live = system.check_live(&Folder::new(&yaml(&url))).await;
        assert_eq!(live.code, Some(1), "{}", live.text());
        let named = format!("the identity service could not be reached at {host}: ");
        assert!(live.stdout.contains(&named), "{}", live.text());
    }

    let folder = Folder::new(&yaml("https://nowhere.invalid/connect/token"));
    let mut command = system.command(&folder, &["check", "--live"]);
    command.env("HTTPS_PROXY", closed.to_string());
    let live = Ended::beside(command).await;
    assert!(live.stdout.contains("at nowhere.invalid: "), "{}", live.text());
    assert!(live.stdout.contains(&format!("(a proxy is configured: {closed})")), "{}", live.text());
}

#[tokio::test]
async fn a_handshake_that_is_never_answered_is_a_network_failure() {
    let system = System::new();
    let simulator = Simulator::start(world()).await.unwrap();
    // The kernel accepts, and nobody answers.
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let base_url = format!("https://{}", silent.local_addr().unwrap());
    let yaml = Yaml::new(&simulator).with_api("base_url", &base_url).with_api("timeout", "500ms");
    let folder = Folder::new(&yaml);
    let live = system.check_live(&folder).await;
    assert!(live.stdout.contains(": no connection within 450ms"), "{}", live.text());
    let exporter = system.start(&folder).await;
    exporter.until("avepoint_api_up", 0.0).await;
    assert!(exporter.value(NETWORK_FAILURES).await.unwrap() >= 4.0);
    assert_eq!(exporter.value("avepoint_poll_failures_total{reason=\"timeout\"}").await, Some(0.0));
    exporter.stop().await;
}

#[tokio::test]
async fn no_proxy_is_asked_for_this_machine() {
    let simulator = Simulator::start(world()).await.unwrap();
    let proxy = Proxy::to(simulator.addr()).await;
    let localhost = format!("http://localhost:{}", simulator.addr().port());
    for base_url in [simulator.base_url(), &localhost] {
        let folder = Folder::new(&Yaml::new(&simulator).with_api("base_url", base_url));
        let mut command = folder.command(&["check", "--live"]);
        for variable in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"] {
            command.env(variable, format!("http://{}", proxy.address));
        }
        let live = Ended::beside(command).await;
        assert_eq!(live.code, Some(0), "{base_url}: {}", live.text());
        assert_eq!(proxy.asked(), Vec::<String>::new(), "{base_url}");
    }
}

#[tokio::test]
async fn no_proxy_is_asked_for_hosts_of_no_proxy() {
    let (system, company) = (System::new(), Authority::new("Company"));
    let simulator = simulator(company.server(&["0.0.0.0"], &[&TLS13])).await;
    let proxy = Proxy::to(simulator.addr()).await;
    // To Linux, this address is this machine; to the exporter, it is a host like any other.
    let base_url = format!("https://0.0.0.0:{}", simulator.addr().port());
    let yaml = Yaml::new(&simulator)
        .with_api("base_url", &base_url)
        .with_api("token_url", format!("{base_url}/connect/token"))
        .with_api("ca_file", "company.pem");
    let folder = Folder::new(&yaml);
    folder.write("company.pem", company.pem());
    let here = format!("0.0.0.0:{}", simulator.addr().port());
    for (no_proxy, asks) in [
        ("10.0.0.0/8,example.test", true),
        ("example.test, 0.0.0.0", false),
        ("0.0.0.0:1", true),
        (here.as_str(), false),
    ] {
        proxy.asked.lock().unwrap().clear();
        let mut command = system.command(&folder, &["check", "--live"]);
        command.env("HTTPS_PROXY", format!("http://{}", proxy.address)).env("NO_PROXY", no_proxy);
        let live = Ended::beside(command).await;
        assert_eq!(live.code, Some(0), "{no_proxy}: {}", live.text());
        assert_eq!(!proxy.asked().is_empty(), asks, "{no_proxy}");
    }

    let (_simulator, folder) = far_away(&company).await;
    for no_proxy in ["other.test,.example.test", "*.example.test"] {
        proxy.asked.lock().unwrap().clear();
        let mut command = system.command(&folder, &["check", "--live"]);
        command.env("HTTPS_PROXY", format!("http://{}", proxy.address)).env("NO_PROXY", no_proxy);
        let live = Ended::beside(command).await;
        assert_eq!((live.code, proxy.asked()), (Some(1), Vec::new()), "{no_proxy}: {}", live.text());
    }
}
