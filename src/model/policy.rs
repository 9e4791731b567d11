//! The parts of an upgrade policy that say more than a number or a word; pure data with the arithmetic that both planner and check need.

/// A number of nodes, or a part of all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// So many.
    Count(u32),
    /// So many of a hundred.
    Percent(u32),
}

impl Share {
    /// How many of `total` nodes that is: a part is rounded down, as Kubernetes does with `maxUnavailable`, and it is always at least one.
    pub fn of(self, total: u32) -> u32 {
        let nodes = match self {
            Self::Count(count) => count,
            Self::Percent(percent) => u32::try_from(u64::from(total) * u64::from(percent) / 100).unwrap_or(u32::MAX),
        };
        nodes.max(1)
    }

    /// How many of `total` nodes may be away at the same time: as many as that, and never all of several.
    pub fn away(self, total: u32) -> u32 {
        self.of(total).min(total.saturating_sub(1).max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_rounded_down_and_never_all_of_several_are_away() {
        let away = |share: Share| [1, 2, 3, 4, 8].map(|total| share.away(total));
        assert_eq!(away(Share::Count(1)), [1, 1, 1, 1, 1]);
        assert_eq!(away(Share::Count(3)), [1, 1, 2, 3, 3]);
        assert_eq!(away(Share::Percent(25)), [1, 1, 1, 1, 2]);
        assert_eq!(away(Share::Percent(100)), [1, 1, 2, 3, 7]);
        assert_eq!(Share::Percent(100).away(0), 1);
    }
}
