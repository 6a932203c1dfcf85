//! The INI file format by Python's rules: a scan of its lines, and an edit of its keys. A file format,
//! nothing more: which file, and what its values mean, is for `config` and `oci/config_file` to say.

mod edit;
mod scan;

pub use edit::{Change, edit};
#[cfg(test)]
pub use scan::is_space;
pub use scan::{Fault, Is, check, lines, lower, text};
