//! The wall clock.
#![expect(clippy::disallowed_methods, reason = "this is the one home of the clock")]

use std::time::{SystemTime, UNIX_EPOCH};

/// Negative before 1970.
pub fn seconds_since_1970() -> i64 {
    #[cfg(all(target_env = "musl", target_pointer_width = "64"))]
    if let Some(seconds) = asked_of_the_kernel() {
        return seconds;
    }
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        Err(before) => -i64::try_from(before.duration().as_secs()).unwrap_or(i64::MAX),
    }
}

/// By a call: the page on which the kernel keeps the time has to be found and mapped first, which costs
/// a short run ten times as much.
#[cfg(all(target_env = "musl", target_pointer_width = "64"))]
fn asked_of_the_kernel() -> Option<i64> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is what the call fills.
    let answer = unsafe { libc::syscall(libc::SYS_clock_gettime, libc::CLOCK_REALTIME, &raw mut time) };
    (answer == 0).then_some(time.tv_sec)
}
