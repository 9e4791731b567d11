//! An image reference in, its parts and the version its tag claims out; never contacts a registry.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::version::{Claim, Version, is_branch, numbered};

/// A container image reference: `[registry[:port]/]repository[:tag][@digest]`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Image {
    /// Everything before the tag, registry and port included.
    pub repository: String,
    /// The tag, if one is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// The digest with its algorithm (`sha256:…`), if one is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

/// What may stand between the release and the end of a tag without changing which StarRocks is inside: the base system
/// (upstream puts it in the repository name, mirrors often in the tag) and the processor.
const PLATFORM_WORDS: [&str; 7] = ["ubuntu", "ubi", "centos", "rockylinux", "debian", "amd64", "arm64"];

/// The longest tag the distribution specification allows.
const TAG_LENGTH_MAX: usize = 128;

impl Image {
    /// Splits a reference. Every text has a reading: what is odd ends up in `repository` and claims nothing.
    pub fn parse(text: &str) -> Self {
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, some(digest)),
            None => (text, None),
        };
        // A colon before the last slash belongs to the registry's port.
        let path_start = name.rfind('/').map_or(0, |slash| slash + 1);
        let (repository, tag) = match name.get(path_start..).and_then(|path| path.find(':')) {
            Some(colon) => (name.get(..path_start + colon).unwrap_or(name), name.get(path_start + colon + 1..).and_then(some)),
            None => (name, None),
        };
        Self { repository: repository.to_owned(), tag, digest }
    }

    /// What the reference says about the StarRocks version inside.
    ///
    /// - `3.5.9` and `v3.5.9` are the release 3.5.9, also with a base system or processor after it (`3.5.9-ubuntu`,
    ///   `3.5.9-ubuntu22.04-amd64`), because these words change the packaging and not StarRocks.
    /// - Any other suffix (`3.5.9-acme2`) is `Unknown`: a patched build may have another metadata format.
    /// - No tag, `latest`, `3.5-latest`, `3.5` are `Floating`; with a digest the digest decides what runs: `Digest`.
    /// - A release tag with a digest (`3.5.9@sha256:…`) is the release; the digest pins the very build.
    ///
    /// A claim is no proof: what runs is what the nodes report.
    pub fn claim(&self) -> Claim {
        let by_tag = match &self.tag {
            Some(tag) => claim_of_tag(tag),
            None => Claim::Floating("latest".to_owned()),
        };
        match (&by_tag, &self.digest) {
            (Claim::Floating(_) | Claim::Branch(_) | Claim::Unknown(_), Some(digest)) => Claim::Digest(digest.clone()),
            _ => by_tag,
        }
    }

    /// The reference of the same repository at another release, in the style of the present tag (`v` in front, base system
    /// behind). A digest is dropped, since it belongs to the old build.
    pub fn with_version(&self, version: &Version) -> String {
        let (prefix, suffix) = self.tag.as_deref().and_then(dressed_release).map_or(("", ""), |dressed| (dressed.prefix, dressed.suffix));
        format!("{}:{prefix}{version}{suffix}", self.repository)
    }
}

impl fmt::Display for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn claim_of_tag(tag: &str) -> Claim {
    let well_formed =
        tag.len() <= TAG_LENGTH_MAX && tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'));
    if !well_formed {
        return Claim::Unknown(tag.to_owned());
    }
    if let Some(dressed) = dressed_release(tag) {
        return dressed.claim;
    }
    let lower = tag.to_ascii_lowercase();
    if lower.split(['-', '_']).any(|word| word == "latest" || word == "stable") || is_bare_line(&lower) {
        return Claim::Floating(tag.to_owned());
    }
    if is_branch(tag) { Claim::Branch(tag.to_owned()) } else { Claim::Unknown(tag.to_owned()) }
}

/// `3` or `3.5`, which registries move to the newest patch.
fn is_bare_line(tag: &str) -> bool {
    let tag = tag.strip_prefix('v').unwrap_or(tag);
    let mut parts = tag.split('.');
    let first_two = [parts.next(), parts.next()];
    parts.next().is_none() && first_two.into_iter().flatten().all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}

struct Dressed<'a> {
    prefix: &'a str,
    claim: Claim,
    suffix: &'a str,
}

