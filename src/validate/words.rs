//! Words in, whether Kubernetes knows them out; never changes a word.

use super::fault::{Findings, Rule};

/// Whether a text is the word, in whatever case; the magic storage classes are written in many ways.
pub(super) fn is_word(text: &str, word: &str) -> bool {
    text.eq_ignore_ascii_case(word)
}

/// Whether a text is a DNS label (RFC 1123): a volume, container or pod name.
pub(super) fn is_dns_label(text: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.len() <= 63 && text.bytes().all(is_inner) && !text.starts_with('-') && !text.ends_with('-')
}

/// Faults a text that is given and not one of the words that Kubernetes knows; the case matters to Kubernetes.
pub(super) fn one_of(field: String, text: Option<&str>, words: &[&str], findings: &mut Findings) {
    if let Some(text) = text
        && !words.contains(&text)
    {
        findings.fault(Rule::Word, field, format!("{text:?} is not one of {}", words.join(", ")), format!("Write {}", words.join(" or ")));
    }
}

/// Faults a number that is given and below zero.
pub(super) fn not_negative(field: String, number: Option<i64>, findings: &mut Findings) {
    if let Some(number) = number.filter(|number| *number < 0) {
        findings.fault(
            Rule::Seconds,
            field,
            format!("{number} seconds are below zero"),
            "Write 0 or more, or take the field away for the default",
        );
    }
}
