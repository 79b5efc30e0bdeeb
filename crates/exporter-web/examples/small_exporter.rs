//! A whole exporter: how much memory this machine has left, as one gauge.

#![allow(clippy::print_stdout, reason = "it is for whoever starts it")]

use std::error::Error;
use std::{env, fs};

use exporter_web::http::header::{CONTENT_TYPE, HeaderValue};
use exporter_web::http::{Request, Response, StatusCode};
use exporter_web::{Body, Server, ServerConfig, Service, plain_text};

struct Memory;

impl Service for Memory {
    async fn respond(&self, request: &Request<()>) -> Response<Body> {
        match request.uri().path() {
            "/metrics" => match available_bytes() {
                Some(bytes) => exposition(bytes),
                None => plain_text(StatusCode::INTERNAL_SERVER_ERROR, "/proc/meminfo cannot be read.\n"),
            },
            _ => plain_text(StatusCode::NOT_FOUND, "The metrics are at /metrics.\n"),
        }
    }
}

fn available_bytes() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kib| kib * 1024)
}

fn exposition(bytes: u64) -> Response<Body> {
    let text = format!(
        "# HELP memory_available_bytes Memory that a new program could have.\n\
         # TYPE memory_available_bytes gauge\n\
         memory_available_bytes {bytes}\n"
    );
    let mut response = Response::new(Body::from(text));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4"));
    response
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = env::args().collect();
    let value = |name| arguments.iter().skip_while(|argument| *argument != name).nth(1);
    let config = ServerConfig {
        listen: vec![value("--web.listen-address").map_or("127.0.0.1:9200", |value| value).parse()?],
        config_file: value("--web.config.file").map(Into::into),
        realm: "small exporter".to_owned(),
        ..ServerConfig::default()
    };
    let server = Server::bind(config, Memory, ()).await?;
    println!("listening on {}://{}", server.scheme(), server.addresses()[0]);
    server.run(async { drop(tokio::signal::ctrl_c().await) }).await;
    Ok(())
}
