//! When the next refresh is due. Pure: the clock and the dice are handed in.

use crate::time::UnixTime;

/// Never two refreshes within this, whatever a token says of itself.
const LEAST_PAUSE_SECONDS: i64 = 30;
const FIRST_BACKOFF_SECONDS: i64 = 30;
const LONGEST_BACKOFF_SECONDS: i64 = 600;

/// The moment when a token is to be refreshed, if nothing has failed.
///
/// That is `window` seconds before its end, but not in the first half of its life: a provider may
/// issue tokens shorter than the window, and each would then be refreshed at once. `tried` is the
/// last refresh, with whatever outcome.
pub fn due(
    expiration: UnixTime,
    issued_at: Option<UnixTime>,
    window: u32,
    tried: Option<UnixTime>,
) -> UnixTime {
    let before_the_end = expiration.plus(-i64::from(window));
    let half_of_life = issued_at.map(|issued| issued.plus(expiration.since(issued) / 2));
    let due = half_of_life.map_or(before_the_end, |half| half.max(before_the_end));
    tried.map_or(due, |tried| due.max(tried.plus(LEAST_PAUSE_SECONDS)))
}

/// How many seconds to wait after so many failures in a row: twice as long each time, and longer or
/// shorter by up to a fifth as `dice` falls, so that many machines do not return at the same moment.
pub fn backoff(failures: u32, dice: u8) -> i64 {
    let doublings = failures.saturating_sub(1).min(10);
    let pause = (FIRST_BACKOFF_SECONDS << doublings).min(LONGEST_BACKOFF_SECONDS);
    let fifth = pause / 5;
    pause - fifth + i64::from(dice) * 2 * fifth / i64::from(u8::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_window_before_the_end_but_not_in_the_first_half() {
        for (life, window, expected) in
            [(3_600, 600, 3_000), (600, 600, 300), (120, 600, 60), (3_600, 0, 3_600)]
        {
            assert_eq!(due(UnixTime(life), Some(UnixTime(0)), window, None), UnixTime(expected));
        }
        assert_eq!(due(UnixTime(3_600), None, 600, None), UnixTime(3_000));
    }

    #[test]
    fn never_twice_within_half_a_minute() {
        let tried = Some(UnixTime(100));
        assert_eq!(due(UnixTime(110), Some(UnixTime(100)), 600, tried), UnixTime(130));
    }

    #[test]
    fn failures_double_the_pause_up_to_ten_minutes() {
        for (failures, least, most) in [(1, 24, 36), (2, 48, 72), (6, 480, 720), (u32::MAX, 480, 720)] {
            assert_eq!((backoff(failures, 0), backoff(failures, u8::MAX)), (least, most));
        }
    }

    proptest! {
        #[test]
        fn no_token_makes_it_hurry(exp: i64, iat: Option<i64>, window: u32, tried: i32) {
            let tried = UnixTime(tried.into());
            let next = due(UnixTime(exp), iat.map(UnixTime), window, Some(tried));
            prop_assert!(next.since(tried) >= LEAST_PAUSE_SECONDS);
        }
    }
}
