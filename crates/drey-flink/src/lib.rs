//! Everything Drey knows about Flink: its REST API, its configuration, its versions, and where to get it.

pub mod api;
pub mod config;
pub mod dist;
mod hash;
pub mod jdk;
pub mod launch;
pub mod logging;
pub mod memory;
pub mod versions;
pub mod words;
pub mod yaml;

pub use api::{FlinkApi, Trigger};
