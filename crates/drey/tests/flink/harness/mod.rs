//! What every test stands on: a server of its own, its REST API, its processes, and someone who watches.
//!
//! | file | owns |
//! |---|---|
//! | `server.rs` | the `drey serve` process and its data folder; the report of a failed test |
//! | `rest.rs` | the REST API in the words of the tests, and waiting for a condition with a deadline |
//! | `http.rs` | one blocking HTTP client |
//! | `processes.rs` | what really runs: `/proc`, pid files, ports, signals |
//! | `sentinel.rs` | a thread that sees every instant at which two jobs of one Deployment live |
//! | `documents.rs` | the Deployments that the tests declare |
//! | `setting.rs` | the environment of the suite |

mod documents;
mod http;
mod processes;
mod rest;
mod sentinel;
mod server;
mod setting;

pub(crate) use documents::{CHECKPOINTING, counter, deployment, of_artifact, sql, with_args};
pub(crate) use processes::{Cluster, Signal, is_alive, is_free, send};
pub(crate) use rest::{flink_id, text};
pub(crate) use server::Server;
pub(crate) use setting::{is_quick, jar};
