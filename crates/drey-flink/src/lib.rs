//! Everything Drey knows about Flink: its REST API, its configuration, its versions, and where to get it.

pub mod api;

pub use api::{FlinkApi, Trigger};
