//! Who may read and write a file: its owner, group, mode and ACL, taken over by the file that replaces it. What
//! cannot be taken over never gives the new file a reader that the old one did not have.

use std::fs::{File, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
use std::path::Path;

use super::open::open_regular;
use crate::sys;

pub(super) struct Access {
    owner: u32,
    group: u32,
    mode: u32,
    /// An error if nobody knows whether there is an ACL.
    acl: io::Result<Option<Vec<u8>>>,
}

impl Access {
    /// None for a file that does not exist.
    pub(super) fn of(path: &Path) -> io::Result<Option<Self>> {
        let (file, about) = match open_regular(path, libc::O_RDONLY) {
            Ok(opened) => opened,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e),
        };
        let mode = about.permissions().mode() & 0o777;
        Ok(Some(Self { owner: about.uid(), group: about.gid(), mode, acl: sys::acl(&file) }))
    }

    /// Gives a new file of mode 0600 the same access. False if it cannot have the same owner: the old owner would
    /// be locked out.
    pub(super) fn give_to(&self, new: &File) -> io::Result<bool> {
        let about = new.metadata()?;
        if about.uid() != self.owner && fchown(new, Some(self.owner), None).is_err() {
            return Ok(false);
        }
        let keeps_group = about.gid() == self.group || fchown(new, None, Some(self.group)).is_ok();
        // An ACL of the folder's default is on the new file already, and the mode would open it.
        let bare =
            || sys::set_acl(new, None).and_then(|()| new.set_permissions(Permissions::from_mode(0o600)));
        let given = match &self.acl {
            Ok(Some(acl)) if keeps_group => sys::set_acl(new, Some(acl)).or_else(|_| bare()),
            // Whom the ACL denied is not known to the mode.
            Ok(Some(_)) | Err(_) => bare(),
            Ok(None) => {
                bare()?;
                let mode = if keeps_group { self.mode } else { without_group(self.mode) };
                new.set_permissions(Permissions::from_mode(mode))
            }
        };
        given.map(|()| true)
    }
}

/// The mode for a file of another group: nothing for that group, and for the others, among whom the members of the
/// old group now are, what both had.
fn without_group(mode: u32) -> u32 {
    mode & 0o700 | mode & (mode >> 3) & 0o007
}

#[cfg(test)]
mod tests {
    use super::without_group;

    #[test]
    fn a_file_of_another_group_gains_no_reader() {
        for (old, new) in [(0o640, 0o600), (0o644, 0o604), (0o604, 0o600), (0o664, 0o604), (0o600, 0o600)] {
            assert_eq!(without_group(old), new, "{old:o}");
        }
    }
}
