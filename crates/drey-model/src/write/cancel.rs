//! A Deployment that the server cancels because its namespace is being deleted: what a user's PATCH of `spec.state`
//! would make of it, whatever else of it would not be accepted today.

use jiff::Timestamp;

use crate::deployment::{Deployment, DesiredState};
use crate::meta::SPEC_VERSION;

/// The same Deployment, to be CANCELLED.
#[must_use]
pub fn cancel_deployment(current: &Deployment, now: Timestamp) -> Deployment {
    let mut next = current.clone();
    next.spec.state = DesiredState::Cancelled;
    let version = current.spec_version() + i64::from(next.spec != current.spec);
    next.metadata.annotations.insert(SPEC_VERSION.to_owned(), version.to_string());
    next.metadata.resource_version = current.metadata.resource_version.saturating_add(1);
    next.metadata.modified_at = now;
    next
}
