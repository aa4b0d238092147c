//! drey-engine
