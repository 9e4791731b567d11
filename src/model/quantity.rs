//! A Kubernetes quantity as text in, its exact value out; never rounds down and never keeps the way it was written.

use std::cmp::Ordering;
use std::fmt;

/// The value of a quantity such as `10Gi`, `500m` or `1e3`, exact to a billionth, as Kubernetes keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount {
    nano: i128,
}

const NANO: i128 = 1_000_000_000;

impl Amount {
    /// Reads a quantity by the grammar of `k8s.io/apimachinery/pkg/api/resource`; `None` for anything else or for what
    /// does not fit. More than nine decimals are rounded away from zero, as Kubernetes does.
    pub fn parse(text: &str) -> Option<Self> {
        let (negative, unsigned) = match text.as_bytes().first()? {
            b'-' => (true, text.get(1..)?),
            b'+' => (false, text.get(1..)?),
            _ => (false, text),
        };
        let end = unsigned.find(|character: char| !character.is_ascii_digit() && character != '.').unwrap_or(unsigned.len());
        let (number, suffix) = unsigned.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
            return None;
        }
        let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
        let places = u32::try_from(fraction.len()).ok()?;
        let nano = match Scale::of(suffix)? {
            Scale::Binary(exponent) => round_up(digits.checked_mul(1_i128.checked_shl(exponent)?)?.checked_mul(NANO)?, ten_to(places)?),
            Scale::Decimal(exponent) => {
                let exponent = exponent + 9 - i32::try_from(places).ok()?;
                if exponent >= 0 {
                    digits.checked_mul(ten_to(exponent.unsigned_abs())?)?
                } else {
                    round_up(digits, ten_to(exponent.unsigned_abs())?)
                }
            }
        };
        Some(Self { nano: if negative { -nano } else { nano } })
    }

    /// An amount of whole units, for memory: bytes.
    pub const fn whole(units: i64) -> Self {
        Self { nano: units as i128 * NANO }
    }

    /// Whether it is exactly zero.
    pub const fn is_zero(self) -> bool {
        self.nano == 0
    }

    /// Whether it is below zero.
    pub const fn is_negative(self) -> bool {
        self.nano < 0
    }
}

impl fmt::Display for Amount {
    /// In decimal, without suffix: one text per value, whatever way it was written.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, fraction) = (self.nano.unsigned_abs() / NANO.unsigned_abs(), self.nano.unsigned_abs() % NANO.unsigned_abs());
        let sign = if self.nano.cmp(&0) == Ordering::Less { "-" } else { "" };
        match fraction {
            0 => write!(formatter, "{sign}{whole}"),
            _ => write!(formatter, "{sign}{whole}.{}", format!("{fraction:09}").trim_end_matches('0')),
        }
    }
}

enum Scale {
    Binary(u32),
    Decimal(i32),
}

impl Scale {
    fn of(suffix: &str) -> Option<Self> {
        Some(match suffix {
            "Ki" => Self::Binary(10),
            "Mi" => Self::Binary(20),
            "Gi" => Self::Binary(30),
            "Ti" => Self::Binary(40),
            "Pi" => Self::Binary(50),
            "Ei" => Self::Binary(60),
            "n" => Self::Decimal(-9),
            "u" => Self::Decimal(-6),
            "m" => Self::Decimal(-3),
            "" => Self::Decimal(0),
            "k" => Self::Decimal(3),
            "M" => Self::Decimal(6),
            "G" => Self::Decimal(9),
            "T" => Self::Decimal(12),
            "P" => Self::Decimal(15),
            "E" => Self::Decimal(18),
            exponent => {
                let written: i32 = exponent.strip_prefix(['e', 'E'])?.parse().ok()?;
                (-40..=40).contains(&written).then_some(Self::Decimal(written))?
            }
        })
    }
}

fn ten_to(exponent: u32) -> Option<i128> {
    10_i128.checked_pow(exponent)
}

const fn round_up(dividend: i128, divisor: i128) -> i128 {
    dividend / divisor + if dividend % divisor == 0 { 0 } else { 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amount(text: &str) -> Amount {
        Amount::parse(text).unwrap_or_else(|| panic!("{text} is a quantity"))
    }

    #[test]
    fn the_same_amount_written_differently_is_equal() {
        for (one, other) in [
            ("0.5Gi", "512Mi"),
            ("1", "1000m"),
            ("1k", "1000"),
            ("1e3", "1k"),
            ("1E3", "1k"),
            ("1E", "1000P"),
            (".5", "500m"),
            ("5.", "5"),
            ("+1", "1"),
        ] {
            assert_eq!(amount(one), amount(other), "{one} {other}");
        }
        assert!(amount("1Gi") > amount("1G"));
        assert!(amount("0Gi").is_zero() && amount("0").is_zero() && !amount("0.1Ti").is_zero());
        assert!(amount("-1").is_negative());
        assert_eq!(amount("4Gi"), Amount::whole(4 << 30));
    }

    #[test]
    fn what_kubernetes_would_refuse_is_no_quantity() {
        for text in ["", "abc10Gi", "10gi", "Gi", ".", "1.2.3", "10 Gi", "10Gib", "-", "1e", "1e99", "--1"] {
            assert_eq!(Amount::parse(text), None, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn reading_never_fails_and_what_is_shown_reads_back_equal(text in "[+-]?[0-9]{0,30}[.]?[0-9]{0,12}([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]{0,3})?") {
            if let Some(amount) = Amount::parse(&text) {
                proptest::prop_assert_eq!(Amount::parse(&amount.to_string()), Some(amount));
            }
        }
    }

    #[test]
    fn an_amount_is_shown_in_one_way_only() {
        for (text, shown) in [("0.5Gi", "536870912"), ("1500m", "1.5"), ("-1", "-1"), ("1n", "0.000000001"), ("0.1n", "0.000000001")] {
            assert_eq!(amount(text).to_string(), shown);
        }
    }
}
