//! Clients that cost what they can. They come from another address than the scrapes, which limits are held apart by.

use std::net::SocketAddr;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};

use super::script::Attack;

/// How many of them come at a time.
const CROWD: usize = 60;

/// Connections that stay until they are dropped.
pub async fn attack(attack: Attack, address: SocketAddr, password: &str) -> Vec<TcpStream> {
    let mut crowd = Vec::new();
    for _ in 0..CROWD {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        socket.bind(([127, 0, 0, 2], 0).into()).unwrap();
        // Whom the exporter does not let in has been withstood.
        let Ok(mut client) = socket.connect(address).await else { continue };
        let _ = client.write_all(&bytes(attack, password)).await;
        crowd.push(client);
    }
    crowd
}

fn bytes(attack: Attack, password: &str) -> Vec<u8> {
    let login = |password: &str| BASE64_STANDARD.encode(format!("{}:{password}", super::USER));
    let get = |path: &str, password: &str| {
        format!("GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Basic {}\r\n\r\n", login(password)).into_bytes()
    };
    match attack {
        Attack::Slow => b"GET /metrics HTTP/1.1\r\nhost: ".to_vec(),
        Attack::Unread => [get("/metrics", password), get("/seats.csv", password)].concat().repeat(40),
        Attack::Garbage => b"\x16\x03\x01\x00\xff\0\0\0 : \r\n".repeat(100),
        Attack::Guesses => get("/metrics", "guess").repeat(20),
    }
}
