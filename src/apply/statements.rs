//! Sends one typed statement to one frontend and tells what its refusals mean: done already, done in part, or not done.

use crate::model::Statement;
use crate::starrocks::{Login, SqlEndpoint, SqlError, StarRocks};

/// How a statement ended when it did not fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Done {
    /// As asked, now or before.
    Fully,
    /// Some frontends took it.
    InPart(String),
}

/// Name of a statement's kind, for metrics.
pub(super) const fn kind(statement: &Statement) -> &'static str {
    match statement {
        Statement::SetFrontendConfig { .. } => "set_frontend_config",
        Statement::ConfigureFrontends { .. } => "configure_frontends",
        Statement::ConfigureNode { .. } => "configure_node",
        Statement::CreateImage => "create_image",
        Statement::TransferLeader { .. } => "transfer_leader",
        Statement::SetGlobal { .. } => "set_global",
        Statement::DropFollower { .. } => "drop_follower",
        Statement::DropObserver { .. } => "drop_observer",
        Statement::DecommissionBackend { .. } => "decommission_backend",
        Statement::CancelDecommissionBackend { .. } => "cancel_decommission_backend",
        Statement::DropComputeNode { .. } => "drop_compute_node",
        Statement::DropWarehouse { .. } => "drop_warehouse",
        Statement::ResumeRoutineLoad { .. } => "resume_routine_load",
    }
}

/// Sends a statement.
///
/// # Errors
/// When it was refused for a reason other than "already so", or the answer did not come.
pub(super) async fn send(starrocks: &dyn StarRocks, at: &SqlEndpoint, login: &Login, statement: &Statement) -> Result<Done, SqlError> {
    match starrocks.query(at, login, &statement.sql()).await {
        Ok(_) => Ok(Done::Fully),
        Err(error) if is_done_already(statement, &error) => Ok(Done::Fully),
        Err(error) if is_broadcast(statement) && error.is_partial_setting() => Ok(Done::InPart(statement.without_secret(error.text()))),
        Err(error) => Err(discreet(statement, error)),
    }
}

/// An error whose words do not repeat a secret of the statement: they are logged, and told where a user's value is at fault.
fn discreet(statement: &Statement, error: SqlError) -> SqlError {
    match error {
        SqlError::Server { code, text } => SqlError::Server { code, text: statement.without_secret(&text) },
        SqlError::Denied { code, text } => SqlError::Denied { code, text: statement.without_secret(&text) },
        SqlError::Election { text } => SqlError::Election { text: statement.without_secret(&text) },
        SqlError::Protocol { text } => SqlError::Protocol { text: statement.without_secret(&text) },
        SqlError::Refused | SqlError::TimedOut | SqlError::NoBackend => error,
    }
}

/// Whether the leader passes it on to every frontend.
const fn is_broadcast(statement: &Statement) -> bool {
    matches!(statement, Statement::SetFrontendConfig { .. } | Statement::ConfigureFrontends { .. })
}

/// The refusals that say that what is asked is already so (real-fe.md §4, the odd grammar is StarRocks').
fn is_done_already(statement: &Statement, error: &SqlError) -> bool {
    let SqlError::Server { text, .. } = error else { return false };
    match statement {
        Statement::DropFollower { .. } => text.contains("frontend does not exist["),
        Statement::DropObserver { .. } => text.contains("frontend does not exist[") || text.contains("OBSERVER does not exist["),
        Statement::DecommissionBackend { .. } | Statement::CancelDecommissionBackend { .. } => text.contains("Backend does not exist["),
        Statement::DropComputeNode { .. } => text.contains("compute node does not exists["),
        // Whether it is gone is asked before the finalizer is taken off, so nothing rests on these words.
        Statement::DropWarehouse { .. } => text.to_ascii_lowercase().contains("not exist"),
        // A job that ended meanwhile needs nothing (5089, real-fe.md §9).
        Statement::ResumeRoutineLoad { .. } => text.contains("Routine load job [") && text.contains("] not found"),
        Statement::SetFrontendConfig { .. }
        | Statement::ConfigureFrontends { .. }
        | Statement::ConfigureNode { .. }
        | Statement::CreateImage
        | Statement::TransferLeader { .. }
        | Statement::SetGlobal { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_does_not_repeat_a_secret() {
        let statement = Statement::ConfigureNode { id: 1, key: "aws_s3_secret_key".to_owned(), value: "hunter2".to_owned() };
        let error = discreet(&statement, SqlError::from_server(1064, "Not support UPDATE VALUE = 'hunter2'"));
        assert_eq!(error.text(), "Not support UPDATE VALUE = …");
    }

    #[test]
    fn only_the_refusal_that_fits_the_statement_means_done() {
        let drop = Statement::DropFollower { host: "fe-2".to_owned(), port: 9010 };
        let says = |text: &str| SqlError::from_server(1064, text);
        assert!(is_done_already(&drop, &says("frontend does not exist[fe-2:9010]")));
        assert!(!is_done_already(&drop, &says("can not drop current master node.")));
        assert!(!is_done_already(&Statement::CreateImage, &says("frontend does not exist[fe-2:9010]")));
        let node = Statement::DropComputeNode { host: "cn".to_owned(), port: 9050, warehouse: None };
        assert!(is_done_already(&node, &says("compute node does not exists[cn:9050]")));
    }
}
