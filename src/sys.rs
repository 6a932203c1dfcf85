//! What only the operating system's C interface offers. All of woci's unsafe code is here.

use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether SIGPIPE was ignored when this process was started.
static SIGPIPE_WAS_IGNORED: AtomicBool = AtomicBool::new(false);

/// Rust's runtime ignores SIGPIPE before `main`, and a program run by woci would inherit that. What
/// it was before can be seen only before the runtime: in a constructor.
#[used]
#[cfg_attr(target_os = "macos", unsafe(link_section = "__DATA,__mod_init_func"))]
#[cfg_attr(not(target_os = "macos"), unsafe(link_section = ".init_array"))]
static BEFORE_THE_RUNTIME: extern "C" fn() = note_sigpipe;

extern "C" fn note_sigpipe() {
    // SAFETY: sigaction with no new action only fills `old`, which is plain data for which zeros are valid.
    let ignored = unsafe {
        let mut old: libc::sigaction = std::mem::zeroed();
        libc::sigaction(libc::SIGPIPE, ptr::null(), &mut old) == 0 && old.sa_sigaction == libc::SIG_IGN
    };
    SIGPIPE_WAS_IGNORED.store(ignored, Ordering::Relaxed);
}

/// Replaces this process by a program, with signal masks and dispositions as they came to woci.
/// Comes back only with the reason why it cannot be done.
pub fn exec(path: &Path, args: &[OsString], env: &[(OsString, OsString)]) -> io::Error {
    let prepared = (|| {
        let path = c_string(path.as_os_str())?;
        let args = args.iter().map(|arg| c_string(arg)).collect::<io::Result<Vec<_>>>()?;
        let pair = |(name, value): &(OsString, OsString)| {
            let mut pair = name.clone();
            pair.push("=");
            pair.push(value);
            c_string(&pair)
        };
        Ok((path, args, env.iter().map(pair).collect::<io::Result<Vec<_>>>()?))
    })();
    let (path, args, env) = match prepared {
        Ok(prepared) => prepared,
        Err(e) => return e,
    };
    let (args, env) = (pointers(&args), pointers(&env));
    // SAFETY: path, args and env are C strings that outlive the call, both lists end in a null pointer,
    // and no other thread of this process changes signal dispositions.
    unsafe {
        if !SIGPIPE_WAS_IGNORED.load(Ordering::Relaxed) {
            libc::signal(libc::SIGPIPE, libc::SIG_DFL);
        }
        libc::execve(path.as_ptr(), args.as_ptr(), env.as_ptr());
    }
    io::Error::last_os_error()
}

fn c_string(text: &OsStr) -> io::Result<CString> {
    CString::new(text.as_bytes()).map_err(|_| io::Error::other("an argument holds a NUL byte"))
}

fn pointers(strings: &[CString]) -> Vec<*const libc::c_char> {
    strings.iter().map(|string| string.as_ptr()).chain([ptr::null()]).collect()
}
