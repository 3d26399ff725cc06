//! What is made of the figures of several rounds. Pure.

use serde::{Deserialize, Serialize};

/// Median and range of a figure over the rounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The middle one; of an even number of rounds the mean of the two in the middle.
    pub median: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

impl Spread {
    /// Of at least one figure; those that are no numbers are left out.
    pub fn of(figures: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = figures.into_iter().filter(|it| it.is_finite()).collect();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let middle = sorted.len() / 2;
        let median = match sorted.len() % 2 {
            1 => sorted[middle],
            _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
        };
        Some(Self { median, min, max })
    }

    /// Of the ratios of neighbours: figures of the same round, by which the machine's own drift cancels out.
    pub fn of_ratios(pairs: impl IntoIterator<Item = (f64, f64)>) -> Option<Self> {
        let usable = pairs.into_iter().filter(|(_, base)| *base > 0.0);
        Self::of(usable.map(|(figure, base)| figure / base))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn spread(median: f64, min: f64, max: f64) -> Option<Spread> {
        Some(Spread { median, min, max })
    }

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(Spread::of([3.0, 1.0, 2.0]), spread(2.0, 1.0, 3.0));
        assert_eq!(Spread::of([4.0, 1.0, 2.0, 3.0]), spread(2.5, 1.0, 4.0));
        assert_eq!(Spread::of([7.0, f64::NAN]), spread(7.0, 7.0, 7.0));
        assert_eq!(Spread::of([]), None);
    }

    #[test]
    fn ratios_are_those_of_each_round() {
        // The machine was half as fast in the second round; the ratio stays.
        let rounds = [(200.0, 100.0), (100.0, 50.0), (210.0, 100.0)];
        assert_eq!(Spread::of_ratios(rounds), spread(2.0, 2.0, 2.1));
        assert_eq!(Spread::of_ratios([(1.0, 0.0)]), None);
    }

    proptest! {
        #[test]
        fn the_median_lies_in_the_range(figures in prop::collection::vec(-1e9_f64..1e9, 1..20)) {
            let spread = Spread::of(figures).unwrap();
            prop_assert!(spread.min <= spread.median && spread.median <= spread.max);
        }
    }
}
