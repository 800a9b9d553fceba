//! Random streams of work with a name: no two names share one, and none shares one with work without a name.

use gtv_theory::closure::CLOSURES;
use gtv_theory::compare::Level;
use gtv_theory::rng::{Purpose, Streams};
use proptest::prelude::*;
use rand::Rng;
use std::collections::BTreeSet;

const PURPOSES: [Purpose; 13] = [
    Purpose::Data,
    Purpose::Training,
    Purpose::Initial,
    Purpose::PathNoise,
    Purpose::TheoryModel,
    Purpose::Quadrature,
    Purpose::Bootstrap,
    Purpose::Features,
    Purpose::Projections,
    Purpose::Init,
    Purpose::Probe,
    Purpose::Steps,
    Purpose::Batches,
];

/// The first 128 bits of every purpose, for two members and two chunks.
fn beginnings(streams: Streams) -> Vec<[u64; 2]> {
    let places = [(0, 0), (0, 1), (1, 0), (1, 1)];
    PURPOSES
        .iter()
        .flat_map(|&purpose| places.map(|(member, chunk)| streams.stream(purpose, member, chunk)))
        .map(|mut rng| [rng.next_u64(), rng.next_u64()])
        .collect()
}

/// Whether all streams of several families differ.
fn apart(families: &[Streams]) -> bool {
    let all: Vec<[u64; 2]> = families.iter().flat_map(|streams| beginnings(*streams)).collect();
    all.iter().collect::<BTreeSet<_>>().len() == all.len()
}

proptest! {
    #[test]
    fn identities_names_that_differ_share_no_stream(a in ".{1,24}", b in ".{1,24}", seed: u64) {
        let streams = Streams::new(seed);
        prop_assume!(a != b);
        prop_assert!(apart(&[streams, streams.named(&a), streams.named(&b)]));
        // The same name is the same family, and the seed still counts.
        prop_assert_eq!(streams.named(&a), Streams::new(seed).named(&a));
        prop_assert!(apart(&[streams.named(&a), Streams::new(seed ^ 1).named(&a)]));
    }
}

#[test]
fn identities_short_names_and_names_of_closures_share_no_stream() {
    let streams = Streams::new(7);
    let closures = CLOSURES.iter().map(|closure| closure.card().name);
    let names: Vec<&str> = ["a", "b", "", "A", "ab", "ba"].into_iter().chain(closures).collect();
    let mut families: Vec<Streams> = names.iter().map(|name| streams.named(name)).collect();
    families.push(streams);
    assert!(apart(&families), "{names:?}");
    // The check can fail.
    assert!(!apart(&[streams.named("a"), streams.named("a")]));
}

#[test]
fn identities_levels_have_names_and_streams_of_their_own() {
    let theories = CLOSURES.iter().map(|closure| Level::Theory(closure.card().name.to_owned()));
    let others = [
        Level::Points,
        Level::Data,
        Level::PfOde,
        Level::MeanScore,
        Level::GaussianEmpirical,
        Level::Ensemble,
    ];
    let levels: Vec<Level> = others.into_iter().chain(theories).collect();
    let names: BTreeSet<String> = levels.iter().map(Level::to_string).collect();
    assert_eq!(names.len(), levels.len());
    assert!(levels.iter().all(|level| Level::named(&level.to_string()).as_ref() == Some(level)));
    let mut families: Vec<Streams> = names.iter().map(|name| Streams::new(3).named(name)).collect();
    families.push(Streams::new(3));
    assert!(apart(&families), "{names:?}");
}
