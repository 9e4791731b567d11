//! What the logs of broken nodes say, each read once per run of a container; nodes that work cost no request.

use std::collections::BTreeMap;

use futures::future::join_all;

use super::context::Context;
use super::subject::Subject;
use crate::model::Observed;
use crate::observe::{self, Log};

/// Logs that one pass reads; further ones are read by the next.
const AT_ONCE: usize = 4;

/// What was read, by log; `None` for one that says nothing or that the API server did not give. Losing it costs reading once more.
pub(super) type Heard = BTreeMap<Log, Option<String>>;

/// Adds what the logs of broken nodes say. A log is not asked for again before its container was restarted, whatever came of it: it is a help for
/// people, and nothing is decided by it.
pub(super) async fn listen(context: &Context, subject: &Subject, observed: &mut Observed) {
    let wanted = observe::logs_wanted(observed);
    let mut heard = context.memories.heard(subject);
    if wanted.is_empty() && heard.is_empty() {
        return;
    }
    heard.retain(|log, _| wanted.contains(log));
    let unread: Vec<&Log> = wanted.iter().filter(|log| !heard.contains_key(*log)).take(AT_ONCE).collect();
    let namespace = &subject.place().namespace;
    let read = join_all(unread.iter().map(|log| observe::read_log(&context.hands.client, namespace, log))).await;
    heard.extend(unread.into_iter().cloned().zip(read));
    observed.last_words = heard.iter().filter_map(|(log, line)| Some((log.pod.clone(), line.clone()?))).collect();
    context.memories.remember_heard(subject, heard);
}
