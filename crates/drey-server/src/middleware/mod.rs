//! What happens around every request, outermost first.
//!
//! ```text
//! observe   request id, client address, span, access log, duration
//!   render  the answer's value becomes JSON or YAML; foreign errors get our layout
//!     origin  403 for pages of other sites
//!     panics  become a 500
//!       deadline  30 s until the answer begins (not for streams once they began, not for the proxy)
//!         parameters  warnings of query parameters that mean nothing
//!           admit  401, 403; 404 and 409 for namespaces that do not exist or end; audit log
//! ```

mod admit;
mod limits;
mod observe;
mod origin;
mod parameters;
mod render;

pub(crate) use admit::{Door, admit};
pub(crate) use limits::{deadline, panicked};
pub(crate) use observe::{Address, RequestId, observe};
pub(crate) use origin::same_origin;
pub(crate) use parameters::parameters;
pub(crate) use render::{Untouched, render};
