//! The limit: a server that does nothing but write bytes that are ready.
//!
//! One thread accepts, and hands the connections to a loop on each core in turn, so that each has as many in every run.
//! A loop reads until a request ends, and writes head and body at once; what a request says, nobody looks at.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread::{available_parallelism, spawn};

use tempfile::NamedTempFile;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Builder;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::Encoding;
use crate::shared::role::serve;
use crate::shared::{Result, Role, get};

/// The argument that makes this program the bare server; the file with its answer follows.
pub(super) const BARE: &str = "bare";

const END: &[u8] = b"\r\n\r\n";

/// A running bare server.
#[derive(Debug)]
pub(super) struct Bare {
    role: Role,
    _answer: NamedTempFile,
}

impl Bare {
    /// Starts one that writes what the exporter answers now in this encoding.
    pub(super) fn start(exporter: &str, encoding: Encoding) -> Result<Self> {
        let body = get(exporter, "/metrics", encoding.name())?;
        let encoded = match encoding {
            Encoding::Identity => "",
            Encoding::Gzip => "content-encoding: gzip\r\n",
        };
        let length = body.len();
        let head = format!("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n{encoded}content-length: {length}");
        let answer = [head.as_bytes(), END, &body].concat();
        let mut file = NamedTempFile::new()?;
        file.write_all(&answer)?;
        let role = Role::start(&[BARE, file.path().to_str().ok_or("the path is not Unicode")?])?;

        let mut stream = TcpStream::connect(&role.address)?;
        stream.write_all(END)?;
        stream.shutdown(Shutdown::Write)?;
        let mut written = Vec::new();
        stream.read_to_end(&mut written)?;
        if written != answer {
            return Err("the bare server does not write the bytes of the exporter".into());
        }
        Ok(Self { role, _answer: file })
    }

    pub(super) fn address(&self) -> &str {
        &self.role.address
    }
}

/// Plays the bare server.
pub(super) fn play(answer: &str) -> Result<()> {
    let answer: Arc<[u8]> = fs::read(answer)?.into();
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?.to_string();
    let mut loops = Vec::new();
    for _ in 0..available_parallelism().map_or(1, NonZeroUsize::get) {
        let (connections, accepted) = unbounded_channel();
        let answer = answer.clone();
        spawn(move || run(accepted, &answer));
        loops.push(connections);
    }
    spawn(move || {
        for (connection, to) in listener.incoming().zip(loops.iter().cycle()) {
            // A loop that has failed answers nobody, which the load says.
            let _ = connection.map(|connection| to.send(connection));
        }
    });
    serve(&address)
}

/// The loop on one core.
fn run(mut accepted: UnboundedReceiver<TcpStream>, answer: &Arc<[u8]>) -> Result<()> {
    Builder::new_current_thread().enable_io().build()?.block_on(async {
        while let Some(connection) = accepted.recv().await {
            tokio::spawn(answer_all(connection, answer.clone()));
        }
        Ok(())
    })
}

/// Answers every request on a connection.
async fn answer_all(connection: TcpStream, answer: Arc<[u8]>) -> std::io::Result<()> {
    connection.set_nonblocking(true)?;
    connection.set_nodelay(true)?;
    let mut connection = tokio::net::TcpStream::from_std(connection)?;
    let mut request = Vec::with_capacity(4096);
    while connection.read_buf(&mut request).await? > 0 {
        if request.ends_with(END) {
            request.clear();
            connection.write_all(&answer).await?;
        }
    }
    Ok(())
}
