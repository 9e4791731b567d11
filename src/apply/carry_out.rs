//! Carries out a Decision: the status first, then the steps in order, then the events.

use std::sync::Arc;

use kube::Client;

use super::events::{Events, Regarding};
use super::objects;
use super::records;
use super::report::{ApplyError, Gone, Report, StepError, StepFailure, Verb, Written};
use super::statements::{self, Done};
use super::status::publish_status;
use crate::model::warehouse::{OBJECT_FINALIZER, RESOURCE_FINALIZER};
use crate::model::{Decision, Notice, Object, ObjectKey, ObjectKind, Observed, Silence, Statement, Step, Timestamp};
use crate::starrocks::{Login, SqlEndpoint, SqlError, StarRocks};

/// What carrying out needs beside the decision.
#[derive(Clone)]
pub struct Context {
    /// Kubernetes.
    pub client: Client,
    /// StarRocks.
    pub starrocks: Arc<dyn StarRocks>,
    /// Events said so far.
    pub events: Arc<Events>,
}

/// On which cluster a decision is carried out.
#[derive(Clone, Debug)]
pub struct Target {
    /// The resource.
    pub regarding: Regarding,
    /// Its resource version when it was observed: the status is written over that version only.
    pub resource_version: String,
    /// Its finalizers when it was observed.
    pub finalizers: Vec<String>,
    /// MySQL port of the frontends by their configuration.
    pub query_port: u16,
    /// SQL account, or why there is none.
    pub login: Result<Login, Silence>,
}

/// Carries out a decision and reports what was done. A failing step keeps only those from being tried that rest on it.
///
/// # Errors
/// When the status could not be written; then nothing else has been done, because what must be remembered was not on record.
pub async fn apply(context: &Context, target: &Target, observed: &Observed, decision: &Decision) -> Result<Report, ApplyError> {
    let mut report = Report::default();
    write_status(context, target, observed, decision, &mut report).await?;
    for (number, step) in decision.steps.iter().enumerate() {
        if report.failures.iter().any(|failure| step.rests_on(&failure.step) || is_made_in_vain(observed, step, &failure.step)) {
            report.held_back += 1;
            continue;
        }
        if let Err(error) = take(context, target, observed, step, &mut report).await {
            let ends = matches!(error, StepError::NamespaceTerminating);
            report.failures.push(StepFailure { step: step.clone(), error });
            if ends {
                // Nothing new may be made there, events neither.
                report.held_back += decision.steps.len() - number - 1;
                return Ok(report);
            }
        }
    }
    for notice in decision.notices.iter().chain(&failure_notices(&report)) {
        announce(context, target, notice, observed.now, &mut report).await;
    }
    Ok(report)
}

async fn write_status(
    context: &Context,
    target: &Target,
    observed: &Observed,
    decision: &Decision,
    report: &mut Report,
) -> Result<(), ApplyError> {
    let Regarding { kind, name, .. } = &target.regarding;
    let written = publish_status(&context.client, &target.regarding, &target.resource_version, &observed.status, &decision.status).await?;
    if let Some(resource_version) = written {
        report.count(Verb::PatchStatus, kind.name());
        report.written.push(Written { kind: None, name: name.clone(), resource_version });
    }
    Ok(())
}

/// New nodes find each other by Services: without one of them they would only crash. A workload that exists can be changed all the same.
fn is_made_in_vain(observed: &Observed, step: &Step, failed: &Step) -> bool {
    let Step::Apply(object) = step else { return false };
    let ObjectKey { kind, name } = object.key();
    let is_workload = matches!(kind, ObjectKind::StatefulSet | ObjectKind::Deployment);
    is_workload && observed.object(kind, &name).is_none() && matches!(failed, Step::Apply(Object::Service(_)))
}

async fn take(context: &Context, target: &Target, observed: &Observed, step: &Step, report: &mut Report) -> Result<(), StepError> {
    let namespace = &target.regarding.namespace;
    match step {
        Step::Apply(object) => apply_object(context, target, observed, object, report).await,
        Step::Delete { object, uid } => {
            report.count(Verb::Delete, object.kind.name());
            objects::delete(&context.client, namespace, object, uid).await?;
            report.gone.push(Gone { kind: Some(object.kind), name: object.name.clone(), uid: uid.clone() });
            Ok(())
        }
        Step::RestartPod { pod, uid, reason } => {
            report.count(Verb::Delete, "Pod");
            objects::delete_pod(&context.client, namespace, pod, uid).await?;
            report.gone.push(Gone { kind: None, name: pod.clone(), uid: uid.clone() });
            let notice = Notice { warning: false, reason: "RestartingPod".to_owned(), message: format!("{pod}: {reason}") };
            announce(context, target, &notice, observed.now, report).await;
            Ok(())
        }
        Step::PullImage(pod) => {
            report.count(Verb::Create, "Pod");
            objects::create_pod(&context.client, namespace, pod).await
        }
        Step::EndPull { pod, uid } => {
            report.count(Verb::Delete, "Pod");
            objects::delete_pod(&context.client, namespace, pod, uid).await?;
            report.gone.push(Gone { kind: None, name: pod.clone(), uid: uid.clone() });
            Ok(())
        }
        Step::Hold | Step::LetGo { object: None } => {
            let keep = matches!(step, Step::Hold);
            hold_resource(context, target, keep, report).await
        }
        Step::Record(act) => {
            records::write(&context.client, &target.regarding, act, report).await;
            Ok(())
        }
        Step::LetGo { object: Some(key) } => let_go(context, target, observed, key, report).await,
        Step::Execute { frontend, statement } => execute(context, target, observed, frontend, statement, report).await,
    }
}

