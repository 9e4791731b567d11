//! A step goes in, one line for people comes out; used by the demo, by events and by `plan`.

use crate::model::{Object, RecordAct, Request, Statement, Step};

/// The step in one line, without a full stop.
pub fn describe(step: &Step) -> String {
    match step {
        Step::Apply(Object::StatefulSet(object)) => {
            let spec = object.spec.as_ref();
            let name = object.metadata.name.as_deref().unwrap_or_default();
            let containers = spec.and_then(|spec| spec.template.spec.as_ref()).map(|pod| pod.containers.as_slice()).unwrap_or_default();
            let image = containers.first().and_then(|container| container.image.as_deref()).unwrap_or("no image");
            let replicas = spec.and_then(|spec| spec.replicas).unwrap_or(1);
            let strategy = spec
                .and_then(|spec| spec.update_strategy.as_ref())
                .and_then(|strategy| strategy.type_.as_deref())
                .unwrap_or("RollingUpdate");
            format!("apply StatefulSet {name}: {replicas} of {image}, {strategy}")
        }
        Step::Apply(object) => format!("apply {} {}", object.kind().name(), object.key().name),
        Step::Delete { object, .. } => format!("delete {} {}", object.kind.name(), object.name),
        Step::RestartPod { pod, reason, .. } => format!("restart {pod} {reason}"),
        Step::PullImage(pod) => {
            let spec = pod.spec.as_ref();
            let image = spec.and_then(|spec| spec.containers.first()?.image.as_deref()).unwrap_or("no image");
            format!("have {image} pulled on {}", spec.and_then(|spec| spec.node_name.as_deref()).unwrap_or("no node"))
        }
        Step::EndPull { pod, .. } => format!("delete {pod}, whose image is pulled or no longer needed"),
        Step::Hold | Step::LetGo { .. } => Request::of(step).map(|request| request.to_string()).unwrap_or_default(),
        Step::Record(act) => {
            let verb = match act {
                RecordAct::Create { .. } => "create",
                RecordAct::Report { .. } => "update",
                RecordAct::Forget { .. } => "delete",
            };
            format!("{verb} StarRocksUpgrade {}", act.name())
        }
        Step::Execute { frontend, statement } => format!("{} on {frontend}: {statement}", purpose(statement)),
    }
}

const fn purpose(statement: &Statement) -> &'static str {
    match statement {
        Statement::SetFrontendConfig { .. } => "set a frontend setting",
        Statement::ConfigureFrontends { .. } | Statement::ConfigureNode { .. } => "set a key of the configuration",
        Statement::CreateImage => "ask for a metadata image",
        Statement::TransferLeader { .. } => "hand the lead over",
        Statement::SetGlobal { .. } => "set a global variable",
        Statement::DropFollower { .. } | Statement::DropObserver { .. } => "take a frontend out of the group",
        Statement::DecommissionBackend { .. } => "move the tablets of a backend away",
        Statement::CancelDecommissionBackend { .. } => "keep a backend after all",
        Statement::DropComputeNode { .. } => "forget a compute node that is gone",
        Statement::DropWarehouse { .. } => "drop a warehouse that is no longer wanted",
        Statement::ResumeRoutineLoad { .. } => "resume a routine load",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restart_says_which_pod_and_why() {
        let step = Step::RestartPod { pod: "kube-be-2".into(), uid: "u".into(), reason: "to run 3.5.9".into() };
        assert_eq!(describe(&step), "restart kube-be-2 to run 3.5.9");
        let step = Step::Execute { frontend: "kube-fe-0".into(), statement: Statement::CreateImage };
        assert_eq!(describe(&step), "ask for a metadata image on kube-fe-0: ALTER SYSTEM CREATE IMAGE");
    }
}
