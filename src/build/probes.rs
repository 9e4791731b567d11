//! A path, a port and a patience in, a probe out; never another period than every five seconds.

use k8s_openapi::api::core::v1::{HTTPGetAction, Probe};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

const PERIOD_SECONDS: i32 = 5;

/// Failures in a row until a container that starts is restarted, unless the user says otherwise: five minutes.
pub(super) const STARTUP_FAILURES: i32 = 60;
/// Failures in a row until a container is restarted, or taken out of its Service, unless the user says otherwise.
pub(super) const RUNNING_FAILURES: i32 = 3;

/// A probe by HTTP. `failure_seconds` is the user's patience: none, or a number below zero, for the default, 0 for no probe at all.
pub(super) fn http(path: &str, port: u16, failure_seconds: Option<i32>, default_failures: i32) -> Option<Probe> {
    let failures = match failure_seconds {
        None => default_failures,
        Some(0) => return None,
        Some(seconds) if seconds < 0 => default_failures,
        Some(seconds) => seconds / PERIOD_SECONDS + i32::from(seconds % PERIOD_SECONDS != 0),
    };
    Some(Probe {
        http_get: Some(HTTPGetAction { path: Some(path.to_owned()), port: IntOrString::Int(i32::from(port)), ..HTTPGetAction::default() }),
        period_seconds: Some(PERIOD_SECONDS),
        failure_threshold: Some(failures),
        ..Probe::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_in_seconds_is_rounded_up_to_whole_periods_and_zero_means_no_probe() {
        let threshold = |seconds| http("/", 1, seconds, 60).and_then(|probe| probe.failure_threshold);
        assert_eq!(threshold(None), Some(60));
        assert_eq!(threshold(Some(0)), None);
        assert_eq!(threshold(Some(-1)), Some(60));
        assert_eq!(threshold(Some(1)), Some(1));
        assert_eq!(threshold(Some(15)), Some(3));
        assert_eq!(threshold(Some(16)), Some(4));
        assert_eq!(threshold(Some(i32::MAX)), Some(429_496_730));
    }
}
