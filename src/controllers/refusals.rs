//! What the API server or StarRocks refused in a pass, with when to ask again: a report in, the memory for the next pass out; never gives a request up.

use std::collections::BTreeSet;
use std::time::Duration;

use super::spread::spread;
use super::subject::Subject;
use crate::apply::Report;
use crate::model::refusal::content;
use crate::model::{ConfigurationWait, Decision, Refusal, Request, Timestamp, WaitingOn};

/// The first wait. Whatever made the request may be corrected within seconds, but then it also differs and does not wait at all.
const FIRST: Duration = Duration::from_secs(2);
/// The longest wait before it is spread: nobody is told when a port becomes free or a quota is raised.
const LONGEST: Duration = Duration::from_secs(300);

/// The refusals to remember after a pass: those of this pass, and former ones that it did not ask again about.
pub(super) fn after(subject: &Subject, former: Vec<Refusal>, report: &Report, decision: &Decision, now: Timestamp) -> Vec<Refusal> {
    let mut refusals: Vec<Refusal> = Vec::new();
    for failure in &report.failures {
        let (Some((reason, words)), Some(request)) = (failure.refusal(), Request::of(&failure.step)) else { continue };
        let in_a_row = former.iter().find(|refusal| refusal.meets(&failure.step)).map_or(0, |refusal| refusal.refusals);
        let again = now + pause(subject, &request, in_a_row);
        refusals.push(Refusal { content: content(&failure.step), request, reason, words, refusals: in_a_row.saturating_add(1), again });
    }
    let was_asked = |refusal: &Refusal| report.held_back == 0 && decision.steps.iter().any(|step| refusal.meets(step));
    let anew: BTreeSet<Request> = refusals.iter().map(|refusal| refusal.request.clone()).collect();
    let is_told = |refusal: &Refusal| decision.waiting_on.iter().any(|wait| tells(wait, &refusal.request));
    refusals.extend(former.into_iter().filter(|refusal| is_told(refusal) && !was_asked(refusal) && !anew.contains(&refusal.request)));
    refusals
}

fn tells(wait: &WaitingOn, refused: &Request) -> bool {
    match wait {
        WaitingOn::RequestRefused { request, .. } => *request == refused.to_string(),
        WaitingOn::Configuration(ConfigurationWait::Refused { statement, .. }) => *statement == refused.to_string(),
        _ => false,
    }
}

/// 2, 4, 8 … 300 s, spread by up to a fifth.
fn pause(subject: &Subject, request: &Request, in_a_row: u32) -> Duration {
    let doubled = FIRST.saturating_mul(1_u32.checked_shl(in_a_row.min(16)).unwrap_or(u32::MAX));
    spread(doubled.min(LONGEST), 20, &(subject, request, in_a_row))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::StarRocksClusterStatus;
    use crate::apply::{StepError, StepFailure};
    use crate::model::Step;
    use crate::observe::Place;

    fn restart() -> Step {
        Step::RestartPod { pod: "c-fe-2".to_owned(), uid: "u".to_owned(), reason: String::new() }
    }

    fn decision(steps: Vec<Step>, waiting_on: Vec<WaitingOn>) -> Decision {
        Decision { steps, status: StarRocksClusterStatus::default(), waiting_on, notices: Vec::new(), look_again: None }
    }

    fn refused(code: u16) -> Report {
        let status = kube::core::Status { code, reason: "Forbidden".to_owned(), message: "no".to_owned(), ..kube::core::Status::default() };
        let error = StepError::Kubernetes(Box::new(kube::Error::Api(Box::new(status))));
        Report { failures: vec![StepFailure { step: restart(), error }], ..Report::default() }
    }

    fn told() -> WaitingOn {
        WaitingOn::RequestRefused { request: "delete Pod c-fe-2".to_owned(), words: "no".to_owned(), way_out: String::new() }
    }

    fn cluster() -> Subject {
        Subject::Cluster(Place { namespace: "n".to_owned(), name: "c".to_owned() })
    }

    #[test]
    fn a_refused_request_is_asked_again_for_ever_and_ever_less_often() {
        let mut now = Timestamp::from_seconds(1_000);
        let (mut refusals, mut asked, end) = (Vec::new(), 0, now + Duration::from_secs(3_600));
        while now < end {
            refusals = after(&cluster(), refusals, &refused(403), &decision(vec![restart()], vec![told()]), now);
            assert_eq!(refusals.len(), 1);
            assert!(refusals[0].again > now && refusals[0].again.since(now) <= Duration::from_secs(360));
            now = refusals[0].again;
            asked += 1;
        }
        assert!((15..=20).contains(&asked), "{asked} times in the first hour");
        assert_eq!(refusals[0].refusals, asked);
    }

    #[test]
    fn a_refusal_is_remembered_until_its_request_succeeds_or_is_no_longer_wanted() {
        let now = Timestamp::from_seconds(1_000);
        let first = after(&cluster(), Vec::new(), &refused(422), &decision(vec![restart()], Vec::new()), now);
        let waiting = after(&cluster(), first.clone(), &Report::default(), &decision(Vec::new(), vec![told()]), now);
        assert_eq!(waiting, first);
        assert_eq!(after(&cluster(), first.clone(), &Report::default(), &decision(vec![restart()], vec![told()]), now), []);
        assert_eq!(after(&cluster(), first, &Report::default(), &decision(Vec::new(), Vec::new()), now), []);
    }

    #[test]
    fn what_passes_by_itself_is_no_refusal() {
        for code in [401, 409, 429, 500, 503] {
            let refusals =
                after(&cluster(), Vec::new(), &refused(code), &decision(vec![restart()], Vec::new()), Timestamp::from_seconds(1));
            assert_eq!(refusals, [], "{code}");
        }
    }
}
