//! The session of one profile.

pub mod oci_config;
