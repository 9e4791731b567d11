//! Long lines in, lines of readable width out, continued under where their text begins; changes no word.

/// Columns that fit a usual terminal and a mail.
pub(super) const WIDTH: usize = 100;

/// `lead` and `text` in lines of at most `WIDTH` columns where words allow it; further lines stand under the text.
pub(super) fn paragraph(lead: &str, text: &str) -> String {
    let indent = lead.chars().count();
    let mut page = lead.to_owned();
    let mut column = indent;
    for (index, word) in text.split(' ').enumerate() {
        let length = word.chars().count();
        if index > 0 && column + 1 + length > WIDTH {
            page.push('\n');
            page.extend(std::iter::repeat_n(' ', indent));
            column = indent;
        } else if index > 0 {
            page.push(' ');
            column += 1;
        }
        page.push_str(word);
        column += length;
    }
    page.push('\n');
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_continue_under_their_beginning_and_lose_no_word() {
        let text = vec!["twelve-chars"; 20].join(" ");
        let page = paragraph("  1. ", &text);
        assert!(page.lines().count() > 1 && page.lines().all(|line| line.chars().count() <= WIDTH));
        assert!(page.lines().skip(1).all(|line| line.starts_with("     twelve")));
        assert_eq!(page.split_whitespace().skip(1).collect::<Vec<_>>().join(" "), text);
    }
}
