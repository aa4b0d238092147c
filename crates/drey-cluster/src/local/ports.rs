//! Free ports for a JobManager.
//!
//! The kernel hands them out (bind to port 0), and the listeners stay open until the moment before the spawn. What
//! remains is the time that a JVM needs to bind; a thief in that window makes the JobManager die with a
//! `BindException`, which shows as the reason of its death.

use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv4Addr, TcpListener};

use serde::{Deserialize, Serialize};

/// Listeners tried at most: three wanted, and each of the others taken by a recorded cluster that is just starting.
const ATTEMPTS_MAX: usize = 1000;

/// The ports of one JobManager.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ports {
    pub rest: u16,
    pub rpc: u16,
    pub blob: u16,
}

impl Ports {
    pub(super) fn all(self) -> [u16; 3] {
        [self.rest, self.rpc, self.blob]
    }
}

/// Ports that nobody else can take while this value lives.
#[derive(Debug)]
pub(super) struct Reserved {
    pub ports: Ports,
    _listeners: Vec<TcpListener>,
}

/// Reserves three ports on the loopback interface, none of them in `taken`.
pub(super) fn reserve(taken: &BTreeSet<u16>) -> io::Result<Reserved> {
    let mut listeners = Vec::new();
    let mut free = Vec::new();
    for _ in 0..ATTEMPTS_MAX {
        // Unwanted ones stay bound too, or the kernel might offer them again.
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        listeners.push(listener);
        if !taken.contains(&port) {
            free.push(port);
        }
        if let [rest, rpc, blob] = free[..] {
            return Ok(Reserved { ports: Ports { rest, rpc, blob }, _listeners: listeners });
        }
    }
    Err(io::Error::new(io::ErrorKind::AddrInUse, "no free ports"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_ports_differ_and_cannot_be_taken_until_released() {
        let first = reserve(&BTreeSet::new()).unwrap();
        let second = reserve(&first.ports.all().into()).unwrap();
        let all: BTreeSet<u16> =
            [first.ports.all(), second.ports.all()].concat().into_iter().collect();
        assert_eq!(all.len(), 6);
        let rest = (Ipv4Addr::LOCALHOST, first.ports.rest);
        assert!(TcpListener::bind(rest).is_err());
        drop(first);
        assert!(TcpListener::bind(rest).is_ok());
    }
}
