//! Where a result comes from: the commit the program was built from, and the time.

use std::time::{SystemTime, UNIX_EPOCH};

/// Commit of the sources (40 hexadecimal digits), or `unknown` when built without a git repository.
#[must_use]
pub fn commit() -> &'static str {
    env!("SWISH_COMMIT")
}

/// The head of a commit, as people write it: ten digits.
#[must_use]
pub fn short(commit: &str) -> &str {
    commit.get(..10).unwrap_or(commit)
}

/// Whether the sources differed from [`commit`] at build time; true as well where that is not known.
#[must_use]
pub fn dirty() -> bool {
    env!("SWISH_DIRTY") != "false"
}

/// The time now, UTC, RFC 3339 to the second: `2026-01-31T23:59:59Z`.
#[must_use]
pub fn utc_now() -> String {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
    rfc3339(since_1970.map_or(0, |time| time.as_secs()))
}

/// Seconds since 1970 as a date and time of day.
fn rfc3339(seconds: u64) -> String {
    let (day, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, date) = civil(day);
    let (h, m, s) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{date:02}T{h:02}:{m:02}:{s:02}Z")
}

/// Year, month and day of the month of a day counted from 1 January 1970 (Gregorian calendar).
fn civil(mut day: u64) -> (u64, u64, u64) {
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let mut year = 1970;
    while day >= 365 + u64::from(leap(year)) {
        day -= 365 + u64::from(leap(year));
        year += 1;
    }
    let lengths = [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 1;
    for length in lengths {
        if day < length {
            break;
        }
        day -= length;
        month += 1;
    }
    (year, month, day + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected values: `date -u -d @SECONDS +%FT%TZ`.
    #[test]
    fn dates_are_those_of_the_date_command() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (1_709_251_200, "2024-03-01T00:00:00Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(rfc3339(seconds), expected);
        }
    }

    #[test]
    fn the_commit_is_one_or_unknown() {
        let hex = commit().len() == 40 && commit().bytes().all(|byte| byte.is_ascii_hexdigit());
        assert!(hex || (commit() == "unknown" && dirty()), "{}", commit());
    }
}
