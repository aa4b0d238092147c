//! How requests and answers look on the wire: media types, bodies, entity tags, warnings, query parameters.
//!
//! ```text
//! request ──Incoming──► Document          handler ──► Reply (a value, not yet bytes)
//!                                                        │ middleware::render, by the request's Accept
//!                                                        ▼
//!                                                     JSON or YAML
//! ```

mod etag;
mod incoming;
mod media;
mod params;
mod reply;
mod warnings;

pub(crate) use etag::{IfMatch, etag};
pub(crate) use incoming::{Incoming, IncomingSecret};
pub(crate) use media::{Wants, wants};
pub(crate) use params::{Asked, Params};
pub(crate) use reply::{DRY_RUN, Payload, Reply};
