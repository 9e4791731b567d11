//! Advice and a preview in, at most ten warnings of under 250 characters out: beyond 256 each, and 4,096 in all, an API server cuts.

use crate::plan::{Preview, Restart};

/// How many warnings an answer has at most.
pub(super) const MOST: usize = 10;
/// How many bytes a warning has at most.
pub(super) const LONGEST: usize = 249;
/// How many of them are kept for advice and for what stands in the way, if there is any.
const KEPT: usize = 3;

/// Lines as warnings.
pub(super) fn lines(texts: Vec<String>) -> Vec<String> {
    fit(texts, MOST)
}

/// What a change leads to, and advice that is new.
pub(super) fn of_change(preview: &Preview, advice: Vec<String>) -> Vec<String> {
    let held: Vec<String> = preview.gates.iter().map(|gate| format!("{} holds it: {}", gate.code, gate.message)).collect();
    let (held, advice) = (fit(held, KEPT), fit(advice, KEPT));
    let mut told = Vec::new();
    if !preview.restarts.is_empty() {
        told.push(header(preview));
        told.extend(restarts(&preview.restarts, MOST.saturating_sub(1 + held.len() + advice.len() + preview.others.len().min(1))));
    }
    told.extend(fit(preview.others.clone(), 1));
    told.extend(held);
    told.extend(advice);
    fit(told, MOST)
}

fn header(preview: &Preview) -> String {
    let (count, seconds) = (preview.restarts.len(), clock(preview.seconds));
    let plural = if count == 1 { "" } else { "s, one after the other" };
    format!("this leads to {count} restart{plural}, about {seconds} in all ({})", preview.pace.basis())
}

/// One line for each restart, or for each run of pods of a component in a hop where those are too many.
fn restarts(restarts: &[Restart], room: usize) -> Vec<String> {
    let hop = |restart: &Restart| restart.hop.map(|hop| format!("hop {hop}, ")).unwrap_or_default();
    if restarts.len() <= room {
        let one = |restart: &Restart| {
            format!(
                "{}{} after {} for {} s: {}",
                hop(restart),
                restart.pod,
                clock(restart.starts_after_seconds),
                restart.seconds,
                restart.reason()
            )
        };
        return restarts.iter().map(one).collect();
    }
    let together = |one: &Restart, next: &Restart| {
        (one.component, one.hop, &one.to, &one.fields) == (next.component, next.hop, &next.to, &next.fields)
    };
    let run = |run: &[Restart]| {
        let (first, last) = (run.first()?, run.last()?);
        let seconds: u64 = run.iter().map(|restart| restart.seconds).sum();
        let pods: Vec<&str> =
            if run.len() > 4 { vec![&first.pod, "...", &last.pod] } else { run.iter().map(|restart| restart.pod.as_str()).collect() };
        let lead = format!("{}{} {}, {}", hop(first), run.len(), first.component, pods.join(", "));
        Some(format!("{lead}, after {} for {}: {}", clock(first.starts_after_seconds), clock(seconds), first.reason()))
    };
    fit(restarts.chunk_by(together).filter_map(run).collect(), room)
}

/// The first lines, and how many more there would be.
fn fit(lines: Vec<String>, room: usize) -> Vec<String> {
    let many = lines.len();
    let mut fitting: Vec<String> = lines.into_iter().map(short).collect();
    if many > room {
        fitting.truncate(room.saturating_sub(1));
        fitting.push(format!("and {} more: starrocks-operator plan -f FILE --live tells all of them", many - fitting.len()));
    }
    fitting
}

/// A text on one line that an API server does not cut.
fn short(text: String) -> String {
    let mut text: String = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    if text.len() > LONGEST {
        let end = (0..=LONGEST - 3).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
        text.push_str("...");
    }
    text
}

/// Seconds as 1:02:03 or 2:03.
fn clock(seconds: u64) -> String {
    let (hours, minutes, rest) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{rest:02}") } else { format!("{minutes}:{rest:02}") }
}
