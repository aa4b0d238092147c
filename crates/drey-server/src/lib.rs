//! drey-server
