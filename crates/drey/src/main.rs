//! The drey binary.
fn main() {}