/// A release or candidate with the additions that change nothing.
fn dressed_release(tag: &str) -> Option<Dressed<'_>> {
    let bare = tag.strip_prefix('v').unwrap_or(tag);
    let prefix = tag.get(..tag.len() - bare.len())?;
    let mut end = bare.len();
    loop {
        if let Some(claim) = numbered(bare.get(..end)?) {
            return Some(Dressed { prefix, claim, suffix: bare.get(end..)? });
        }
        let dash = bare.get(..end)?.rfind('-')?;
        if !is_platform(bare.get(dash + 1..end)?) {
            return None;
        }
        end = dash;
    }
}

fn is_platform(word: &str) -> bool {
    PLATFORM_WORDS
        .iter()
        .any(|known| word.strip_prefix(known).is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(repository: &str, tag: Option<&str>, digest: Option<&str>) -> Image {
        Image { repository: repository.into(), tag: tag.map(Into::into), digest: digest.map(Into::into) }
    }

    #[test]
    fn references_split_at_tag_and_digest_but_not_at_a_registry_port() {
        let cases = [
            ("starrocks/fe-ubuntu:3.5.9", image("starrocks/fe-ubuntu", Some("3.5.9"), None)),
            ("registry:5000/starrocks/fe-ubuntu", image("registry:5000/starrocks/fe-ubuntu", None, None)),
            ("registry:5000/starrocks/fe-ubuntu:3.5.9", image("registry:5000/starrocks/fe-ubuntu", Some("3.5.9"), None)),
            ("fe@sha256:abc", image("fe", None, Some("sha256:abc"))),
            ("r.io:1/fe:3.5.9@sha256:abc", image("r.io:1/fe", Some("3.5.9"), Some("sha256:abc"))),
            ("fe:", image("fe", None, None)),
            ("", image("", None, None)),
        ];
        for (text, parts) in cases {
            assert_eq!(Image::parse(text), parts, "{text}");
        }
    }

    #[test]
    fn only_tags_that_name_a_final_release_are_trusted() {
        let release = |patch| Claim::Release(Version::new(3, 5, patch));
        let cases = [
            ("fe:3.5.9", release(9)),
            ("fe:v3.5.9", release(9)),
            ("fe:3.5.9-ubuntu", release(9)),
            ("fe:3.5.9-ubuntu22.04-amd64", release(9)),
            ("fe:3.5.9@sha256:abc", release(9)),
            ("fe:3.5.9-acme2", Claim::Unknown("3.5.9-acme2".into())),
            ("fe:3.5.9-7b3a469", Claim::Unknown("3.5.9-7b3a469".into())),
            ("fe:3.5.0-rc01", Claim::Candidate { base: Version::new(3, 5, 0), label: "rc01".into() }),
            ("fe:3.5.0-rc01-ubuntu", Claim::Candidate { base: Version::new(3, 5, 0), label: "rc01".into() }),
            ("fe:3.5.0-rc01@sha256:abc", Claim::Candidate { base: Version::new(3, 5, 0), label: "rc01".into() }),
            ("fe", Claim::Floating("latest".into())),
            ("fe:latest", Claim::Floating("latest".into())),
            ("fe:3.5-latest", Claim::Floating("3.5-latest".into())),
            ("fe:3.5", Claim::Floating("3.5".into())),
            ("fe:latest@sha256:abc", Claim::Digest("sha256:abc".into())),
            ("fe@sha256:abc", Claim::Digest("sha256:abc".into())),
            ("fe:main", Claim::Branch("main".into())),
            ("fe:branch-3.5", Claim::Branch("branch-3.5".into())),
            ("fe:mine", Claim::Unknown("mine".into())),
            ("fe:3.5.9:8", Claim::Unknown("3.5.9:8".into())),
        ];
        for (text, claim) in cases {
            assert_eq!(Image::parse(text).claim(), claim, "{text}");
        }
    }

    #[test]
    fn another_version_keeps_the_style_of_the_tag_and_drops_the_digest() {
        let next = Version::new(4, 0, 17);
        let cases = [
            ("r:5000/fe:3.5.9", "r:5000/fe:4.0.17"),
            ("fe:v3.5.9-ubuntu@sha256:abc", "fe:v4.0.17-ubuntu"),
            ("fe:latest", "fe:4.0.17"),
            ("fe", "fe:4.0.17"),
            ("fe:3.5.0-rc01", "fe:4.0.17"),
        ];
        for (text, expected) in cases {
            assert_eq!(Image::parse(text).with_version(&next), expected, "{text}");
        }
    }
}
