//! The HTTP server of a fake JobManager: one thread per connection, and a control plane keeps one.

use std::io::{BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;

use anyhow::{Context, Result};

use crate::http;

const STACK_BYTES: usize = 128 << 10;

/// A request.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) method: String,
    /// Without the query.
    pub(super) path: String,
    pub(super) body: Vec<u8>,
}

/// What to do with a request.
#[derive(Debug)]
pub(super) enum Reply {
    /// Status and JSON.
    Json(u16, String),
    /// Nothing, until the client goes away.
    Never,
}

/// Serves for ever.
pub(super) fn serve(
    port: u16,
    answer: impl Fn(&Request) -> Reply + Send + Sync + 'static,
) -> Result<()> {
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).context("binding the REST port")?;
    let answer = Arc::new(answer);
    for stream in listener.incoming() {
        let (stream, answer) = (stream?, Arc::clone(&answer));
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
        // A connection that ends badly is the client's business.
        thread.spawn(move || {
            let _ = converse(stream, &*answer);
        })?;
    }
    Ok(())
}

fn converse(stream: TcpStream, answer: &(impl Fn(&Request) -> Reply + ?Sized)) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::with_capacity(4096, stream);
    loop {
        let request = read(&mut stream)?;
        match answer(&request) {
            Reply::Json(status, body) => {
                let reply = format!(
                    "HTTP/1.1 {status} OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                );
                stream.get_mut().write_all(reply.as_bytes())?;
            }
            Reply::Never => {
                let mut rest = [0; 256];
                while stream.read(&mut rest)? > 0 {}
                return Ok(());
            }
        }
    }
}

fn read(stream: &mut BufReader<TcpStream>) -> Result<Request> {
    let line = http::line(stream)?;
    let mut words = line.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (method, path) =
        (method.to_owned(), target.split('?').next().unwrap_or_default().to_owned());
    let headers = http::headers(stream)?;
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length.and_then(|(_, value)| value.parse().ok()).unwrap_or(0);
    Ok(Request { method, path, body: http::exactly(stream, length)? })
}
