//! The order in which cells are run, and how they are shared out among tasks.

use std::cmp::Reverse;

/// How late each of `len` places in a row is looked at: the ends first (0), then the middle between them (1), then the middles
/// of what is left, so that every place has its neighbours at twice the distance before it.
pub fn levels(len: usize) -> Vec<usize> {
    let mut levels = vec![0; len];
    let mut gaps = vec![(0, len.saturating_sub(1), 1)];
    while let Some((a, b, level)) = gaps.pop() {
        if b > a + 1 {
            let middle = a.midpoint(b);
            levels[middle] = level;
            gaps.extend([(a, middle, level + 1), (middle, b, level + 1)]);
        }
    }
    levels
}

/// Shares work out among `parts`: the most expensive first, each to the part that has least so far (at most 4/3 of the best
/// possible longest part). Gives the part of each piece; it depends on the costs alone.
pub fn packed(costs: &[f64], parts: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..costs.len()).collect();
    order.sort_by(|&a, &b| costs[b].total_cmp(&costs[a]).then(a.cmp(&b)));
    let mut loads =
        std::collections::BinaryHeap::from_iter((0..parts).map(|part| Reverse((Load(0.0), part))));
    let mut of = vec![0; costs.len()];
    for piece in order {
        if let Some(Reverse((Load(load), part))) = loads.pop() {
            of[piece] = part;
            loads.push(Reverse((Load(load + costs[piece]), part)));
        }
    }
    of
}

/// A sum of costs, ordered.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Load(f64);

impl Eq for Load {}

impl PartialOrd for Load {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Load {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_ends_come_first_and_neighbours_before_what_is_between() {
        assert_eq!(levels(0), [0usize; 0]);
        assert_eq!(levels(1), [0]);
        assert_eq!(levels(2), [0, 0]);
        assert_eq!(levels(5), [0, 2, 1, 2, 0]);
        for len in 3..40 {
            let levels = levels(len);
            for place in 1..len - 1 {
                // On both sides there is a place that was looked at earlier, no farther than the row's share at that level.
                let reach = len.div_ceil(1 << (levels[place] - 1));
                let earlier = |p: usize| levels[p] < levels[place];
                assert!((place.saturating_sub(reach)..place).any(earlier), "{len}: {place}");
                assert!((place + 1..=(place + reach).min(len - 1)).any(earlier), "{len}: {place}");
            }
        }
    }

    #[test]
    fn limits_parts_are_a_partition_with_even_loads() {
        let costs: Vec<f64> = (1..=20).map(|i| f64::from(i * i % 13 + 1)).collect();
        for parts in 1..=7 {
            let of = packed(&costs, parts);
            let mut loads = vec![0.0; parts];
            of.iter().zip(&costs).for_each(|(part, cost)| loads[*part] += cost);
            let (all, most) = (costs.iter().sum::<f64>(), costs.iter().fold(0.0, |a, b| f64::max(a, *b)));
            assert!((loads.iter().sum::<f64>() - all).abs() < 1e-9);
            // Graham: no part exceeds the mean by more than one piece.
            assert!(loads.iter().all(|load| *load <= all / parts as f64 + most), "{loads:?}");
        }
        assert_eq!(packed(&[5.0, 1.0, 1.0, 1.0], 2), [0, 1, 1, 1]);
    }
}
