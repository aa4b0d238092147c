//! Looks at Deployments and SessionClusters, one step at a time, with somebody else at work beside them.

// Helpers of tests are tests, which clippy cannot see.
#![allow(clippy::unwrap_used, clippy::panic)]

mod quota;
mod session_cluster;
mod world;
