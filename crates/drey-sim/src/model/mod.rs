//! Exhaustive search of a bounded world: one Deployment, a few edits, failures and crashes, in every order.
//!
//! ```text
//!  state = what is stored + what the controller has in memory + the world + what may still happen
//!  step  = look, decide, record | carry out one action | the world moves | time passes | an edit, a failure, a crash
//! ```
//!
//! The engine is the real one; what is around it is as small as it can be. Safety is checked on every step, and
//! settling on the whole graph: from every state there is a way to rest that needs no edit and no failure. What keeps
//! the graph small: time moves only when nothing else is due, two states whose times differ by little count as one, and
//! a decision on answers that are out of date counts as a failure, as does an answer that is lost.

mod check;
mod key;
pub mod state;
pub mod world;

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use drey_model::deployment::{RestoreKind, UpgradeKind};

pub use state::{Budget, State, Step};

/// What a search found.
#[derive(Debug)]
pub struct Found {
    /// States.
    pub states: usize,
    /// Transitions.
    pub transitions: usize,
    /// States at rest.
    pub settled: usize,
    /// Longest shortest way from the beginning.
    pub depth: u32,
    /// Whether the search ended before it had seen everything.
    pub is_cut: bool,
    /// What is wrong, with the steps that lead there.
    pub violation: Option<(String, Vec<Step>)>,
    /// Real time.
    pub took: Duration,
}

struct Node {
    parent: u32,
    step: Step,
    depth: u32,
    is_settled: bool,
}

/// Searches everything that can follow from a Deployment with these strategies.
#[must_use]
pub fn search(
    budget: Budget,
    upgrade: UpgradeKind,
    restore: RestoreKind,
    states_max: usize,
) -> Found {
    let began = Instant::now();
    let first = State::new(budget, upgrade, restore);
    let mut index: HashMap<u128, u32> = HashMap::from([(first.key(), 0)]);
    let mut nodes =
        vec![Node { parent: 0, step: Step::Look, depth: 0, is_settled: first.is_settled() }];
    let mut calm: Vec<(u32, u32)> = Vec::new();
    let mut queue = VecDeque::from([(0_u32, first)]);
    let mut transitions = 0;
    let mut violation = None;
    while let Some((at, state)) = queue.pop_front() {
        if violation.is_some() || nodes.len() >= states_max {
            break;
        }
        for step in state.steps() {
            transitions += 1;
            let next = state.after(step);
            if let Err(why) = check::step(&state, step, &next) {
                violation = Some((why, way(&nodes, at, Some(step))));
                break;
            }
            let number = nodes.len() as u32;
            let found = *index.entry(next.key()).or_insert(number);
            if step.is_calm() {
                calm.push((found, at));
            }
            if found == number {
                let depth = nodes[at as usize].depth + 1;
                nodes.push(Node { parent: at, step, depth, is_settled: next.is_settled() });
                queue.push_back((number, next));
            }
        }
    }
    let is_cut = violation.is_none() && !queue.is_empty();
    if violation.is_none() && !is_cut {
        violation = restless(&nodes, &mut calm)
            .map(|at| ("there is no way to rest from here".to_owned(), way(&nodes, at, None)));
    }
    Found {
        states: nodes.len(),
        transitions,
        settled: nodes.iter().filter(|n| n.is_settled).count(),
        depth: nodes.iter().map(|n| n.depth).max().unwrap_or(0),
        is_cut,
        violation,
        took: began.elapsed(),
    }
}

fn way(nodes: &[Node], mut at: u32, last: Option<Step>) -> Vec<Step> {
    let mut steps: Vec<Step> = last.into_iter().collect();
    while at != 0 {
        steps.push(nodes[at as usize].step);
        at = nodes[at as usize].parent;
    }
    steps.reverse();
    steps
}

/// The first state from which no calm steps lead to rest.
fn restless(nodes: &[Node], calm: &mut [(u32, u32)]) -> Option<u32> {
    calm.sort_unstable();
    let mut is_good: Vec<bool> = nodes.iter().map(|n| n.is_settled).collect();
    let mut left: Vec<u32> = (0..nodes.len() as u32).filter(|n| is_good[*n as usize]).collect();
    while let Some(at) = left.pop() {
        let from = calm.partition_point(|(to, _)| *to < at);
        for (_, before) in calm[from..].iter().take_while(|(to, _)| *to == at) {
            if !is_good[*before as usize] {
                is_good[*before as usize] = true;
                left.push(*before);
            }
        }
    }
    is_good.iter().position(|good| !good).map(|n| n as u32)
}

/// The way to a violation, step by step, with what was stored after each.
#[must_use]
pub fn tell(budget: Budget, upgrade: UpgradeKind, restore: RestoreKind, steps: &[Step]) -> String {
    let mut state = State::new(budget, upgrade, restore);
    let mut text = String::new();
    for step in steps {
        state = state.after(*step);
        text.push_str(&format!("{step:<28?} {}\n", state.summary()));
    }
    text
}
