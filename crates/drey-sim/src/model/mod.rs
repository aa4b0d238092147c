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

use std::collections::HashMap;
use std::time::{Duration, Instant};

use drey_model::deployment::{RestoreKind, UpgradeKind};

pub use state::{Budget, State, Step};

/// What a search found.
#[derive(Debug)]
pub struct Found {
    /// States, whatever may still happen in them.
    pub states: usize,
    /// States with what may still happen; one that may do more stands for one that may do less.
    pub nodes: usize,
    /// Transitions.
    pub transitions: usize,
    /// States at rest.
    pub settled: usize,
    /// Whether the search ended before it had seen everything.
    pub is_cut: bool,
    /// What is wrong, with the steps that lead there.
    pub violation: Option<(String, Vec<Step>)>,
    /// Real time.
    pub took: Duration,
}

struct Node {
    parent: u32,
    /// Another node with the same key; 0: none.
    same: u32,
    step: Step,
    budget: Budget,
    is_settled: bool,
}

/// What is known of the graph.
struct Graph {
    /// The newest node of a key.
    index: HashMap<u128, u32>,
    nodes: Vec<Node>,
    /// Calm steps, target first.
    calm: Vec<(u32, u32)>,
}

impl Graph {
    /// The node for a state, and whether it is new. One that may still do more stands for one that may do less.
    fn place(&mut self, state: &State, parent: u32, step: Step) -> (u32, bool) {
        let number = self.nodes.len() as u32;
        let first = self.index.entry(state.key()).or_insert(number);
        let mut at = *first;
        while at != number {
            let node = &self.nodes[at as usize];
            if node.budget.covers(state.budget) {
                return (at, false);
            }
            if node.same == 0 {
                break;
            }
            at = node.same;
        }
        let same = if *first == number { 0 } else { *first };
        *first = number;
        let (budget, is_settled) = (state.budget, state.is_settled());
        self.nodes.push(Node { parent, same, step, budget, is_settled });
        (number, true)
    }
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
    let mut graph = Graph { index: HashMap::new(), nodes: Vec::new(), calm: Vec::new() };
    graph.place(&first, 0, Step::Look);
    // What may still do most comes first, so that it stands for the rest.
    let mut stacks: Vec<Vec<(u32, State)>> = vec![Vec::new(); budget.left() + 1];
    stacks[budget.left()].push((0, first));
    let mut transitions = 0;
    let mut violation = None;
    while let Some((at, state)) = stacks.iter_mut().rev().find_map(Vec::pop) {
        if violation.is_some() || graph.nodes.len() >= states_max {
            stacks[0].push((at, state));
            break;
        }
        for step in state.steps() {
            transitions += 1;
            let next = state.after(step);
            if let Err(why) = check::step(&state, step, &next) {
                violation = Some((why, way(&graph.nodes, at, Some(step))));
                break;
            }
            let (found, is_new) = graph.place(&next, at, step);
            if step.is_calm() {
                graph.calm.push((found, at));
            }
            if is_new {
                stacks[next.budget.left()].push((found, next));
            }
        }
    }
    let Graph { index, nodes, mut calm } = graph;
    let is_cut = violation.is_none() && stacks.iter().any(|s| !s.is_empty());
    if violation.is_none() && !is_cut {
        violation = restless(&nodes, &mut calm)
            .map(|at| ("there is no way to rest from here".to_owned(), way(&nodes, at, None)));
    }
    Found {
        states: index.len(),
        nodes: nodes.len(),
        transitions,
        settled: nodes.iter().filter(|n| n.is_settled).count(),
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
