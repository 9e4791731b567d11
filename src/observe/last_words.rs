//! Which logs of broken nodes are worth reading, and the one line of a log that says what is wrong; never reads the log of a node that works.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod as LivePod;
use kube::api::LogParams;
use kube::{Api, Client};
use tokio::time::timeout;

use crate::model::Observed;
use crate::model::configuration::names_a_secret;
use crate::model::observed::ContainerRun;

/// How long a log may take; what it says is comfort, and a kubelet that does not answer must not delay the pass.
const PATIENCE: Duration = Duration::from_secs(3);
/// Lines from the end of a log, enough for a Java stack trace with its causes.
const TAIL_LINES: i64 = 200;
/// Bytes of these lines.
const LIMIT_BYTES: i64 = 256 * 1024;
/// Characters of a line that are told.
const LINE_MAX: usize = 300;
/// Code of `WaitingOn::NodeStalled`.
const STALLED: &str = "SR-2211";

/// A log that may say why a node does not run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Log {
    /// Pod.
    pub pod: String,
    /// UID of the pod, so that the log of another pod of the same name is not taken for it.
    pub uid: String,
    /// Run of the container.
    pub run: ContainerRun,
    /// Whether that run has ended and the container waits to be started again.
    pub ended: bool,
}

/// Logs that are worth reading: of runs that ended without a word in a crash loop, and of nodes that use up their time budget.
pub fn logs_wanted(observed: &Observed) -> Vec<Log> {
    let stalled = |pod: &str| observed.status.blocked.iter().any(|blocked| blocked.code == STALLED && blocked.node.as_deref() == Some(pod));
    let of_pod = |pod: &crate::model::Pod| {
        let log = |run, ended| Log { pod: pod.name.clone(), uid: pod.uid.clone(), run, ended };
        let present = || ContainerRun { container: pod.component.container().to_owned(), restarts: pod.restarts };
        let overdue = !pod.deleting && pod.started.is_some() && stalled(&pod.name);
        pod.unexplained.clone().map(|run| log(run, true)).or_else(|| overdue.then(|| log(present(), false)))
    };
    observed.pods.values().filter_map(of_pod).collect()
}

/// Reads the end of a log and picks the line that says what is wrong; `None` if none does or the API server does not give it.
pub async fn read_log(client: &Client, namespace: &str, log: &Log) -> Option<String> {
    let api: Api<LivePod> = Api::namespaced(client.clone(), namespace);
    let parameters = LogParams {
        container: Some(log.run.container.clone()),
        previous: log.ended,
        tail_lines: Some(TAIL_LINES),
        limit_bytes: Some(LIMIT_BYTES),
        ..LogParams::default()
    };
    match timeout(PATIENCE, api.logs(&log.pod, &parameters)).await {
        Ok(Ok(text)) => reason_in(&text),
        Ok(Err(_)) | Err(_) => None,
    }
}

/// Phrases that name the cause where other lines only report the end (starrocks.md §1.2 to §1.5; real-fe.md §10; the JVM's and the loader's own words).
const CAUSES: [&str; 17] = [
    "UNKNOWN Operation Type",
    "Unrecognized VM option",
    "Unrecognized option",
    "Conflicting collector combinations",
    "UnsupportedClassVersionError",
    "OutOfMemoryError",
    "Expected log version",
    "exceeds max permissible delta",
    "failed to load",
    "failed to replay",
    "Failed to find a leader",
    "failed to find a leader",
    "Address already in use",
    "No space left on device",
    "Permission denied",
    "error while loading shared libraries",
    "exec format error",
];

/// The line of a log that says what is wrong, without its time stamp and not longer than a sentence; the last one among equals.
pub fn reason_in(log: &str) -> Option<String> {
    let told = log.lines().filter(|line| !may_hold_a_secret(line)).map(plain).filter(|line| !line.is_empty());
    let best = told.enumerate().max_by_key(|(index, line)| (weight(line), *index))?;
    Some(shortened(without_time(&best.1)))
}

/// How much a line says about the end of a program.
fn weight(line: &str) -> u8 {
    let any = |phrases: &[&str]| phrases.iter().any(|phrase| line.contains(phrase));
    let trimmed = line.trim_start();
    if trimmed.starts_with("at ") || trimmed.starts_with("... ") {
        return 0;
    }
    match line {
        _ if any(&CAUSES) => 4,
        _ if any(&["FATAL", "Caused by:", "Check failed:"]) || is_of_level(line, 'F') => 3,
        _ if any(&["ERROR", "Error:", "Exception", "terminate called", "*** SIG", "Time out, abort"]) || is_of_level(line, 'E') => 2,
        _ => 1,
    }
}

/// Whether a backend logged the line at a level: `F1128 10:00:00.123456 …`, as its logging library writes it.
fn is_of_level(line: &str, level: char) -> bool {
    let Some(rest) = line.strip_prefix(level) else { return false };
    let day = rest.split_whitespace().next().unwrap_or_default();
    (day.len() == 4 || day.len() == 8) && day.chars().all(|letter| letter.is_ascii_digit())
}

