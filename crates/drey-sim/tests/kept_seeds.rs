//! Seeds that once failed stay; a few fresh ones and the small models go with them.

use drey_model::deployment::{RestoreKind, UpgradeKind};
use drey_sim::model::{self, Budget};
use drey_sim::runs;

fn kept() -> Vec<u64> {
    let lines = include_str!("kept_seeds.txt").lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_whitespace().next()?.parse().ok()).collect()
}

#[test]
fn seeds_that_once_failed_pass() {
    let seeds = kept();
    assert!(seeds.len() >= 15);
    for seed in seeds {
        let outcome = runs::one(seed, false);
        assert_eq!(outcome.violation, None, "replay with: drey-sim run --only {seed}");
    }
}

#[test]
fn the_same_seed_gives_the_same_history() {
    for seed in [7, 300_001] {
        let (one, two) = (runs::one(seed, true), runs::one(seed, true));
        assert!(!one.story.is_empty());
        assert_eq!(one.story, two.story);
    }
}

#[test]
fn a_small_world_is_safe_and_comes_to_rest() {
    for (edits, failures, crashes) in [(2, 0, 1), (1, 1, 0), (0, 1, 1)] {
        let budget = Budget { edits, failures, crashes };
        let found = model::search(budget, UpgradeKind::Stateful, RestoreKind::LatestState, 200_000);
        assert!(!found.is_cut);
        assert_eq!(found.violation, None, "{budget:?}");
        assert!(found.states > 100);
    }
}