async fn apply_object(
    context: &Context,
    target: &Target,
    observed: &Observed,
    object: &Object,
    report: &mut Report,
) -> Result<(), StepError> {
    let ObjectKey { kind, name } = object.key();
    let Regarding { namespace, uid, .. } = &target.regarding;
    match observed.object(kind, &name) {
        None if !objects::is_free_or_ours(&context.client, namespace, &object.key(), uid).await? => {
            return Err(StepError::Foreign(object.key()));
        }
        Some(live) if live.is_to_be_taken_over() && objects::take_over(&context.client, namespace, &object.key()).await? => {
            report.count(Verb::Patch, kind.name());
        }
        Some(_) | None => {}
    }
    report.count(Verb::Apply, kind.name());
    let resource_version = objects::apply(&context.client, namespace, object).await?;
    report.written.push(Written { kind: Some(kind), name, resource_version });
    Ok(())
}

/// Puts this operator's finalizer on the resource or takes it off, over the version that was decided on or just written.
async fn hold_resource(context: &Context, target: &Target, hold: bool, report: &mut Report) -> Result<(), StepError> {
    let Regarding { kind, namespace, name, .. } = &target.regarding;
    let mut finalizers = target.finalizers.clone();
    finalizers.retain(|finalizer| finalizer != RESOURCE_FINALIZER);
    if hold {
        finalizers.push(RESOURCE_FINALIZER.to_owned());
    }
    let written = report.written.iter().rev().find(|written| written.kind.is_none()).map(|written| written.resource_version.clone());
    let version = written.unwrap_or_else(|| target.resource_version.clone());
    report.count(Verb::PatchFinalizers, kind.name());
    let resource_version = objects::set_finalizers(&context.client, namespace, &kind.api_resource(), name, &version, &finalizers).await?;
    report.written.extend(resource_version.map(|resource_version| Written { kind: None, name: name.clone(), resource_version }));
    Ok(())
}

/// Takes the finalizer of warehouses off a StatefulSet.
async fn let_go(context: &Context, target: &Target, observed: &Observed, key: &ObjectKey, report: &mut Report) -> Result<(), StepError> {
    let Some(live) = observed.object(key.kind, &key.name) else { return Ok(()) };
    let namespace = &target.regarding.namespace;
    if objects::take_finalizer_off(&context.client, namespace, key, &live.uid, OBJECT_FINALIZER).await? {
        report.count(Verb::PatchFinalizers, key.kind.name());
    }
    Ok(())
}

async fn execute(
    context: &Context,
    target: &Target,
    observed: &Observed,
    frontend: &str,
    statement: &Statement,
    report: &mut Report,
) -> Result<(), StepError> {
    let login = target.login.as_ref().map_err(|silence| StepError::NoLogin(silence.message.clone()))?;
    let pod = observed.pods.get(frontend).filter(|pod| pod.ip.is_some()).ok_or_else(|| StepError::NoAddress(frontend.to_owned()))?;
    let (port, then) = pod.query_port(target.query_port);
    let mut at = SqlEndpoint { host: pod.ip.clone().unwrap_or_default(), port };
    *report.statements.entry(statements::kind(statement)).or_default() += 1;
    let mut sent = statements::send(&*context.starrocks, &at, login, statement).await;
    if let (Some(port), Err(SqlError::Refused)) = (then, &sent) {
        at.port = port;
        sent = statements::send(&*context.starrocks, &at, login, statement).await;
    }
    match sent? {
        Done::Fully => {}
        Done::InPart(text) => report.partial.push(format!("{statement}: {text}")),
    }
    Ok(())
}

async fn announce(context: &Context, target: &Target, notice: &Notice, now: Timestamp, report: &mut Report) {
    match context.events.publish(&context.client, &target.regarding, notice, now).await {
        Ok(true) => report.count(Verb::Create, "Event"),
        Ok(false) => {}
        Err(error) => tracing::debug!(%error, reason = notice.reason, "an event was not published"),
    }
}

/// Failures that a person may have to see. Those of the network repeat themselves and are told by metrics; what Kubernetes refuses, or StarRocks of a
/// configuration, is told by the next decision, with the way out.
fn failure_notices(report: &Report) -> Vec<Notice> {
    let worth_telling = report.failures.iter().filter(|failure| match &failure.error {
        _ if failure.refusal().is_some() => false,
        StepError::Foreign(_) => true,
        StepError::StarRocks(error) => {
            matches!(error, SqlError::Server { .. } | SqlError::Denied { .. })
        }
        StepError::Kubernetes(_)
        | StepError::NamespaceTerminating
        | StepError::TimedOut
        | StepError::NoAddress(_)
        | StepError::NoLogin(_) => false,
    });
    worth_telling
        .map(|failure| Notice { warning: true, reason: "StepFailed".to_owned(), message: format!("{}: {}", failure.name(), failure.error) })
        .collect()
}
