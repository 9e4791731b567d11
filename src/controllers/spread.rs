//! Spreads waits apart without chance: the same key and attempt always wait as long, so that a simulated run repeats itself.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

/// A wait lengthened by up to `percent`, depending on `key`.
pub(super) fn spread(wait: Duration, percent: u32, key: &impl Hash) -> Duration {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    let share = u32::try_from(hasher.finish() % 1_000).unwrap_or(0);
    wait + wait.mul_f64(f64::from(percent) / 100.0 * f64::from(share) / 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_lengthened_within_its_bound_and_the_same_each_time() {
        let wait = Duration::from_secs(10);
        let waits: Vec<Duration> = (0..100).map(|key| spread(wait, 25, &key)).collect();
        assert!(waits.iter().all(|each| *each >= wait && *each < Duration::from_millis(12_500)));
        assert_eq!(waits[7], spread(wait, 25, &7));
        assert!(waits.windows(2).any(|pair| pair[0] != pair[1]));
    }
}
