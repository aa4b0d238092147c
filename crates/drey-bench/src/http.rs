//! The smallest HTTP/1.1 client that will do: blocking, one connection that is kept, deadlines on everything.
//!
//! Its own cost must not show in what it measures, so it has no runtime and no pool. A request that fails on a kept
//! connection before any answer came is sent once more on a fresh one: servers close what was idle.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
const BODY_BYTES_MAX: usize = 64 << 20;

/// A client of one address.
pub(crate) struct Http {
    address: SocketAddr,
    timeout: Duration,
    kept: Option<BufReader<TcpStream>>,
}

/// Status and body.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Result<Value> {
        serde_json::from_slice(&self.body).context("the answer is not JSON")
    }

    /// The body of a success.
    pub(crate) fn success(self, what: &str) -> Result<Value> {
        let text = String::from_utf8_lossy(&self.body);
        ensure!((200..300).contains(&self.status), "{what}: {} {text}", self.status);
        self.json()
    }
}

impl Http {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, timeout: ANSWER_TIMEOUT, kept: None }
    }

    /// Gives up on an answer after `timeout`.
    pub(crate) fn patience(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    pub(crate) fn get(&mut self, path: &str) -> Result<Answer> {
        self.call("GET", path, None)
    }

    /// Sends a request and reads the whole answer.
    pub(crate) fn call(
        &mut self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer> {
        let text = body.map(Value::to_string).unwrap_or_default();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{text}",
            self.address,
            text.len(),
        );
        if let Some(kept) = self.kept.take()
            && let Ok(answer) = self.exchange(kept, &request)
        {
            return Ok(answer);
        }
        let stream = TcpStream::connect_timeout(&self.address, CONNECT_TIMEOUT);
        let stream = stream.with_context(|| format!("connecting to {}", self.address))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(self.timeout))?;
        stream.set_write_timeout(Some(self.timeout))?;
        let answer = self.exchange(BufReader::new(stream), &request);
        answer.with_context(|| format!("{method} http://{}{path}", self.address))
    }

    fn exchange(&mut self, mut stream: BufReader<TcpStream>, request: &str) -> Result<Answer> {
        stream.get_mut().write_all(request.as_bytes())?;
        let status_line = line(&mut stream)?;
        let status = status_line.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.with_context(|| format!("no status line: {status_line:?}"))?;
        let headers = headers(&mut stream)?;
        let header = |name: &str| headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
        let body = if header("transfer-encoding") == Some("chunked") {
            chunks(&mut stream)?
        } else {
            let length = header("content-length").and_then(|n| n.parse().ok()).unwrap_or(0);
            exactly(&mut stream, length)?
        };
        if header("connection") != Some("close") {
            self.kept = Some(stream);
        }
        Ok(Answer { status, body })
    }
}

/// A line without its end.
pub(crate) fn line(stream: &mut impl BufRead) -> Result<String> {
    let mut text = String::new();
    let read = stream.read_line(&mut text)?;
    ensure!(read > 0, "the connection was closed");
    Ok(text.trim_end().to_owned())
}

/// Header lines up to the empty one, names in lower case.
pub(crate) fn headers(stream: &mut impl BufRead) -> Result<Vec<(String, String)>> {
    let mut all = Vec::new();
    loop {
        let text = line(stream)?;
        let Some((name, value)) = text.split_once(':') else { return Ok(all) };
        all.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
    }
}

/// A body of known length.
pub(crate) fn exactly(stream: &mut impl Read, length: usize) -> Result<Vec<u8>> {
    ensure!(length <= BODY_BYTES_MAX, "a body of {length} bytes");
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok(body)
}

fn chunks(stream: &mut impl BufRead) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let size = line(stream)?;
        let size = size.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(size, 16).context("the size of a chunk")?;
        body.extend(exactly(stream, size)?);
        line(stream)?;
        if size == 0 {
            return Ok(body);
        }
        ensure!(body.len() <= BODY_BYTES_MAX, "a body of more than {BODY_BYTES_MAX} bytes");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_in_chunks_are_put_together() {
        let mut text: &[u8] = b"4\r\nWiki\r\n5;x=y\r\npedia\r\n0\r\n\r\n";
        assert_eq!(chunks(&mut text).unwrap(), b"Wikipedia");
        let mut text: &[u8] = b"A: 1\r\nb-C:  two \r\n\r\nrest";
        let expected = [("a", "1"), ("b-c", "two")].map(|(n, v)| (n.to_owned(), v.to_owned()));
        assert_eq!(headers(&mut text).unwrap(), expected);
        assert_eq!(text, b"rest");
    }
}
