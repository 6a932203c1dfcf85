//! When the next refresh is due. Pure: the clock and the dice are handed in.

use crate::time::UnixTime;

/// Never two refreshes within this, whatever a token says of itself.
const LEAST_PAUSE_SECONDS: i64 = 30;
const FIRST_BACKOFF_SECONDS: i64 = 30;
const LONGEST_BACKOFF_SECONDS: i64 = 600;

/// The moment when a token is to be refreshed, if nothing has failed.
///
/// That is `window` seconds before its end, but not in the first half of its life: a provider may
/// issue tokens shorter than the window, and each would then be refreshed at once.
pub fn due(expiration: UnixTime, issued_at: Option<UnixTime>, window: u32) -> UnixTime {
    let before_the_end = expiration.plus(-i64::from(window));
    let half_of_life = issued_at.map(|issued| issued.plus(expiration.since(issued) / 2));
    half_of_life.map_or(before_the_end, |half| half.max(before_the_end))
}

/// What was tried and how it went, which decides how soon the next try may come.
#[derive(Default)]
pub struct Pace {
    tried: Option<UnixTime>,
    failures: u32,
    /// Only after a failure.
    retry: Option<UnixTime>,
}

impl Pace {
    /// What to wait for, or None where the time has come. `due` is of the token that is there now.
    pub fn wait(&mut self, due: Option<UnixTime>, now: UnixTime) -> Option<UnixTime> {
        // The clock was put back. By what it said before, the next try could be hours away.
        if self.tried.is_some_and(|tried| tried > now) {
            (self.tried, self.retry) = (None, None);
        }
        // Somebody else has refreshed it: nothing is wrong any more.
        if due.is_some_and(|due| due > now) {
            self.succeeded();
        }
        let earliest = self.retry.or(self.tried.map(|tried| tried.plus(LEAST_PAUSE_SECONDS)));
        due.max(earliest).filter(|next| *next > now)
    }

    pub fn tries(&mut self, now: UnixTime) {
        self.tried = Some(now);
    }

    pub fn succeeded(&mut self) {
        (self.failures, self.retry) = (0, None);
    }

    /// Gives the moment of the next try.
    pub fn failed(&mut self, now: UnixTime, dice: u8) -> UnixTime {
        self.failures = self.failures.saturating_add(1);
        self.tries(now);
        *self.retry.insert(now.plus(backoff(self.failures, dice)))
    }

    /// The next try, where the last one failed and it is too early for another.
    pub fn retry(&self, now: UnixTime) -> Option<UnixTime> {
        self.retry.filter(|retry| *retry > now)
    }

    pub fn is_well(&self) -> bool {
        self.failures == 0
    }
}

/// How many seconds to wait after so many failures in a row: twice as long each time, and longer or
/// shorter by up to a fifth as `dice` falls, so that many machines do not return at the same moment.
fn backoff(failures: u32, dice: u8) -> i64 {
    let doublings = failures.saturating_sub(1).min(10);
    let pause = (FIRST_BACKOFF_SECONDS << doublings).min(LONGEST_BACKOFF_SECONDS);
    let fifth = pause / 5;
    pause - fifth + i64::from(dice) * 2 * fifth / i64::from(u8::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: UnixTime = UnixTime(1_000);

    #[test]
    fn a_window_before_the_end_but_not_in_the_first_half() {
        for (life, window, expected) in
            [(3_600, 600, 3_000), (600, 600, 300), (120, 600, 60), (3_600, 0, 3_600)]
        {
            assert_eq!(due(UnixTime(life), Some(UnixTime(0)), window), UnixTime(expected));
        }
        assert_eq!(due(UnixTime(3_600), None, 600), UnixTime(3_000));
    }

    #[test]
    fn waits_for_what_is_due_and_no_longer() {
        let mut pace = Pace::default();
        assert_eq!(pace.wait(None, NOW), None);
        assert_eq!(pace.wait(Some(NOW), NOW), None);
        assert_eq!(pace.wait(Some(NOW.plus(5)), NOW), Some(NOW.plus(5)));
    }

    #[test]
    fn never_twice_within_half_a_minute() {
        let mut pace = Pace::default();
        pace.tries(NOW);
        pace.succeeded();
        for due in [None, Some(NOW), Some(NOW.plus(5))] {
            assert_eq!(pace.wait(due, NOW.plus(5)), Some(NOW.plus(30)));
            assert_eq!(pace.wait(due, NOW.plus(30)), None);
        }
    }

    #[test]
    fn each_failure_in_a_row_waits_longer() {
        let mut pace = Pace::default();
        let mut now = NOW;
        for expected in [24, 48, 96, 192, 384, 480, 480] {
            let next = pace.failed(now, 0);
            assert_eq!(next.since(now), expected);
            // It looks in between, and is not to take the least pause for a success.
            assert_eq!(pace.wait(Some(NOW), next.plus(-1)), Some(next));
            assert_eq!(pace.wait(Some(NOW), next), None);
            assert!(!pace.is_well());
            now = next;
        }
        assert_eq!(pace.wait(Some(now.plus(900)), now), Some(now.plus(900)), "somebody else refreshed");
        assert!(pace.is_well() && pace.failed(now, 0).since(now) == 24);
    }

    #[test]
    fn a_clock_that_was_put_back_is_waited_for_by_nobody() {
        let mut pace = Pace::default();
        pace.failed(NOW.plus(7_200), 0);
        assert_eq!(pace.wait(Some(NOW), NOW), None);
        pace.tries(NOW.plus(7_200));
        assert_eq!(pace.wait(Some(NOW), NOW), None);
    }

    #[test]
    fn failures_double_the_pause_up_to_ten_minutes() {
        for (failures, least, most) in [(1, 24, 36), (2, 48, 72), (6, 480, 720), (u32::MAX, 480, 720)] {
            assert_eq!((backoff(failures, 0), backoff(failures, u8::MAX)), (least, most));
        }
    }

    proptest! {
        #[test]
        fn no_token_makes_it_hurry(exp: i64, iat: Option<i64>, window: u32, tried: i32, later in 0..30i64) {
            let tried = UnixTime(tried.into());
            let mut pace = Pace::default();
            pace.tries(tried);
            let due = due(UnixTime(exp), iat.map(UnixTime), window);
            let next = pace.wait(Some(due), tried.plus(later)).expect("it waits");
            prop_assert!(next.since(tried) >= LEAST_PAUSE_SECONDS);
        }
    }
}
