//! A preview as a page for people: pods in order, when and for how long, why, and what stands in the way.

use std::fmt::Write;

use super::paragraph;
use crate::plan::Preview;

/// The page.
pub(super) fn text(preview: &Preview) -> String {
    let mut page = String::new();
    let count = preview.restarts.len();
    if count == 0 {
        page.push_str("No pod is restarted.\n");
    } else {
        let plural = if count == 1 { "" } else { "s" };
        let head = format!("{count} restart{plural}, about {} in all ({}):", clock(preview.seconds), preview.pace.basis());
        page.push_str(&paragraph("", &head));
        let width = preview.restarts.iter().map(|restart| restart.pod.len()).max().unwrap_or(0);
        for restart in &preview.restarts {
            let hop = restart.hop.map(|hop| format!("hop {hop}, ")).unwrap_or_default();
            let lead = format!("  {:>8}  {:>5} s  {:<width$}  ", clock(restart.starts_after_seconds), restart.seconds, restart.pod);
            page.push_str(&paragraph(&lead, &format!("{hop}{}", restart.reason())));
        }
        if preview.restarts.iter().any(|restart| restart.hop > Some(1)) {
            page.push_str(&paragraph(
                "  ",
                "The leader of a hop is restarted last in it; which frontend leads in the next is seen only then.",
            ));
        }
    }
    for other in &preview.others {
        page.push_str(&paragraph("  also: ", other));
    }
    for gate in &preview.gates {
        page.push_str(&paragraph("  held: ", &format!("{} ({})", gate.message, gate.code)));
    }
    page
}

/// Seconds as 1:02:03 or 2:03.
fn clock(seconds: u64) -> String {
    let (hours, minutes, rest) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    let mut text = String::new();
    if hours > 0 {
        let _ = write!(text, "{hours}:{minutes:02}:{rest:02}");
    } else {
        let _ = write!(text, "{minutes}:{rest:02}");
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn times_are_read_like_those_of_a_clock() {
        assert_eq!([0, 75, 3_600 + 62].map(super::clock), ["0:00", "1:15", "1:01:02"]);
    }
}
