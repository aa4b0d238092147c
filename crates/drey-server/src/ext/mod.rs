//! `/ext/v1`: what the platform's API does not have. Watching, the causal "why", and logs.

pub(crate) mod explain;
pub(crate) mod logs;
pub(crate) mod watch;
