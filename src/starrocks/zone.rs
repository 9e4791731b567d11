//! How far a frontend's local times are from UTC, estimated from the newest heartbeat it shows; corrects times, or says that it cannot.

use std::time::Duration;

use crate::model::Timestamp;

use super::Rows;

/// The offset of a frontend group's local time from UTC, or that it is not known.
///
/// Frontends print times in the zone of their JVM and never say which. The leader's heartbeats are at most 5 s old (real-fe.md §2), so the
/// newest one shown is, up to the clock difference between operator and leader, the frontend's present local time. Its distance from
/// `now` is compared with the offsets that exist in the world. If it is near none of them, no heartbeat is fresh (a group just started
/// cold shows those from before the stop) and times are unknown, which blocks what depends on them. A stale heartbeat that is by chance a
/// whole zone offset old could deceive for the 5 s until the leader's first round of heartbeats; hence the small tolerance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Zone {
    offset_minutes: Option<i32>,
}

/// How far the newest heartbeat may be from the present: heartbeat interval, answer time and clock difference together.
const TOLERANCE: Duration = Duration::from_secs(45);

/// Offsets in use in the world that are not whole hours, in minutes.
const ODD_OFFSETS: [i32; 13] = [-570, -210, -150, 210, 270, 330, 345, 390, 525, 570, 630, 765, 825];

impl Zone {
    /// Times are in UTC.
    pub const UTC: Self = Self { offset_minutes: Some(0) };
    /// Times cannot be told.
    pub const UNKNOWN: Self = Self { offset_minutes: None };

    /// Estimates the zone from the `LastHeartbeat` columns of any answers of the group.
    pub fn estimate<'a>(answers: impl IntoIterator<Item = &'a Rows>, now: Timestamp) -> Self {
        let newest =
            answers.into_iter().flat_map(Rows::iter).filter_map(|row| Timestamp::parse_frontend_time(row.text(&["LastHeartbeat"])?)).max();
        newest.map_or(Self::UNKNOWN, |newest| Self::between(newest, now))
    }

    /// The zone in which `local` (read as if it were UTC) is the present.
    fn between(local: Timestamp, now: Timestamp) -> Self {
        let whole_hours = (-12..=14).map(|hours| hours * 60);
        let nearest = whole_hours
            .chain(ODD_OFFSETS)
            .map(|minutes| (minutes, distance(correct(local, minutes), now)))
            .min_by_key(|&(_, distance)| distance);
        match nearest {
            Some((minutes, distance)) if distance <= TOLERANCE => Self { offset_minutes: Some(minutes) },
            _ => Self::UNKNOWN,
        }
    }

    /// The moment that a frontend's text means; `None` for texts that are no time and while the zone is unknown.
    pub fn moment(self, text: &str) -> Option<Timestamp> {
        let minutes = self.offset_minutes?;
        Some(correct(Timestamp::parse_frontend_time(text.trim())?, minutes))
    }
}

fn correct(local: Timestamp, offset_minutes: i32) -> Timestamp {
    let offset = Duration::from_secs(u64::from(offset_minutes.unsigned_abs()) * 60);
    if offset_minutes < 0 { local + offset } else { local - offset }
}

fn distance(one: Timestamp, other: Timestamp) -> Duration {
    one.since(other).max(other.since(one))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heartbeats(texts: &[&str]) -> Rows {
        let rows: Vec<Vec<Option<String>>> = texts.iter().map(|text| vec![Some((*text).to_owned())]).collect();
        Rows { columns: vec!["LastHeartbeat".to_owned()], rows }
    }

    fn now() -> Timestamp {
        Timestamp::parse("2026-11-23T15:30:12Z").unwrap_or_default()
    }

    #[test]
    fn a_group_in_shanghai_is_corrected_by_eight_hours() {
        let zone = Zone::estimate([&heartbeats(&["NULL", "2026-11-23 23:30:09", "2026-11-23 22:00:00"])], now());
        assert_eq!(zone.moment("2026-11-23 23:29:09"), Timestamp::parse("2026-11-23T15:29:09Z"));
    }

    #[test]
    fn half_hour_zones_and_zones_behind_utc_are_found() {
        for (text, minutes) in [("2026-11-23 21:00:10", 330), ("2026-11-23 12:00:10", -210), ("2026-11-23 15:30:20", 0)] {
            assert_eq!(Zone::estimate([&heartbeats(&[text])], now()).offset_minutes, Some(minutes), "{text}");
        }
    }

    #[test]
    fn without_a_fresh_heartbeat_no_time_is_believed() {
        for texts in [&["NULL"][..], &[], &["2026-11-23 15:15:12"], &["2026-11-23 15:27:00"], &["2026-11-20 15:30:12"]] {
            let zone = Zone::estimate([&heartbeats(texts)], now());
            assert_eq!(zone, Zone::UNKNOWN, "{texts:?}");
            assert_eq!(zone.moment("2026-11-23 15:30:09"), None);
        }
    }
}
