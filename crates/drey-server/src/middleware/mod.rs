//! What happens around every request, outermost first.
//!
//! ```text
//! observe   request id, span, access log, duration
//!   render  the answer's value becomes JSON or YAML; foreign errors get our layout
//!     origin  403 for pages of other sites
//!     panics  become a 500
//!       deadline  30 s until the answer begins (not for streams once they began, not for the proxy)
//!         namespace  404 for one that does not exist
//!           parameters  warnings of query parameters that mean nothing
//! ```

mod limits;
mod namespace;
mod observe;
mod origin;
mod parameters;
mod render;

pub(crate) use limits::{deadline, panicked};
pub(crate) use namespace::exists;
pub(crate) use observe::observe;
pub(crate) use origin::same_origin;
pub(crate) use parameters::parameters;
pub(crate) use render::{Untouched, render};
