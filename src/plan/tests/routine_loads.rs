//! Routine loads around upgrades: those that ran run again, those that did not stay as they were.

use super::super::testing::{World, spec};
use crate::model::starrocks::RoutineLoadState::{Active, Ended, Paused, PausedByUser};
use crate::model::{Answer, Silence, SilenceKind, Statement, Step, WaitingOn};

fn world(version: &str) -> World {
    let mut world = World::risen(spec(version, 3, 2, 0));
    world.routine_loads.extend([("clicks".to_owned(), Active), ("by-hand".to_owned(), Paused)]);
    world
}

fn resumed(world: &World) -> Vec<&str> {
    world.log.iter().filter(|line| line.starts_with("resume a routine load")).filter_map(|line| line.split(": ").nth(1)).collect()
}

#[test]
fn a_routine_load_that_ran_before_runs_again_and_one_that_was_paused_stays_so() {
    for (from, to, hops) in [("3.5.8", "3.5.9", 1), ("3.3.13", "3.5.9", 2), ("3.5.9", "3.4.10", 1)] {
        let mut world = world(from);
        world.ask_for(to);
        world.run_to_rest(900);
        assert_eq!(world.routine_loads["clicks"], Active, "{from} to {to}");
        assert_eq!(world.routine_loads["by-hand"], Paused, "{from} to {to}");
        assert_eq!(resumed(&world), vec!["RESUME ROUTINE LOAD FOR `d`.`clicks`"; hops]);
    }
}

#[test]
fn running_loads_are_on_record_before_the_first_node_is_touched() {
    let mut world = world("3.5.8");
    world.ask_for("3.5.9");
    let decision = world.run_until(50, |_, decision| decision.steps.iter().any(|step| matches!(step, Step::RestartPod { .. })));
    let marks = decision.status.operation.unwrap().routine_loads;
    assert_eq!(marks.iter().map(|mark| (mark.database.as_str(), mark.name.as_str())).collect::<Vec<_>>(), [("d", "clicks")]);
}

#[test]
fn an_upgrade_that_is_taken_back_midway_resumes_as_well() {
    let mut world = world("3.4.10");
    world.ask_for("3.5.9");
    world.run_until(300, |world, _| world.restarts().len() == 1);
    world.ask_for("3.4.10");
    world.run_to_rest(600);
    assert_eq!(world.routine_loads["clicks"], Active);
}

#[test]
fn a_load_that_was_stopped_meanwhile_is_told_and_left_alone() {
    let mut world = world("3.5.8");
    world.ask_for("3.5.9");
    world.run_until(100, |world, _| world.restarts().len() == 1);
    world.routine_loads.insert("clicks".to_owned(), Ended);
    let decision = world.run_until(300, |_, decision| decision.notices.iter().any(|notice| notice.reason == "RoutineLoadEnded"));
    assert!(decision.notices.iter().any(|notice| notice.warning && notice.message.contains("d.clicks")));
    world.run_to_rest(100);
    assert!(resumed(&world).is_empty());
}

#[test]
fn a_load_that_its_owner_pauses_meanwhile_is_told_and_stays_paused() {
    for (resumes, restarts) in [(0, 1), (1, 5)] {
        let mut world = world("3.5.8");
        world.broken_loads.insert("clicks".to_owned());
        world.ask_for("3.5.9");
        world.run_until(300, |world, _| world.restarts().len() == restarts && resumed(world).len() == resumes);
        world.routine_loads.insert("clicks".to_owned(), PausedByUser);
        let decision = world.run_until(300, |_, decision| decision.notices.iter().any(|notice| notice.reason == "RoutineLoadLeftPaused"));
        assert!(decision.notices.iter().any(|notice| notice.warning && notice.message.contains("RESUME ROUTINE LOAD FOR d.clicks")));
        world.run_to_rest(100);
        assert_ne!(world.routine_loads["clicks"], Active);
        assert_eq!(resumed(&world).len(), resumes);
    }
}

#[test]
fn a_load_that_pauses_itself_again_does_not_hold_the_upgrade_for_ever() {
    let mut world = world("3.5.8");
    world.broken_loads.insert("clicks".to_owned());
    world.ask_for("3.5.9");
    world.run_until(300, |_, decision| decision.waiting_on.iter().any(|wait| matches!(wait, WaitingOn::RoutineLoadsPaused { .. })));
    let decision = world.run_until(100, |_, decision| decision.notices.iter().any(|notice| notice.reason == "RoutineLoadPaused"));
    assert!(decision.notices.iter().any(|notice| notice.message.contains("SHOW ROUTINE LOAD FOR d.clicks")));
    world.run_to_rest(20);
    assert_eq!(resumed(&world).len(), 3);
}

#[test]
fn an_operator_that_dies_after_writing_the_resume_down_sends_it_again() {
    let mut world = world("3.5.8");
    world.ask_for("3.5.9");
    let due = |decision: &crate::model::Decision| {
        decision.steps.iter().any(|step| matches!(step, Step::Execute { statement: Statement::ResumeRoutineLoad { .. }, .. }))
    };
    let died = (0..300).any(|_| due(&world.interrupted_pass(if world.restarts().len() == 5 { 0 } else { usize::MAX })));
    assert!(died);
    world.run_to_rest(100);
    assert_eq!(world.routine_loads["clicks"], Active);
}

#[test]
fn a_question_that_the_frontend_refuses_is_told_in_its_words_and_holds_the_upgrade() {
    let mut world = world("3.5.8");
    world.ask_for("3.5.9");
    let mut observed = world.observe();
    observed.group.running_jobs = Answer::Failed(Silence { kind: SilenceKind::Rejected, message: "kube-fe-0: Access denied".to_owned() });
    let decision = super::super::plan(&world.cluster(), &observed);
    let told: Vec<String> = decision.waiting_on.iter().map(ToString::to_string).collect();
    assert!(told.iter().any(|text| text.contains("running jobs") && text.contains("Access denied")), "{told:?}");
    assert!(decision.waiting_on.iter().all(|wait| !matches!(wait, WaitingOn::FrontendsSilent { .. })));
    assert!(decision.steps.iter().all(|step| matches!(step, Step::Record(_))), "nothing but the explanation: {:?}", decision.steps);
}

#[test]
fn a_journal_without_an_image_for_too_long_holds_the_upgrade() {
    let mut world = world("3.5.8");
    world.journal_since_image = 100_000;
    world.ask_for("3.5.9");
    for _ in 0..5 {
        world.pass();
    }
    assert!(world.status.blocked.iter().any(|blocked| blocked.code == "SR-2213"), "{:?}", world.status.blocked);
    assert!(world.restarts().is_empty());
    world.journal_since_image = 99_999;
    world.run_to_rest(300);
}
