//! An image as written and the declared version in, the image to run and what it claims out; never contacts a registry.

use super::fault::{Findings, Rule};
use super::section::Surroundings;
use crate::model::Component;
use crate::release::{self, Claim, Image, Version, parse_version};

/// Reads `spec.version`.
pub(super) fn declared_version(text: Option<&str>, findings: &mut Findings) -> Option<Version> {
    let text = text?;
    match parse_version(text) {
        Ok(version) => Some(version),
        Err(error) => {
            findings.fault(Rule::VersionFormat, "spec.version", error.to_string(), "Write the full number of a release, for example 3.5.9");
            None
        }
    }
}

/// Chooses the image of a component and says what release it is taken for.
///
/// - No image: the one that a catalog names for the declared version, or the official one.
/// - An image without a tag: the declared version is the tag.
/// - A tag that names a release must name the declared one; the image is used as written.
/// - A tag that moves, or names a branch or a candidate, contradicts a declared version.
/// - A digest or a tag of the user's own making is taken at the user's word, with an advice.
pub(super) fn resolve(
    component: Component,
    written: Option<&str>,
    around: &Surroundings<'_>,
    path: &str,
    findings: &mut Findings,
) -> (Image, Claim) {
    let field = format!("{path}.image");
    let image = Image::parse(written.unwrap_or_default());
    if written.is_some() && (image.repository.is_empty() || image.repository.contains(char::is_whitespace)) {
        findings.fault(
            Rule::ImageMissing,
            field,
            format!("{:?} is no image reference", written.unwrap_or_default()),
            "Write REPOSITORY:TAG, for example starrocks/fe-ubuntu:3.5.9",
        );
        return (image, Claim::Unknown(String::new()));
    }
    match (written, around.version) {
        (None, Some(version)) => default_image(component, version, around),
        (None, None) => {
            let way_out =
                format!("Set spec.version or spec.channel, or {field} to an image such as {}:3.5.9", official_repository(component));
            findings.fault(Rule::ImageMissing, field, "neither an image nor spec.version or spec.channel is given", way_out);
            (image, Claim::Unknown(String::new()))
        }
        (Some(_), None) => {
            let claim = image.claim();
            (image, claim)
        }
        (Some(_), Some(version)) if image.tag.is_none() && image.digest.is_none() => tagged(image.repository, version),
        (Some(_), Some(version)) => judged(image, version, around.declared_by, field, findings),
    }
}

const fn official_repository(component: Component) -> &'static str {
    match in_catalog(component) {
        Some(component) => component.official_repository(),
        None => "nginx",
    }
}

/// A component as catalogs know it; they know nothing of the proxy.
const fn in_catalog(component: Component) -> Option<release::Component> {
    match component {
        Component::Frontend => Some(release::Component::Frontend),
        Component::Backend => Some(release::Component::Backend),
        Component::ComputeNode => Some(release::Component::ComputeNode),
        Component::FrontendProxy => None,
    }
}

fn default_image(component: Component, version: Version, around: &Surroundings<'_>) -> (Image, Claim) {
    let named = in_catalog(component).and_then(|component| around.references.releases.image(component, &version));
    match named {
        Some(image) => (image.clone(), Claim::Release(version)),
        None => tagged(official_repository(component).to_owned(), version),
    }
}

fn tagged(repository: String, version: Version) -> (Image, Claim) {
    (Image { repository, tag: Some(version.to_string()), digest: None }, Claim::Release(version))
}

fn judged(image: Image, version: Version, declared_by: &str, field: String, findings: &mut Findings) -> (Image, Claim) {
    let claim = image.claim();
    match &claim {
        Claim::Release(named) if *named == version => {}
        Claim::Release(named) => findings.fault(
            Rule::VersionConflict,
            field,
            format!("{declared_by} says {version}, and the image {image} is release {named}"),
            format!("Change one of the two, or write the image without a tag ({}) so that it follows {declared_by}", image.repository),
        ),
        Claim::Candidate { .. } | Claim::Floating(_) | Claim::Branch(_) => findings.fault(
            Rule::VersionConflict,
            field,
            format!("{declared_by} says {version}, and the image {image} may be any build"),
            format!("Write the image without a tag ({}) so that it follows {declared_by}, or take that away", image.repository),
        ),
        Claim::Digest(_) | Claim::Unknown(_) => {
            findings.advise(
                Rule::UnprovenImage,
                field,
                format!(
                    "the release of {image} cannot be read from its name; that it is {version} is believed until the nodes report theirs"
                ),
            );
            return (image, Claim::Release(version));
        }
    }
    (image, claim)
}

#[cfg(test)]
mod tests {
    use super::super::References;
    use super::*;
    use crate::model::cluster::Conventions;

    fn resolved(written: Option<&str>, version: Option<&str>) -> Result<(String, Claim, usize), Vec<&'static str>> {
        let mut findings = Findings::default();
        let version = declared_version(version, &mut findings);
        let (references, conventions) = (References::default(), Conventions::default());
        let around =
            Surroundings { cluster: "c", version, declared_by: "spec.version", references: &references, conventions: &conventions };
        let (image, claim) = resolve(Component::Backend, written, &around, "spec.starRocksBeSpec", &mut findings);
        let advice = findings.verdict().map_err(|faults| faults.iter().map(|fault| fault.code).collect::<Vec<_>>())?;
        Ok((image.to_string(), claim, advice.len()))
    }

    #[test]
    fn the_declared_version_fills_what_is_missing_of_an_image() {
        let release = Claim::Release(Version::new(3, 5, 9));
        let cases = [
            (None, "starrocks/be-ubuntu:3.5.9", 0),
            (Some("mirror:5000/be"), "mirror:5000/be:3.5.9", 0),
            (Some("mirror:5000/be:3.5.9-ubuntu"), "mirror:5000/be:3.5.9-ubuntu", 0),
            (Some("be@sha256:abc"), "be@sha256:abc", 1),
            (Some("be:3.5.9-acme2"), "be:3.5.9-acme2", 1),
        ];
        for (written, image, advice) in cases {
            assert_eq!(resolved(written, Some("3.5.9")), Ok((image.to_owned(), release.clone(), advice)), "{written:?}");
        }
    }

    #[test]
    fn an_image_that_contradicts_the_declared_version_is_a_fault() {
        for written in ["be:3.5.8", "be:latest", "be:3.5-latest", "be:main", "be:3.5.0-rc01"] {
            assert_eq!(resolved(Some(written), Some("3.5.9")), Err(vec!["SR-3011"]), "{written}");
        }
        assert_eq!(resolved(None, None), Err(vec!["SR-3012"]));
        assert_eq!(resolved(None, Some("3.5")), Err(vec!["SR-3010", "SR-3012"]));
        assert_eq!(resolved(Some(" :3.5.9"), None), Err(vec!["SR-3012"]));
    }

    #[test]
    fn without_a_declared_version_any_image_is_taken_as_written() {
        assert_eq!(resolved(Some("be:latest"), None), Ok(("be:latest".to_owned(), Claim::Floating("latest".to_owned()), 0)));
        assert_eq!(resolved(Some("be:3.5.9"), None), Ok(("be:3.5.9".to_owned(), Claim::Release(Version::new(3, 5, 9)), 0)));
    }
}
