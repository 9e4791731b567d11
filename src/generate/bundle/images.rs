//! Which images a release starts, and the digests that are known of them: from the release table and a lock file; a digest is never invented.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::{Value, json};

use crate::generate::install;
use crate::model::cluster::PROXY_IMAGE;
use crate::release::{Image, ReleaseTable, default_source};

/// What is known of digests: `make images-lock` asks the registries and writes it.
const LOCK: &str = include_str!("../../../config/images.lock");
const UNKNOWN: &str = "unknown";
const HEAD: &str = "# The images that a release of the operator starts, and the digest of each, which is that of the list of all its architectures. Generated: references by\n\
    # `starrocks-operator generate`, digests by `make images-lock`, which asks the registries. `unknown` was never asked, and is claimed nowhere.\n";

/// Digests by reference.
pub(super) struct Lock(BTreeMap<String, String>);

impl Lock {
    /// What the file in the repository says.
    pub(super) fn checked_in() -> Self {
        Self::parse(LOCK)
    }

    fn parse(text: &str) -> Self {
        let known = text
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| line.split_once(' '))
            .filter(|(_, digest)| is_digest(digest))
            .map(|(reference, digest)| (reference.to_owned(), digest.to_owned()));
        Self(known.collect())
    }

    /// The file for a release: every image that it starts, with what is known of it.
    pub(super) fn text(&self, version: &str) -> String {
        let mut text = HEAD.to_owned();
        for image in images(version) {
            let reference = image.to_string();
            let _ = writeln!(text, "{reference} {}", self.0.get(&reference).map_or(UNKNOWN, String::as_str));
        }
        text
    }

    /// A reference by digest where one is known, else as it was.
    pub(super) fn pinned(&self, image: &Image) -> String {
        self.digest_of(image).unwrap_or_else(|| image.to_string())
    }

    fn digest_of(&self, image: &Image) -> Option<String> {
        self.0.get(&image.to_string()).map(|digest| format!("{}@{digest}", image.repository))
    }

    /// The images that are known by digest: name and reference, the operator's first.
    pub(super) fn related(&self, version: &str) -> Vec<Value> {
        let entry = |image: &Image| Some(json!({ "name": name(image), "image": self.digest_of(image)? }));
        images(version).iter().filter_map(entry).collect()
    }

    /// The same as environment, by which tools for mirrors find them.
    pub(super) fn environment(&self, version: &str) -> Vec<Value> {
        let entry = |image: &Image| {
            let variable = name(image).to_ascii_uppercase().replace('-', "_");
            Some(json!({ "name": format!("RELATED_IMAGE_{variable}"), "value": self.digest_of(image)? }))
        };
        images(version).iter().filter_map(entry).collect()
    }
}

fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:").is_some_and(|hash| hash.len() == 64 && hash.chars().all(|letter| matches!(letter, '0'..='9' | 'a'..='f')))
}

/// The operator's image of a release.
pub(super) fn operator(version: &str) -> Image {
    Image { repository: install::IMAGE.to_owned(), tag: Some(version.to_owned()), digest: None }
}

/// Everything that a release of the operator starts of its own accord: itself, the proxy, and the images of StarRocks that its table offers.
fn images(version: &str) -> Vec<Image> {
    let mut images = vec![operator(version), Image::parse(PROXY_IMAGE)];
    images.extend(default_source(ReleaseTable::embedded()).releases.into_iter().flat_map(|release| release.images.into_values()));
    images
}

/// `starrocks-operator`; `starrocks-fe-ubuntu-3-5-20`; `nginx-1-24-0`.
fn name(image: &Image) -> String {
    match &image.tag {
        Some(tag) if image.repository != install::IMAGE => format!("{}-{tag}", image.repository).replace(['/', '.'], "-"),
        _ => image.repository.rsplit('/').next().unwrap_or_default().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_digest_counts_as_known() {
        let hash = "a".repeat(64);
        let lock = Lock::parse(&format!(
            "# words\n{}:1.0.0 sha256:{hash}\nstarrocks/fe-ubuntu:3.5.20 unknown\nother:1 sha256:abc\n",
            install::IMAGE
        ));
        assert_eq!(lock.pinned(&operator("1.0.0")), format!("{}@sha256:{hash}", install::IMAGE));
        assert_eq!(lock.pinned(&operator("1.0.1")), format!("{}:1.0.1", install::IMAGE));
        assert_eq!(lock.related("1.0.0").len(), 1);
        assert_eq!(lock.environment("1.0.0")[0]["name"], "RELATED_IMAGE_STARROCKS_OPERATOR");
        assert!(lock.related("1.0.1").is_empty() && lock.environment("1.0.1").is_empty());
    }

    #[test]
    fn the_lock_lists_what_a_release_starts_and_keeps_what_is_known() {
        let hash = "b".repeat(64);
        let reference = images("1.0.0").last().expect("an image").to_string();
        let text = Lock::parse(&format!("{reference} sha256:{hash}\ngone:1 sha256:{hash}\n")).text("1.0.0");
        assert!(text.contains(&format!("\n{reference} sha256:{hash}\n")) && !text.contains("gone:1"));
        assert!(text.contains(&format!("\n{} unknown\n", operator("1.0.0"))));
        assert!(text.contains("\nnginx:1.24.0 unknown\n"), "the proxy's image");
        let names: Vec<String> = images("1.0.0").iter().map(name).collect();
        let distinct: std::collections::BTreeSet<&String> = names.iter().collect();
        assert_eq!(distinct.len(), names.len(), "{names:?}");
        assert!(
            names.iter().all(|name| name.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-')),
            "{names:?}"
        );
    }
}
