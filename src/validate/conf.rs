//! The text of fe.conf, be.conf or cn.conf in, its keys and values out, as StarRocks itself reads them; never expands variables.

use std::collections::BTreeMap;

use crate::model::Component;
use crate::model::cluster::{ComponentSpec, ConfigMapInfo, given};

/// Where the configuration of a component comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ConfSource {
    /// The file of the image: all defaults.
    Image,
    /// `configMapInfo` is given by half, which the former operator took for "no configuration".
    Half,
    /// A key of a ConfigMap.
    ConfigMap { name: String, key: String },
}

/// Finds the source of a component's configuration: `configMapInfo` if any part of it is given, else a `configMaps` entry
/// that is mounted over the configuration file, or over its directory.
pub(super) fn source(component: Component, root: &str, spec: &ComponentSpec) -> ConfSource {
    if let Some(ConfigMapInfo { config_map_name, resolve_key }) = &spec.load.config_map_info {
        match (given(config_map_name), given(resolve_key)) {
            (Some(name), Some(key)) => return ConfSource::ConfigMap { name: name.to_owned(), key: key.to_owned() },
            (Some(_), None) | (None, Some(_)) => return ConfSource::Half,
            (None, None) => {}
        }
    }
    let (directory, file) = (format!("{}/conf", component.home(root)), component.conf_file());
    let path = format!("{directory}/{file}");
    let mounted_as = |wanted_path: &str, wanted_part: Option<&str>| {
        spec.config_maps.iter().rev().find(|mount| given(&mount.mount_path) == Some(wanted_path) && given(&mount.sub_path) == wanted_part)
    };
    let mount = mounted_as(&path, Some(&file)).or_else(|| mounted_as(&directory, None));
    match mount.and_then(|mount| given(&mount.name)) {
        Some(name) => ConfSource::ConfigMap { name: name.to_owned(), key: file },
        None => ConfSource::Image,
    }
}

/// Whether the file in a running pod follows its ConfigMap. Kubernetes refreshes mounted volumes within a minute or so, but not single keys that are
/// mounted with `subPath`.
pub(super) fn follows(component: Component, root: &str, spec: &ComponentSpec) -> bool {
    let info = spec.load.config_map_info.as_ref();
    if info.is_some_and(|info| given(&info.config_map_name).is_some() && given(&info.resolve_key).is_some()) {
        return true;
    }
    let path = format!("{}/conf/{}", component.home(root), component.conf_file());
    !spec.config_maps.iter().any(|mount| given(&mount.mount_path) == Some(path.as_str()) && given(&mount.sub_path).is_some())
}

/// Reads a configuration file. No text is refused: StarRocks skips what it does not understand.
///
/// An FE loads the file with `java.util.Properties` (`common/ConfigBase.java`), BE and CN with a line reader of their own
/// (`common/configbase.cpp`). In both a later line wins over an earlier one with the same key, and keys are case-sensitive.
pub(super) fn parse(component: Component, text: &str) -> BTreeMap<String, String> {
    match component {
        Component::Frontend => properties(text),
        Component::Backend | Component::ComputeNode | Component::FrontendProxy => lines(text),
    }
}

/// One `key = value` on each line, `#` at the start of a line for comments.
fn lines(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned()))
        .filter(|(key, _)| !key.is_empty())
        .collect()
}

/// Java properties: `=`, `:` or white space after the key, `#` or `!` for comments, a backslash at the end joins lines.
fn properties(text: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut pending = String::new();
    for line in text.lines() {
        let line = line.trim_start();
        if pending.is_empty() && (line.is_empty() || line.starts_with(['#', '!'])) {
            continue;
        }
        pending.push_str(line);
        let backslashes = pending.bytes().rev().take_while(|byte| *byte == b'\\').count();
        if backslashes % 2 == 1 {
            pending.pop();
            continue;
        }
        let (key, value) = property(&pending);
        found.insert(key, value);
        pending.clear();
    }
    if !pending.is_empty() {
        let (key, value) = property(&pending);
        found.insert(key, value);
    }
    found
}

fn property(line: &str) -> (String, String) {
    let mut escaped = false;
    let end = line
        .char_indices()
        .find(|(_, character)| {
            let ends = !escaped && (matches!(character, '=' | ':') || character.is_whitespace());
            escaped = !escaped && *character == '\\';
            ends
        })
        .map_or(line.len(), |(index, _)| index);
    let (key, rest) = line.split_at(end);
    let rest = rest.trim_start();
    let value = rest.strip_prefix(['=', ':']).unwrap_or(rest).trim_start();
    // Java keeps spaces at the end of a value; ConfigBase trims them when it sets the field.
    (unescaped(key), unescaped(value).trim_end().to_owned())
}

fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            plain.push(character);
            continue;
        }
        match characters.next() {
            Some('t') => plain.push('\t'),
            Some('n') => plain.push('\n'),
            Some('r') => plain.push('\r'),
            Some('f') => plain.push('\u{c}'),
            Some('u') => {
                let digits: String = characters.by_ref().take(4).collect();
                plain.extend(u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32));
            }
            Some(other) => plain.push(other),
            None => {}
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::cluster::{LoadSpec, MountInfo};

    fn read(component: Component, text: &str) -> Vec<(String, String)> {
        parse(component, text).into_iter().collect()
    }

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_frontend_reads_properties_and_expands_nothing() {
        let text = "# comment\n! comment\nJAVA_OPTS=\"-Xmx8192m ${JAVA_OPTS}\"\nhttp_port = 8030\nrpc_port: 9020\nquery_port 9030\n\
                    priority_networks = 10.0.0.0/8;\\\n    192.168.0.0/16\nmy\\:key = a\\tb\nhttp_port.x=1\nHTTP_PORT = 1\nempty =\n";
        assert_eq!(
            read(Component::Frontend, text),
            pairs(&[
                ("HTTP_PORT", "1"),
                ("JAVA_OPTS", "\"-Xmx8192m ${JAVA_OPTS}\""),
                ("empty", ""),
                ("http_port", "8030"),
                ("http_port.x", "1"),
                ("my:key", "a\tb"),
                ("priority_networks", "10.0.0.0/8;192.168.0.0/16"),
                ("query_port", "9030"),
                ("rpc_port", "9020"),
            ])
        );
    }

    #[test]
    fn a_backend_reads_lines_split_at_the_first_equals_sign() {
        let text = "# comment\n  be_port = 9060 \nstorage_root_path = /a,medium:ssd;/b\nJAVA_OPTS=\"-Da=b\"\nno value\nbe_port=9061\npath = C:\\x\\\nnext = 1\n";
        assert_eq!(
            read(Component::Backend, text),
            pairs(&[
                ("JAVA_OPTS", "\"-Da=b\""),
                ("be_port", "9061"),
                ("next", "1"),
                ("path", "C:\\x\\"),
                ("storage_root_path", "/a,medium:ssd;/b")
            ])
        );
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_without_failing(text in "(\\PC|[\n\\\\=:#! u])*") {
            for component in Component::STARROCKS {
                parse(component, &text);
            }
        }
    }

    #[test]
    fn half_a_reference_is_not_filled_up_from_another_place() {
        let mount = |name: &str, path: &str, part: &str| MountInfo {
            name: Some(name.into()),
            mount_path: Some(path.into()),
            sub_path: Some(part.into()),
        };
        let mut spec = ComponentSpec {
            config_maps: vec![
                mount("directory", "/opt/starrocks/be/conf", ""),
                mount("file", "/opt/starrocks/be/conf/be.conf", "be.conf"),
                mount("other", "/opt/starrocks/fe/conf", ""),
            ],
            ..ComponentSpec::default()
        };
        let from = |name: &str, key: &str| ConfSource::ConfigMap { name: name.into(), key: key.into() };
        assert_eq!(source(Component::Backend, "/opt/starrocks", &spec), from("file", "be.conf"));
        assert!(!follows(Component::Backend, "/opt/starrocks", &spec), "a key that is mounted alone stays as it was");
        spec.config_maps.remove(1);
        assert_eq!(source(Component::Backend, "/opt/starrocks", &spec), from("directory", "be.conf"));
        assert_eq!(source(Component::Backend, "/elsewhere", &spec), ConfSource::Image);
        let info = |name: &str, key: &str| Some(ConfigMapInfo { config_map_name: Some(name.into()), resolve_key: Some(key.into()) });
        spec.load = LoadSpec { config_map_info: info("c", ""), ..LoadSpec::default() };
        assert_eq!(source(Component::Backend, "/opt/starrocks", &spec), ConfSource::Half);
        spec.load = LoadSpec { config_map_info: info("c", "k"), ..LoadSpec::default() };
        assert_eq!(source(Component::Backend, "/opt/starrocks", &spec), from("c", "k"));
        assert!(follows(Component::Backend, "/opt/starrocks", &spec));
    }
}
