//! Calculates when the next try to refresh may start. Pure: the time and the random byte are arguments.

use crate::time::UnixTime;

/// The least time between two refreshes, whatever the token's claims are.
pub const LEAST_PAUSE_SECONDS: i64 = 30;
const FIRST_BACKOFF_SECONDS: i64 = 30;
const LONGEST_BACKOFF_SECONDS: i64 = 600;

/// The record of past tries, which limits how soon the next one may start.
#[derive(Default)]
pub struct Pace {
    /// The start of the last try.
    tried: Option<UnixTime>,
    /// Failures in a row.
    failures: u32,
    /// The time of the next try, after a failure.
    retry: Option<UnixTime>,
}

impl Pace {
    /// The time of the next try, or `None` if it is now. `due` is the time to refresh the stored token,
    /// `None` if there is no token.
    pub fn next_try(&mut self, due: Option<UnixTime>, now: UnixTime) -> Option<UnixTime> {
        // The clock was set back. By the old times, the next try could be hours away.
        if self.tried.is_some_and(|tried| tried > now) {
            (self.tried, self.retry) = (None, None);
        }
        // Another process has refreshed the session, so that earlier failures do not count any more.
        if due.is_some_and(|due| due > now) {
            self.succeeded();
        }
        let earliest = self.retry.or(self.tried.map(|tried| tried.plus(LEAST_PAUSE_SECONDS)));
        due.max(earliest).filter(|next| *next > now)
    }

    /// Records the start of a try.
    pub fn started(&mut self, now: UnixTime) {
        self.tried = Some(now);
    }

    /// Records that the session is fresh.
    pub fn succeeded(&mut self) {
        (self.failures, self.retry) = (0, None);
    }

    /// Records that a try failed, and returns the time of the next one.
    pub fn failed(&mut self, now: UnixTime, jitter: u8) -> UnixTime {
        self.failures = self.failures.saturating_add(1);
        self.started(now);
        *self.retry.insert(now.plus(backoff(self.failures, jitter)))
    }

    /// The time of the next try, if the last one failed and that time is in the future.
    pub fn retry(&self, now: UnixTime) -> Option<UnixTime> {
        self.retry.filter(|retry| *retry > now)
    }

    /// True if there was no failure since the session was last fresh.
    pub fn has_recovered(&self) -> bool {
        self.failures == 0
    }
}

/// The seconds to wait after this number of failures in a row: 30 s, doubled with each failure up to 10
/// minutes. The random `jitter` changes that by up to a fifth, so that many machines do not retry at the
/// same time.
fn backoff(failures: u32, jitter: u8) -> i64 {
    let doublings = failures.saturating_sub(1).min(10);
    let pause = (FIRST_BACKOFF_SECONDS << doublings).min(LONGEST_BACKOFF_SECONDS);
    let fifth = pause / 5;
    pause - fifth + i64::from(jitter) * 2 * fifth / i64::from(u8::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: UnixTime = UnixTime(1_000);

    #[test]
    fn the_next_try_is_at_the_due_time() {
        let mut pace = Pace::default();
        assert_eq!(pace.next_try(None, NOW), None);
        assert_eq!(pace.next_try(Some(NOW), NOW), None);
        assert_eq!(pace.next_try(Some(NOW.plus(5)), NOW), Some(NOW.plus(5)));
    }

    #[test]
    fn two_tries_are_at_least_half_a_minute_apart() {
        let mut pace = Pace::default();
        pace.started(NOW);
        pace.succeeded();
        for due in [None, Some(NOW), Some(NOW.plus(5))] {
            assert_eq!(pace.next_try(due, NOW.plus(5)), Some(NOW.plus(30)));
            assert_eq!(pace.next_try(due, NOW.plus(30)), None);
        }
    }

    #[test]
    fn each_failure_in_a_row_makes_the_pause_longer() {
        let mut pace = Pace::default();
        let mut now = NOW;
        for expected in [24, 48, 96, 192, 384, 480, 480] {
            let next = pace.failed(now, 0);
            assert_eq!(next.since(now), expected);
            // A wake-up before the next try does not count as a success.
            assert_eq!(pace.next_try(Some(NOW), next.plus(-1)), Some(next));
            assert_eq!(pace.next_try(Some(NOW), next), None);
            assert!(!pace.has_recovered());
            now = next;
        }
        assert_eq!(pace.next_try(Some(now.plus(900)), now), Some(now.plus(900)), "another process refreshed");
        assert!(pace.has_recovered() && pace.failed(now, 0).since(now) == 24);
    }

    #[test]
    fn after_the_clock_is_set_back_the_next_try_is_at_once() {
        let mut pace = Pace::default();
        pace.failed(NOW.plus(7_200), 0);
        assert_eq!(pace.next_try(Some(NOW), NOW), None);
        pace.started(NOW.plus(7_200));
        assert_eq!(pace.next_try(Some(NOW), NOW), None);
    }

    #[test]
    fn failures_double_the_pause_up_to_ten_minutes() {
        for (failures, least, most) in [(1, 24, 36), (2, 48, 72), (6, 480, 720), (u32::MAX, 480, 720)] {
            assert_eq!((backoff(failures, 0), backoff(failures, u8::MAX)), (least, most));
        }
    }

    proptest! {
        #[test]
        fn no_token_causes_a_refresh_before_the_least_pause(due: Option<i64>, tried: i32, later in 0..30i64) {
            let tried = UnixTime(tried.into());
            let mut pace = Pace::default();
            pace.started(tried);
            let next = pace.next_try(due.map(UnixTime), tried.plus(later)).expect("it waits");
            prop_assert!(next.since(tried) >= LEAST_PAUSE_SECONDS);
        }
    }
}
