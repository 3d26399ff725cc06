//! Recycling at times of day. Pure.

use jiff::civil::{DateTime, Time};

/// Whether one of the times of day lies between two looks at the clock, the second included. A clock that is set back,
/// as at the end of summer time, makes nothing due.
pub fn is_due(schedule: &[Time], last: DateTime, now: DateTime) -> bool {
    let is_between = |at: DateTime| last < at && at <= now;
    schedule.iter().any(|time| {
        is_between(now.date().to_datetime(*time)) || is_between(last.date().to_datetime(*time))
    })
}

#[cfg(test)]
mod tests {
    use jiff::civil::{date, time};

    use super::*;

    #[test]
    fn a_time_is_due_once_also_around_midnight() {
        let day = date(2024, 10, 27);
        let at = |hour, minute, second| day.at(hour, minute, second, 0);
        let schedule = [time(3, 30, 0, 0), time(0, 0, 0, 0)];
        for (last, now, due) in [
            (at(3, 29, 58), at(3, 29, 59), false),
            (at(3, 29, 59), at(3, 30, 0), true),
            (at(3, 30, 0), at(3, 30, 1), false),
            (at(3, 29, 59), at(3, 30, 2), true),
            (
                day.yesterday().unwrap_or(day).at(23, 59, 59, 0),
                at(0, 0, 0),
                true,
            ),
            (
                day.yesterday().unwrap_or(day).at(1, 0, 0, 0),
                at(2, 0, 0),
                true,
            ),
            // The end of summer time: 3 o'clock is 2 o'clock again.
            (at(3, 59, 59), at(3, 0, 0), false),
        ] {
            assert_eq!(is_due(&schedule, last, now), due, "{last} {now}");
        }
        assert!(!is_due(&[], at(0, 0, 0), at(23, 0, 0)));
    }
}
