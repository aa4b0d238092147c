//! `/ext/v1`: what the platform's API does not have. Watching, the causal "why", logs, and who uses the quota.

pub(crate) mod explain;
pub(crate) mod logs;
pub(crate) mod quota;
pub(crate) mod watch;
