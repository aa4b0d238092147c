//! The control loop: queue → observe → decide → record → execute.

pub mod handle;

pub use handle::Handle;
