//! The proxy's section in, its Deployment out; never more than an nginx with a fixed user.

use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec};
use k8s_openapi::api::core::v1::{Container, PodSpec, PodTemplateSpec, SecurityContext};
use serde_json::json;

use super::annotate::stamped;
use super::metadata::{self, some_list};
use super::probes::{self, RUNNING_FAILURES};
use super::{pod, volumes};
use crate::model::cluster::{Cluster, Ports, Proxy};
use crate::model::digest::digest;
use crate::model::ports::PROXY_PORT;
use crate::model::{Component, LiveObject, Object, ObjectKind, Observed};

/// User and group `nginx` of the official image.
const NGINX_ID: i64 = 101;
const CONFIG_DIRECTORY: &str = "/etc/nginx";

/// Annotation with the hash of the proxy's configuration, which nginx reads only once: on the Deployment from the beginning, on its pods
/// from the first change on.
const CONFIG_ANNOTATION: &str = "starrocks.com/proxy-config-hash";

/// `objects` with the proxy's pods following its configuration: when that changes, they are replaced.
///
/// A pod template is that of the Go operator until the configuration changes for the first time after this operator wrote it: pods must
/// not be replaced only to be able to follow. Until then the Deployment itself remembers the hash, so that a change is never missed.
pub fn follow_proxy_config(objects: Vec<Object>, observed: &Observed) -> Vec<Object> {
    let config = objects.iter().find_map(|object| match object {
        Object::ConfigMap(config) => Some(json!(config.data)),
        Object::Service(_) | Object::StatefulSet(_) | Object::Deployment(_) | Object::HorizontalPodAutoscaler(_) => None,
    });
    let Some(data) = config else { return objects };
    let config_hash = digest(&data);
    let follow = |object: Object| match object {
        Object::Deployment(mut deployment) => {
            let live = observed.object(ObjectKind::Deployment, deployment.metadata.name.as_deref().unwrap_or_default());
            let is_following = |live: &LiveObject| annotation(live, "/spec/template/metadata/annotations").is_some();
            let has_changed = |live: &LiveObject| annotation(live, "/metadata/annotations").is_some_and(|former| former != config_hash);
            if live.is_some_and(|live| is_following(live) || has_changed(live)) {
                annotate_pods(&mut deployment, &config_hash);
            }
            deployment.metadata.annotations.get_or_insert_default().insert(CONFIG_ANNOTATION.to_owned(), config_hash.clone());
            stamped(Object::Deployment(deployment))
        }
        Object::ConfigMap(_) | Object::Service(_) | Object::StatefulSet(_) | Object::HorizontalPodAutoscaler(_) => object,
    };
    objects.into_iter().map(follow).collect()
}

/// The hash that a live Deployment carries at a place.
fn annotation<'a>(live: &'a LiveObject, place: &str) -> Option<&'a str> {
    live.body.pointer(place)?.get(CONFIG_ANNOTATION)?.as_str()
}

fn annotate_pods(deployment: &mut Deployment, config_hash: &str) {
    if let Some(pods) = deployment.spec.as_mut().and_then(|spec| spec.template.metadata.as_mut()) {
        pods.annotations.get_or_insert_default().insert(CONFIG_ANNOTATION.to_owned(), config_hash.to_owned());
    }
}

/// The Deployment of the proxy.
pub(super) fn deployment(cluster: &Cluster, proxy: &Proxy) -> Deployment {
    let component = Component::FrontendProxy;
    let load = &proxy.spec.load;
    let name = component.workload_name(&cluster.name);
    let mut mounts = volumes::Mounts::default();
    mounts.add_storage(&proxy.volumes);
    mounts.add_config_map(&cluster.conventions.volume_name(&name, CONFIG_DIRECTORY, ""), &name, CONFIG_DIRECTORY, None, None);
    let health = |failure_seconds| probes::http("/nginx/health", PROXY_PORT, failure_seconds, RUNNING_FAILURES);
    let container = Container {
        name: component.container().to_owned(),
        image: Some(proxy.image.clone()),
        image_pull_policy: Some(pod::pull_policy(load)),
        ports: Some(pod::ports(&Ports::of_proxy())),
        resources: pod::resources(load),
        volume_mounts: some_list(&mounts.mounts),
        liveness_probe: health(load.liveness_probe_failure_seconds),
        readiness_probe: health(load.readiness_probe_failure_seconds),
        security_context: Some(SecurityContext {
            run_as_user: Some(NGINX_ID),
            run_as_group: Some(NGINX_ID),
            run_as_non_root: Some(true),
            allow_privilege_escalation: Some(false),
            // nginx buffers request bodies below /tmp.
            read_only_root_filesystem: Some(false),
            ..SecurityContext::default()
        }),
        ..Container::default()
    };
    let spec = PodSpec { containers: vec![container], volumes: some_list(&mounts.volumes), ..pod::pod(load) };
    Deployment {
        metadata: metadata::owned(cluster, name, component.object_labels(&cluster.name)),
        spec: Some(DeploymentSpec {
            replicas: Some(i32::try_from(proxy.replicas).unwrap_or(i32::MAX)),
            selector: metadata::selector(cluster, component),
            template: PodTemplateSpec { metadata: Some(pod::metadata(cluster, component, load)), spec: Some(spec) },
            ..DeploymentSpec::default()
        }),
        status: None,
    }
}
