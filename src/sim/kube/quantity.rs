//! Kubernetes quantities: text to the canonical text that the API server stores; `None` for what it refuses.

/// What the server says about a text that is no quantity.
pub(super) const UNREADABLE: &str = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

const DECIMAL: &[(&str, u32)] = &[("E", 18), ("P", 15), ("T", 12), ("G", 9), ("M", 6), ("k", 3), ("", 0)];
const SMALL: &[(&str, u32)] = &[("m", 6), ("u", 3), ("n", 0)];
const BINARY: &[(&str, u32)] = &[("Ei", 60), ("Pi", 50), ("Ti", 40), ("Gi", 30), ("Mi", 20), ("Ki", 10)];

enum Form {
    Decimal,
    Binary,
    Exponent,
}

/// One billionth: the finest quantity there is.
const NANO: i128 = 1_000_000_000;

fn parse(text: &str) -> Option<(i128, Form)> {
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let end = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(unsigned.len());
    let (number, suffix) = unsigned.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') || whole.len() > 20 {
        return None;
    }
    let digits = |text: &str| if text.is_empty() { Some(0) } else { text.parse::<i128>().ok() };
    let kept: String = fraction.chars().chain(std::iter::repeat('0')).take(9).collect();
    // Finer than a billionth is rounded up.
    let beyond = fraction.chars().skip(9).any(|c| c != '0');
    let scaled = digits(whole)?.checked_mul(NANO)?.checked_add(digits(&kept)?)?.checked_add(i128::from(beyond))?;
    let (value, form) = apply_suffix(scaled, suffix)?;
    Some((if negative { -value } else { value }, form))
}

fn apply_suffix(scaled: i128, suffix: &str) -> Option<(i128, Form)> {
    let power = |exponent: u32| 10_i128.checked_pow(exponent);
    if let Some((_, exponent)) = DECIMAL.iter().find(|(name, _)| *name == suffix) {
        return Some((scaled.checked_mul(power(*exponent)?)?, Form::Decimal));
    }
    if let Some((_, exponent)) = SMALL.iter().find(|(name, _)| *name == suffix) {
        return Some((divide_up(scaled, power(9 - exponent)?), Form::Decimal));
    }
    if let Some((_, bits)) = BINARY.iter().find(|(name, _)| *name == suffix) {
        return Some((scaled.checked_mul(1_i128.checked_shl(*bits)?)?, Form::Binary));
    }
    let exponent: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
    let factor = power(exponent.unsigned_abs())?;
    let value = if exponent < 0 { divide_up(scaled, factor) } else { scaled.checked_mul(factor)? };
    Some((value, Form::Exponent))
}

fn divide_up(value: i128, by: i128) -> i128 {
    value.div_euclid(by) + i128::from(value.rem_euclid(by) != 0)
}

/// The text that the API server stores for a quantity: no fraction, the greatest suffix that loses nothing.
pub(super) fn canonical(text: &str) -> Option<String> {
    let (nanos, form) = parse(text.trim())?;
    if nanos == 0 {
        return Some("0".to_string());
    }
    let small = nanos.unsigned_abs() < 1024 * NANO.unsigned_abs();
    if matches!(form, Form::Binary) && !small {
        let whole = divide_up(nanos, NANO);
        let unit = BINARY.iter().find(|(_, bits)| whole % (1_i128 << bits) == 0);
        return Some(unit.map_or_else(|| whole.to_string(), |(name, bits)| format!("{}{name}", whole >> bits)));
    }
    for (name, exponent) in DECIMAL {
        let unit = NANO * 10_i128.pow(*exponent);
        if nanos % unit == 0 {
            let suffix = match (&form, exponent) {
                (Form::Exponent, 0) => String::new(),
                (Form::Exponent, exponent) => format!("e{exponent}"),
                _ => (*name).to_string(),
            };
            return Some(format!("{}{suffix}", nanos / unit));
        }
    }
    let (name, exponent) = SMALL.iter().find(|(_, exponent)| nanos % 10_i128.pow(*exponent) == 0)?;
    let suffix = if matches!(form, Form::Exponent) { format!("e-{}", 9 - exponent) } else { (*name).to_string() };
    Some(format!("{}{suffix}", nanos / 10_i128.pow(*exponent)))
}

/// The value in billionths, for comparisons.
pub(super) fn nanos(text: &str) -> Option<i128> {
    parse(text.trim()).map(|(nanos, _)| nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_stored_in_their_canonical_form() {
        let table = [
            ("1024Mi", "1Gi"),
            ("1.5Gi", "1536Mi"),
            ("0.5", "500m"),
            ("1000m", "1"),
            ("4", "4"),
            ("1500", "1500"),
            ("2000", "2k"),
            ("1e3", "1e3"),
            ("0Gi", "0"),
            ("512", "512"),
            ("10G", "10G"),
            ("-1", "-1"),
        ];
        for (text, wanted) in table {
            assert_eq!(canonical(text).as_deref(), Some(wanted), "{text}");
        }
        for text in ["", "10GB", "abc", "1.2.3", "Gi", "1 Gi"] {
            assert_eq!(canonical(text), None, "{text}");
        }
    }
}
