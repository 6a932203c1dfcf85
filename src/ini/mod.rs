//! The INI file format by Python's rules: `scan` classifies its lines, `edit` changes its keys. Which
//! files are read and what their values mean is decided in `config` and `oci/config_file`.

mod edit;
mod scan;

pub use edit::{Change, edit};
pub use scan::{Fault, LineKind, check, is_space, lines, lower, text};

/// What a text says: the keys of each section with their values.
#[cfg(any(test, fuzzing))]
pub type Sections = std::collections::BTreeMap<String, std::collections::BTreeMap<String, String>>;

/// The sections of a text, as they are compared with those of Python's configparser. `defaults` is the section that is
/// none to it.
#[cfg(any(test, fuzzing))]
pub fn sections(text: &str, defaults: Option<&str>) -> Result<Sections, Fault> {
    check(text, defaults, |_, _| false)?;
    let mut sections = Sections::new();
    let (mut section, mut key, mut blanks) = (String::new(), String::new(), 0);
    for line in lines(text) {
        match line?.kind {
            LineKind::Section(name) => {
                name.clone_into(&mut section);
                if defaults != Some(name) {
                    sections.entry(section.clone()).or_default();
                }
            }
            LineKind::Key { name, value, .. } => {
                key = lower(name).into_owned();
                blanks = 0;
                sections.entry(section.clone()).or_default().insert(key.clone(), value.to_owned());
            }
            LineKind::Blank => blanks += 1,
            LineKind::Comment => {}
            LineKind::Continuation(more) => {
                let keys = sections.get_mut(&section).expect("a key stands before it");
                let value = keys.get_mut(&key).expect("a key stands before it");
                value.push_str(&"\n".repeat(blanks + 1));
                value.push_str(more);
                blanks = 0;
            }
        }
    }
    Ok(sections)
}
