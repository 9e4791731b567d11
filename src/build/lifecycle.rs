//! A workload and the image it will run in, the hooks of its main container out; never guesses a release.

use k8s_openapi::api::core::v1::{ExecAction, Lifecycle, LifecycleHandler};

use crate::model::Component;
use crate::model::cluster::Workload;
use crate::release::{Image, Version};

/// The user's hooks; without a preStop of the user's, StarRocks is stopped by its own script.
pub(super) fn hooks(workload: &Workload, image: &Image) -> Lifecycle {
    let written = workload.spec.load.lifecycle.as_ref();
    Lifecycle {
        pre_stop: Some(written.and_then(|hooks| hooks.pre_stop.clone()).unwrap_or_else(|| stop(workload, image))),
        post_start: written.and_then(|hooks| hooks.post_start.clone()),
        stop_signal: written.and_then(|hooks| hooks.stop_signal.clone()),
    }
}

fn stop(workload: &Workload, image: &Image) -> LifecycleHandler {
    let component = workload.component.container();
    let graceful = if stops_gracefully(workload.component, image) { " -g" } else { "" };
    let command = format!("{}/bin/stop_{component}.sh{graceful}", workload.component.home(&workload.root));
    let exec = ExecAction { command: Some(vec!["/bin/bash".to_owned(), "-c".to_owned(), command]) };
    LifecycleHandler { exec: Some(exec), ..LifecycleHandler::default() }
}

/// First release of each line whose stop script knows `-g`; lines that are not listed know it, or are so old that nobody
/// asked. The tag is read as the former operator read it, since the command is part of the pod template.
fn stops_gracefully(component: Component, image: &Image) -> bool {
    let first: &[Version] = match component {
        Component::Frontend | Component::FrontendProxy => &[],
        Component::Backend => &[Version::new(3, 3, 19), Version::new(3, 4, 8), Version::new(3, 5, 6)],
        Component::ComputeNode => &[Version::new(3, 3, 17), Version::new(3, 4, 6), Version::new(3, 5, 2)],
    };
    let Some(version) = tag_version(image) else { return true };
    first.iter().find(|first| first.line() == version.line()).is_none_or(|first| version.patch >= first.patch)
}

/// The three numbers in front of the first dash of a tag. A digest hides them, as it did before.
fn tag_version(image: &Image) -> Option<Version> {
    if image.digest.is_some() {
        return None;
    }
    let tag = image.tag.as_deref().filter(|tag| !tag.contains("latest"))?;
    let numbers: Vec<u64> = tag.split('-').next()?.split('.').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    match *numbers.as_slice() {
        [major, minor, patch] => Some(Version::new(major, minor, patch)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_releases_known_not_to_stop_gracefully_are_stopped_the_other_way() {
        let cases = [
            (Component::Backend, "be:3.3.18", false),
            (Component::Backend, "be:3.3.19", true),
            (Component::Backend, "be:3.4.7-ubuntu", false),
            (Component::Backend, "be:3.5.6", true),
            (Component::Backend, "be:3.2.1", true),
            (Component::Backend, "be:4.0.1", true),
            (Component::Backend, "be:latest", true),
            (Component::Backend, "be:3.3-latest", true),
            (Component::Backend, "be:3.3", true),
            (Component::Backend, "be:v3.3.1", true),
            (Component::Backend, "be:3.3.18@sha256:abc", true),
            (Component::Backend, "registry:5000/be", true),
            (Component::ComputeNode, "cn:3.3.16", false),
            (Component::ComputeNode, "cn:3.3.17", true),
            (Component::ComputeNode, "cn:3.5.1-rc01", false),
            (Component::Frontend, "fe:3.3.1", true),
        ];
        for (component, image, graceful) in cases {
            assert_eq!(stops_gracefully(component, &Image::parse(image)), graceful, "{component} {image}");
        }
    }
}