/// Whether a line may show something that does not belong in a status.
fn may_hold_a_secret(line: &str) -> bool {
    names_a_secret(line) || line.to_ascii_lowercase().contains("authorization")
}

/// A line without colours and control characters.
fn plain(line: &str) -> String {
    let mut text = String::new();
    let mut letters = line.trim_end().chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\u{1b}' => drop(letters.by_ref().find(|letter| letter.is_ascii_alphabetic())),
            '\t' => text.push(' '),
            letter if letter.is_control() => {}
            letter => text.push(letter),
        }
    }
    text
}

/// A line without the moment and the thread number that loggers put before it, so that the same end reads the same each time.
fn without_time(line: &str) -> &str {
    let mut rest = line.trim();
    let by_level = ['I', 'W', 'E', 'F'].iter().any(|level| is_of_level(rest, *level));
    for place in 0..3 {
        let Some((first, after)) = rest.split_once(char::is_whitespace) else { return rest };
        let first = first.trim_matches(|letter| letter == '[' || letter == ']');
        let digits = first.chars().any(|letter| letter.is_ascii_digit());
        let is_time = digits && first.contains(['-', ':']) && first.chars().all(|letter| "0123456789-:.,+TZ".contains(letter));
        let is_number = digits && first.chars().all(|letter| letter.is_ascii_digit());
        if !(is_time || by_level && (place == 0 || is_number)) {
            return rest;
        }
        rest = after.trim_start();
    }
    rest
}

fn shortened(line: &str) -> String {
    let mut text: String = line.chars().take(LINE_MAX).collect();
    if text.len() < line.len() {
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_that_names_the_cause_is_found_among_those_that_report_the_end() {
        let cases = [
            (
                "OpenJDK 64-Bit Server VM warning: Option x was deprecated\nUnrecognized VM option 'UseConcMarkSweepGC'\n\
                 Error: Could not create the Java Virtual Machine.\nError: A fatal exception has occurred. Program will exit.\n",
                "Unrecognized VM option 'UseConcMarkSweepGC'",
            ),
            (
                "2026-11-28 10:00:00.120Z INFO (main|1) [Main.run():10] start\n\
                 2026-11-28 10:00:01.120Z ERROR (replayer|87) [EditLog.loadJournal():1] replay failed\n\
                 com.starrocks.journal.JournalException: UNKNOWN Operation Type 10210\n\tat com.starrocks.persist.EditLog.loadJournal(EditLog.java:9)\n\t... 3 more\n",
                "com.starrocks.journal.JournalException: UNKNOWN Operation Type 10210",
            ),
            (
                "java.lang.RuntimeException: start failed\n\tat a.b(C.java:1)\nCaused by: java.io.IOException: meta is locked\n\tat d.e(F.java:2)\n",
                "Caused by: java.io.IOException: meta is locked",
            ),
            (
                "I1128 10:00:00.000001 77 daemon.cpp:1] go\nF1128 10:00:00.123456 77 tablet_meta.cpp:12] bad tablet meta\n\
                 *** Check failure stack trace: ***\n",
                "tablet_meta.cpp:12] bad tablet meta",
            ),
            ("\u{1b}[31m[2026-11-28 10:00:00] Time out, abort!\u{1b}[0m\n", "Time out, abort!"),
            ("hello\nbye\n", "bye"),
        ];
        for (log, line) in cases {
            assert_eq!(reason_in(log).as_deref(), Some(line), "{log}");
        }
        assert_eq!(reason_in("\n  \n"), None);
    }

    #[test]
    fn the_same_end_reads_the_same_each_time() {
        let at = |time: &str| reason_in(&format!("{time} ERROR (main|1) failed to load image\n"));
        assert_eq!(at("2026-11-28 10:00:00,120+08:00"), at("2026-11-29T11:22:33.456Z"));
        assert_eq!(at("2026-11-28 10:00:00").as_deref(), Some("ERROR (main|1) failed to load image"));
    }

    #[test]
    fn a_line_that_may_hold_a_secret_is_never_told_and_a_long_one_is_cut() {
        let log = "ERROR cannot log in with password=hunter2\nERROR aws_s3_secret_key = abc\nERROR ldap_bind_root_pwd = abc\n\
                   ERROR azure_blob_shared_key = abc\nERROR private_key: abc\nERROR credential abc\nERROR token: abc\nERROR Authorization: Basic abc\nplain end\n";
        assert_eq!(reason_in(log).as_deref(), Some("plain end"));
        let cut = reason_in(&format!("ERROR {}\n", "ä".repeat(1_000))).expect("a line");
        assert_eq!((cut.chars().count(), cut.ends_with('…')), (LINE_MAX + 1, true));
    }
}
