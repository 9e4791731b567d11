//! Maintenance windows: proven days, times and zones in, whether one is open at a moment and when the next opens out; never reads a clock.

use std::collections::BTreeSet;
use std::fmt;

use chrono::{DateTime, Datelike, Duration, NaiveTime, TimeZone, Utc};
use chrono_tz::Tz;

use super::Timestamp;

/// A time that returns each week, in the zone of its users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// Days on which it opens, counted from Monday as 0; never empty.
    days: BTreeSet<u8>,
    opens: NaiveTime,
    minutes: u32,
    zone: Tz,
}

/// What is wrong with a window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WindowFault {
    /// The time of day cannot be read.
    Start,
    /// It lasts less than a minute or longer than a week.
    Duration,
    /// The zone is none that the IANA database has.
    Zone,
}

impl Window {
    /// The longest window: a week.
    pub const MINUTES_MAX: u32 = 10_080;

    /// Proves a window. `days` count from Monday as 0, none stands for every day; `start` is a time of day such as `22:30`; `zone` is an
    /// IANA name, or none for UTC.
    ///
    /// # Errors
    /// Says which part is wrong.
    pub fn new(days: impl IntoIterator<Item = u8>, start: &str, minutes: u32, zone: Option<&str>) -> Result<Self, WindowFault> {
        let mut days: BTreeSet<u8> = days.into_iter().filter(|day| *day < 7).collect();
        if days.is_empty() {
            days.extend(0..7);
        }
        let opens = NaiveTime::parse_from_str(start, "%H:%M").map_err(|_| WindowFault::Start)?;
        if !(1..=Self::MINUTES_MAX).contains(&minutes) {
            return Err(WindowFault::Duration);
        }
        let zone = zone.map_or(Ok(Tz::UTC), |zone| zone.parse().map_err(|_| WindowFault::Zone))?;
        Ok(Self { days, opens, minutes, zone })
    }

    /// Until when it is open, if it is.
    pub fn open_until(&self, now: Timestamp) -> Option<Timestamp> {
        // One that opened a week ago may still be open.
        (-8..=0)
            .filter_map(|day| self.occurrence(now, day))
            .find(|(opens, closes)| *opens <= now && now < *closes)
            .map(|(_, closes)| closes)
    }

    /// When it opens next; a moment after `now`.
    pub fn opens_next(&self, now: Timestamp) -> Option<Timestamp> {
        (0..=8).filter_map(|day| self.occurrence(now, day)).map(|(opens, _)| opens).find(|opens| *opens > now)
    }

    /// When it opens and closes on the day `offset` days from today in its zone. An hour that the clocks leap over begins when they have;
    /// one that they repeat begins the first time.
    fn occurrence(&self, now: Timestamp, offset: i64) -> Option<(Timestamp, Timestamp)> {
        let utc: DateTime<Utc> = DateTime::from_timestamp_millis(now.as_millis())?;
        let day = utc.with_timezone(&self.zone).date_naive().checked_add_signed(Duration::days(offset))?;
        let weekday = u8::try_from(day.weekday().num_days_from_monday()).ok()?;
        if !self.days.contains(&weekday) {
            return None;
        }
        let local = day.and_time(self.opens);
        let found = (0..=3).find_map(|hours| self.zone.from_local_datetime(&(local + Duration::hours(hours))).earliest())?;
        let opens = Timestamp::from_millis(found.timestamp_millis());
        Some((opens, opens + std::time::Duration::from_secs(u64::from(self.minutes) * 60)))
    }
}

impl fmt::Display for Window {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
        let days: Vec<&str> = self.days.iter().filter_map(|day| NAMES.get(usize::from(*day)).copied()).collect();
        let days = if days.len() == 7 { "daily".to_owned() } else { days.join(",") };
        write!(out, "{days} {} for {} min ({})", self.opens.format("%H:%M"), self.minutes, self.zone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn a_window_is_open_from_its_start_until_its_end_in_its_own_zone() {
        // 2026-11-28 is a Saturday; Berlin is one hour ahead of UTC then.
        let window = Window::new([5], "22:30", 240, Some("Europe/Berlin")).unwrap();
        assert_eq!(window.open_until(at("2026-11-28T21:29:59Z")), None);
        assert_eq!(window.open_until(at("2026-11-28T21:30:00Z")), Some(at("2026-11-29T01:30:00Z")));
        assert_eq!(window.open_until(at("2026-11-29T01:29:59Z")), Some(at("2026-11-29T01:30:00Z")), "past midnight");
        assert_eq!(window.open_until(at("2026-11-29T01:30:00Z")), None);
        assert_eq!(window.opens_next(at("2026-11-28T21:30:00Z")), Some(at("2026-12-05T21:30:00Z")));
        assert_eq!(window.opens_next(at("2026-11-24T12:00:00Z")), Some(at("2026-11-28T21:30:00Z")));
        assert_eq!(window.to_string(), "Sat 22:30 for 240 min (Europe/Berlin)");
    }

    #[test]
    fn summer_time_moves_a_window_with_its_users() {
        let window = Window::new([], "02:30", 60, Some("Europe/Berlin")).unwrap();
        assert_eq!(window.opens_next(at("2026-07-01T12:00:00Z")), Some(at("2026-07-02T00:30:00Z")));
        assert_eq!(window.opens_next(at("2026-12-01T12:00:00Z")), Some(at("2026-12-02T01:30:00Z")));
        // On 2026-03-29 there is no 02:30 in Berlin: the window opens an hour later by the clock on the wall.
        assert_eq!(window.opens_next(at("2026-03-28T12:00:00Z")), Some(at("2026-03-29T01:30:00Z")));
        // On 2026-10-25 there are two; the first counts.
        assert_eq!(window.opens_next(at("2026-10-24T12:00:00Z")), Some(at("2026-10-25T00:30:00Z")));
    }

    #[test]
    fn a_window_of_a_week_is_always_open() {
        let window = Window::new([0], "00:00", Window::MINUTES_MAX, None).unwrap();
        for hour in 0..24 * 8 {
            let now = at("2026-11-24T00:00:00Z") + std::time::Duration::from_secs(hour * 3_600);
            assert!(window.open_until(now).is_some(), "{now}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_window_is_named() {
        assert_eq!(Window::new([], "24:00", 60, None), Err(WindowFault::Start));
        assert_eq!(Window::new([], "", 60, None), Err(WindowFault::Start));
        assert_eq!(Window::new([], "22:00", 0, None), Err(WindowFault::Duration));
        assert_eq!(Window::new([], "22:00", 10_081, None), Err(WindowFault::Duration));
        assert_eq!(Window::new([], "22:00", 60, Some("Berlin")), Err(WindowFault::Zone));
    }
}
