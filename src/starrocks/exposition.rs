//! The text that nodes print under `/metrics`: a name and labels in, the values of the samples that have them out; believes no value.

use std::collections::BTreeMap;

use super::{HttpAnswer, RowError};

/// The values of the samples with this name that have at least these labels, as they were printed.
///
/// # Errors
/// When the page was not answered with status 200.
pub fn samples(page: &HttpAnswer, name: &str, labels: &BTreeMap<String, String>) -> Result<Vec<String>, RowError> {
    if page.status != 200 {
        return Err(RowError::BadMetrics { text: format!("HTTP status {}", page.status) });
    }
    let of = |line: &str| {
        let (found, value) = sample(line.trim().strip_prefix(name)?)?;
        let fits = labels.iter().all(|(label, value)| found.get(label.as_str()) == Some(value));
        fits.then(|| value.to_owned())
    };
    Ok(page.body.lines().filter_map(of).collect())
}

/// Labels and value of what follows a name: `{a="b"} 1`, ` 1`, each perhaps with a time behind it. `None` for a longer name and for no sample.
fn sample(rest: &str) -> Option<(BTreeMap<&str, String>, &str)> {
    let mut found = BTreeMap::new();
    let mut rest = rest;
    if let Some(listed) = rest.strip_prefix('{') {
        rest = listed;
        loop {
            rest = rest.trim_start_matches([' ', ',']);
            if let Some(after) = rest.strip_prefix('}') {
                rest = after;
                break;
            }
            let (label, after) = rest.split_once("=\"")?;
            let (value, after) = quoted(after)?;
            found.insert(label.trim(), value);
            rest = after;
        }
    } else if !rest.starts_with([' ', '\t']) {
        return None;
    }
    Some((found, rest.split_whitespace().next()?))
}

/// A label's value up to its closing quote, and what follows.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, text.get(at + 1..)?)),
            '\\' => match characters.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# HELP starrocks_be_x an x\n# TYPE starrocks_be_x counter\nstarrocks_be_x 3\nstarrocks_be_x_total 9\n\
        starrocks_be_requests{status=\"failed\",type=\"base_compaction\"} 7\n\
        starrocks_be_requests{type=\"base_compaction\", status=\"total\",} 1.5e+03 1795000000000\n\
        starrocks_be_path{path=\"/a \\\"b\\\", \\\\c}\"} NaN\nstarrocks_be_broken{status=\"failed\" 1\nstarrocks_be_none{}\n";

    fn found(name: &str, labels: &[(&str, &str)]) -> Vec<String> {
        let page = HttpAnswer { status: 200, body: PAGE.to_owned() };
        let labels = labels.iter().map(|(label, value)| ((*label).to_owned(), (*value).to_owned())).collect();
        samples(&page, name, &labels).unwrap()
    }

    #[test]
    fn samples_are_found_by_name_and_by_some_of_their_labels() {
        assert_eq!(found("starrocks_be_x", &[]), ["3"]);
        assert_eq!(found("starrocks_be_requests", &[]), ["7", "1.5e+03"]);
        assert_eq!(found("starrocks_be_requests", &[("status", "failed")]), ["7"]);
        assert_eq!(found("starrocks_be_requests", &[("status", "total"), ("type", "base_compaction")]), ["1.5e+03"]);
        assert_eq!(found("starrocks_be_requests", &[("status", "other")]), Vec::<String>::new());
        assert_eq!(found("starrocks_be_path", &[("path", "/a \"b\", \\c}")]), ["NaN"]);
    }

    #[test]
    fn what_is_no_sample_is_none() {
        for name in ["starrocks_be_", "starrocks_be_broken", "starrocks_be_none", "nosuch"] {
            assert_eq!(found(name, &[]), Vec::<String>::new(), "{name}");
        }
        let refused = HttpAnswer { status: 503, body: PAGE.to_owned() };
        assert!(samples(&refused, "starrocks_be_x", &BTreeMap::new()).is_err());
    }
}
