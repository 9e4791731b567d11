//! A workload in, the environment of its main container out, in the order that existing pods have; never a password.

use k8s_openapi::api::core::v1::{EnvVar, EnvVarSource, ObjectFieldSelector};

use super::unique;
use super::volumes::CONF_MOUNT_ROOT;
use crate::model::Component;
use crate::model::cluster::{Cluster, Workload};
use crate::model::component::QUERY_PORT_VARIABLE;

/// The user's variables, then those that the image's entrypoint reads, except for names that are taken or switched off.
pub(super) fn variables(cluster: &Cluster, workload: &Workload) -> Vec<EnvVar> {
    let mut variables = unique::variables(&workload.env);
    for variable in defaults(cluster, workload.component) {
        let is_taken = variables.iter().any(|taken| taken.name == variable.name);
        if !is_taken && !cluster.conventions.unsupported_env.contains(&variable.name) {
            variables.push(variable);
        }
    }
    if workload.conf_config_map.is_some() {
        // Server-side apply refuses a name that is there twice, so the operator's value takes the user's place.
        let path = format!("{CONF_MOUNT_ROOT}/{}/conf", workload.component.label());
        match variables.iter_mut().find(|variable| variable.name == CONF_MOUNT_VARIABLE) {
            Some(taken) => *taken = literal(CONF_MOUNT_VARIABLE, path),
            None => variables.push(literal(CONF_MOUNT_VARIABLE, path)),
        }
    }
    variables
}

/// Tells the entrypoint to link every file of this directory into the configuration directory.
const CONF_MOUNT_VARIABLE: &str = "CONFIGMAP_MOUNT_PATH";

fn defaults(cluster: &Cluster, component: Component) -> Vec<EnvVar> {
    let frontend_service = Component::Frontend.service_name(cluster.frontends_of());
    let query_port = || literal(QUERY_PORT_VARIABLE, cluster.frontend.query_port().to_string());
    let mut variables = vec![
        of_pod("POD_NAME", "metadata.name"),
        of_pod("POD_IP", "status.podIP"),
        of_pod("HOST_IP", "status.hostIP"),
        of_pod("POD_NAMESPACE", "metadata.namespace"),
        // Nodes register by host name: their addresses change with every restart.
        literal("HOST_TYPE", "FQDN"),
        literal("COMPONENT_NAME", component.label()),
    ];
    match component {
        Component::Frontend => variables.push(literal("FE_SERVICE_NAME", format!("{frontend_service}.{}", cluster.namespace))),
        Component::Backend | Component::ComputeNode => variables.extend([literal("FE_SERVICE_NAME", frontend_service), query_port()]),
        Component::FrontendProxy => {}
    }
    if let Some(warehouse) = &cluster.warehouse {
        // The entrypoint makes the warehouse if it is not there and joins it.
        variables.push(literal("KUBE_STARROCKS_MULTI_WAREHOUSE", warehouse.sql_name()));
    }
    variables
}

/// A variable with a value.
pub(super) fn literal(name: &str, value: impl Into<String>) -> EnvVar {
    EnvVar { name: name.to_owned(), value: Some(value.into()), ..EnvVar::default() }
}

fn of_pod(name: &str, field: &str) -> EnvVar {
    let field_ref = ObjectFieldSelector { api_version: None, field_path: field.to_owned() };
    let source = EnvVarSource { field_ref: Some(field_ref), ..EnvVarSource::default() };
    EnvVar { name: name.to_owned(), value_from: Some(source), ..EnvVar::default() }
}
