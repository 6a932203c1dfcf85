//! The INI file format by Python's rules: `scan` classifies its lines, `edit` changes its keys. Which
//! files are read and what their values mean is decided in `config` and `oci/config_file`.

mod edit;
mod scan;

pub use edit::{Change, edit};
pub use scan::{Fault, LineKind, check, is_space, lines, lower, text};
