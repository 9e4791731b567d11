//! What form of an answer a client accepts: the Accept header in, the first form we can give out.

/// How objects are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum View {
    /// As they are.
    Whole,
    /// Printed columns.
    Table,
    /// Metadata alone.
    Metadata,
}

/// Which discovery document is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DiscoveryForm {
    /// One document for everything.
    Aggregated,
    /// One document per group.
    Plain,
}

fn parameters(range: &str) -> impl Iterator<Item = (&str, &str)> {
    range.split(';').skip(1).filter_map(|part| part.trim().split_once('='))
}

fn as_of(range: &str) -> Option<&str> {
    parameters(range).find(|(key, _)| *key == "as").map(|(_, value)| value)
}

fn is_json(range: &str) -> bool {
    let media = range.split(';').next().unwrap_or_default().trim();
    matches!(media, "application/json" | "*/*" | "application/*" | "application/yaml")
}

/// The view that the client prefers among those we can give; clients that name none of ours get JSON all the same.
pub(super) fn view(accept: &str) -> View {
    for range in accept.split(',').map(str::trim).filter(|range| is_json(range)) {
        match as_of(range) {
            None => return View::Whole,
            Some("Table") => return View::Table,
            Some("PartialObjectMetadata" | "PartialObjectMetadataList") => return View::Metadata,
            Some(_) => {}
        }
    }
    View::Whole
}

/// The form of discovery that the client prefers.
pub(super) fn discovery(accept: &str) -> DiscoveryForm {
    for range in accept.split(',').map(str::trim).filter(|range| is_json(range)) {
        let v2 = parameters(range).any(|parameter| parameter == ("v", "v2"));
        match as_of(range) {
            None => return DiscoveryForm::Plain,
            Some("APIGroupDiscoveryList") if v2 => return DiscoveryForm::Aggregated,
            Some(_) => {}
        }
    }
    DiscoveryForm::Plain
}
