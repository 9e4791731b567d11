//! A result set as text, read by column name: unknown columns are tolerated, positions never trusted.

/// A result set; `None` is SQL NULL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    /// Column names in the order sent.
    pub columns: Vec<String>,
    /// Cells; a row may be shorter than the columns.
    pub rows: Vec<Vec<Option<String>>>,
}

/// Why a result set cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowError {
    /// A column that every known release sends is not there.
    #[error("the answer has no column {}", .names.join(" or "))]
    MissingColumn {
        /// The column's names in old and new releases.
        names: Vec<&'static str>,
    },
    /// A cell is not what its column promises.
    #[error("column {column} holds `{text}`")]
    BadCell {
        /// Column.
        column: &'static str,
        /// Text found.
        text: String,
    },
    /// The answer is no page of metrics.
    #[error("the answer is no page of metrics: {text}")]
    BadMetrics {
        /// What was wrong.
        text: String,
    },
    /// The answer is not the JSON it should be.
    #[error("the answer is not the expected JSON: {text}")]
    BadJson {
        /// What was wrong.
        text: String,
    },
}

/// One row of a result set.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    columns: &'a [String],
    cells: &'a [Option<String>],
}

impl Rows {
    /// A result from texts, `NULL` standing for itself as a text.
    pub fn from_texts(columns: &[&str], rows: &[&[&str]]) -> Self {
        Self {
            columns: columns.iter().map(|&column| column.to_owned()).collect(),
            rows: rows.iter().map(|row| row.iter().map(|&cell| Some(cell.to_owned())).collect()).collect(),
        }
    }

    /// The rows in the order sent.
    pub fn iter(&self) -> impl Iterator<Item = Row<'_>> {
        self.rows.iter().map(|cells| Row { columns: &self.columns, cells })
    }

    /// Whether a column of this name was sent, in any case.
    pub fn has(&self, name: &str) -> bool {
        self.columns.iter().any(|column| column.eq_ignore_ascii_case(name))
    }

    /// Demands that one of the names is a column; the names are those of older and newer releases.
    ///
    /// # Errors
    /// When none is.
    pub fn require(&self, names: &[&'static str]) -> Result<(), RowError> {
        if names.iter().any(|name| self.has(name)) { Ok(()) } else { Err(RowError::MissingColumn { names: names.to_vec() }) }
    }
}

impl<'a> Row<'a> {
    /// The text under the first of the names that is a column; `None` for no such column, SQL NULL and the text `NULL`.
    pub fn text(&self, names: &[&str]) -> Option<&'a str> {
        let position = names.iter().find_map(|name| self.columns.iter().position(|column| column.eq_ignore_ascii_case(name)))?;
        let text = self.cells.get(position)?.as_deref()?;
        // Frontends send both SQL NULL and the word (real-fe.md §2).
        if text == "NULL" || text == "\\N" { None } else { Some(text) }
    }

    /// Like `text`, empty for nothing.
    pub fn words(&self, names: &[&str]) -> &'a str {
        self.text(names).unwrap_or_default()
    }

    /// A truth value; nothing is `false`.
    pub fn is(&self, names: &[&str]) -> bool {
        self.text(names).is_some_and(|text| text.eq_ignore_ascii_case("true") || text == "1")
    }

    /// A number that is not negative; `-1` and other unset marks are `None`.
    pub fn number(&self, names: &[&str]) -> Option<u64> {
        self.text(names)?.trim().parse().ok()
    }

    /// A port; 0 when unset.
    pub fn port(&self, names: &[&str]) -> u16 {
        self.number(names).and_then(|number| u16::try_from(number).ok()).unwrap_or(0)
    }

    /// A share such as `44.72 %` in hundredths of a percent, rounded down.
    pub fn basis_points(&self, names: &[&str]) -> Option<u32> {
        let text = self.text(names)?.trim().trim_end_matches('%').trim_end();
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let whole: u32 = whole.parse().ok()?;
        if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let hundredths: u32 = format!("{fraction:0<2}").get(..2)?.parse().ok()?;
        whole.checked_mul(100)?.checked_add(hundredths)
    }

    /// The first cell whatever its column is called: for `SELECT COUNT(*)`.
    pub fn first(&self) -> Option<&'a str> {
        self.cells.first()?.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_found_by_name_wherever_they_stand() {
        let rows = Rows::from_texts(&["B", "a"], &[&["1", "true"], &["-1", "NULL"]]);
        let all: Vec<Row<'_>> = rows.iter().collect();
        assert!(all[0].is(&["A"]));
        assert_eq!(all[0].number(&["nosuch", "b"]), Some(1));
        assert_eq!(all[1].number(&["b"]), None);
        assert_eq!(all[1].text(&["a"]), None);
        assert!(rows.require(&["c", "d"]).is_err());
    }

    #[test]
    fn percentages_become_hundredths_of_a_percent() {
        let rows = Rows::from_texts(&["P"], &[&["44.72 %"], &["5 %"], &["0.1%"], &["N/A"], &["1.x %"], &["100.00 %"]]);
        let read: Vec<Option<u32>> = rows.iter().map(|row| row.basis_points(&["P"])).collect();
        assert_eq!(read, [Some(4472), Some(500), Some(10), None, None, Some(10_000)]);
    }
}
