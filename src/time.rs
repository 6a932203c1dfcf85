//! Wall-clock time in seconds since 1970, and its two text forms: RFC 3339 and the HTTP date.

use std::fmt;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Seconds since 1970-01-01T00:00:00Z, as in a JWT's `exp` (RFC 7519 section 2, NumericDate).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnixTime(pub i64);

impl UnixTime {
    pub fn plus(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds))
    }

    /// Seconds from `earlier` to this moment; negative if `earlier` is later.
    pub fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The form of an HTTP `Date` header (RFC 9110 section 5.6.7): `Sun, 06 Nov 1994 08:49:37 GMT`.
    pub fn http_date(self) -> String {
        const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
        let c = Civil::from(self);
        let weekday = DAYS[self.0.div_euclid(86_400).rem_euclid(7) as usize];
        let month = MONTHS[c.month as usize - 1];
        format!(
            "{weekday}, {:02} {month} {:04} {:02}:{:02}:{:02} GMT",
            c.day, c.year, c.hour, c.minute, c.second
        )
    }

    /// The moment of an HTTP `Date` header in the form that [`http_date`](Self::http_date) writes, the only one that
    /// servers may send. `None` for any other text, and for a date that no calendar has.
    pub fn from_http_date(text: &str) -> Option<Self> {
        let number = |from: usize, to: usize| text.get(from..to)?.parse().ok();
        let month = MONTHS.iter().position(|name| text.get(8..11) == Some(name))?;
        let moment = Self::from(&Civil {
            year: number(12, 16)?,
            month: month as i64 + 1,
            day: number(5, 7)?,
            hour: number(17, 19)?,
            minute: number(20, 22)?,
            second: number(23, 25)?,
        });
        (moment.http_date() == text).then_some(moment)
    }
}

/// RFC 3339 in UTC: `2026-11-23T21:00:00Z`.
impl fmt::Display for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let c = Civil::from(*self);
        write!(f, "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", c.year, c.month, c.day, c.hour, c.minute, c.second)
    }
}

/// A date and time of day in UTC.
struct Civil {
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
}

impl From<UnixTime> for Civil {
    /// In the proleptic Gregorian calendar. The calculation uses years that start in March, so that the
    /// leap day is the last day of a year.
    fn from(time: UnixTime) -> Self {
        let days = time.0.div_euclid(86_400) + 719_468;
        let second_of_day = time.0.rem_euclid(86_400);
        let era = days.div_euclid(146_097);
        let day_of_era = days.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let march_month = (5 * day_of_year + 2) / 153;
        let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
        Self {
            year: year_of_era + era * 400 + i64::from(month <= 2),
            month,
            day: day_of_year - (153 * march_month + 2) / 5 + 1,
            hour: second_of_day / 3_600,
            minute: second_of_day / 60 % 60,
            second: second_of_day % 60,
        }
    }
}

impl From<&Civil> for UnixTime {
    /// The inverse calculation, in years that start in March too.
    fn from(c: &Civil) -> Self {
        let year = c.year - i64::from(c.month <= 2);
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let march_month = (c.month + 9) % 12;
        let day_of_year = (153 * march_month + 2) / 5 + c.day - 1;
        let day_of_era = 365 * year_of_era + year_of_era / 4 - year_of_era / 100 + day_of_year;
        let days = era * 146_097 + day_of_era - 719_468;
        Self(days * 86_400 + c.hour * 3_600 + c.minute * 60 + c.second)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::UnixTime;

    #[test]
    fn known_moments_are_printed_in_rfc_3339() {
        let known = [
            (0, "1970-01-01T00:00:00Z"),
            (784_111_777, "1994-11-06T08:49:37Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_795_467_599, "2026-11-23T20:59:59Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (-1, "1969-12-31T23:59:59Z"),
        ];
        for (seconds, text) in known {
            assert_eq!(UnixTime(seconds).to_string(), text);
        }
    }

    #[test]
    fn http_date_matches_the_example_of_the_rfc() {
        assert_eq!(UnixTime(784_111_777).http_date(), "Sun, 06 Nov 1994 08:49:37 GMT");
    }

    #[test]
    fn an_http_date_of_another_form_or_of_no_calendar_is_not_read() {
        for text in [
            "",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "Mon, 06 Nov 1994 08:49:37 GMT",
            "Sun, 06 nov 1994 08:49:37 GMT",
            "Sun, 6 Nov 1994 08:49:37 GMT",
            "Sun, +6 Nov 1994 08:49:37 GMT",
            "Wed, 31 Apr 2026 00:00:00 GMT",
            "Thu, 01 Jan 1970 24:00:00 GMT",
            "Sun, 06 Nov 1994 08:49:37 CET",
            "Sun, 06 Nov 1994 08:49:37 GMT ",
            "Sun, 06 Növ 1994 08:49:37 GMT",
        ] {
            assert_eq!(UnixTime::from_http_date(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_http_date_that_is_written_is_read_again(seconds in -62_167_219_200_i64..253_402_300_800) {
            let text = UnixTime(seconds).http_date();
            prop_assert_eq!(UnixTime::from_http_date(&text), Some(UnixTime(seconds)), "{}", text);
        }

        #[test]
        fn no_text_makes_the_parser_of_dates_panic(text in ".*|\\PC{5}, [0-9+-]{2} Nov [0-9-]{4} [0-9:]{8} GMT") {
            let _ = UnixTime::from_http_date(&text);
        }
    }

    #[test]
    fn far_moments_do_not_panic() {
        for seconds in [i64::MIN / 4, i64::MAX / 4] {
            let _ = UnixTime(seconds).to_string();
        }
    }
}
