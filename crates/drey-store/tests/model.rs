//! Random writes, against a map that does the same in the plainest way.

// Helpers of tests are tests, which clippy cannot see.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;

use drey_model::Kind;
use drey_store::{Error, Filter, Object, Store, Write};
use proptest::collection::vec;
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_oneof};
use uuid::Uuid;

/// Ids are small numbers, so that writes meet. 0 to 2 are Deployments; the others belong to Deployment `n % 3`.
#[derive(Debug, Clone)]
enum Step {
    Create {
        n: u128,
        name: u8,
        open: bool,
    },
    Update {
        n: u128,
        stale: bool,
        open: bool,
    },
    Delete {
        n: u128,
        stale: bool,
    },
    Guard {
        n: u128,
        stale: bool,
    },
    /// Who takes: having read the ledger so many steps of it ago, or not at all.
    Ledger {
        ago: Option<i64>,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let stale = prop_oneof![9 => Just(false), 1 => Just(true)];
    prop_oneof![
        4 => (0..12_u128, 0..6_u8, any::<bool>()).prop_map(|(n, name, open)| Step::Create { n, name, open }),
        3 => (0..12_u128, stale.clone(), any::<bool>()).prop_map(|(n, stale, open)| Step::Update { n, stale, open }),
        2 => (0..12_u128, stale.clone()).prop_map(|(n, stale)| Step::Delete { n, stale }),
        1 => (0..12_u128, stale).prop_map(|(n, stale)| Step::Guard { n, stale }),
        1 => proptest::option::of(0..2_i64).prop_map(|ago| Step::Ledger { ago }),
    ]
}

fn kind(n: u128) -> Kind {
    match n {
        0..=2 => Kind::Deployment,
        3..=6 => Kind::Job,
        7..=9 => Kind::Savepoint,
        _ => Kind::Event,
    }
}

/// The plain model: rows by id with the number of their creation, traces included.
#[derive(Debug, Clone, Default)]
struct Model {
    rows: BTreeMap<Uuid, (i64, Object)>,
    revision: i64,
    ledger: i64,
}

impl Model {
    /// What the step means now. Ids of the deleted are not used again, so a creation takes the first free one.
    fn write(&self, step: &Step) -> Write {
        let revision = |n: u128, stale: bool| match self.rows.get(&Uuid::from_u128(n)) {
            Some((_, row)) if !stale => row.revision,
            _ => -1,
        };
        let id = |n: u128| Uuid::from_u128(n);
        match *step {
            Step::Create { n, name, open } => Write::Create(object(n, name, open)),
            Step::Update { n, stale, open } => {
                Write::Update(object(n, 0, open), revision(n, stale))
            }
            Step::Delete { n, stale } => {
                Write::Delete { kind: kind(n), id: id(n), revision: revision(n, stale) }
            }
            Step::Guard { n, stale } => {
                Write::Guard { kind: kind(n), id: id(n), revision: revision(n, stale) }
            }
            Step::Ledger { ago } => Write::Ledger { read: ago.map(|ago| self.ledger - ago) },
        }
    }

    fn live(&self, kind: Kind, id: Uuid, revision: i64) -> bool {
        let row = self.rows.get(&id).map(|(_, row)| row);
        row.is_some_and(|row| row.kind == kind && !row.deleted && row.revision == revision)
    }

    /// The model after these writes, or `None` when they must fail.
    fn apply(&self, writes: &[Write]) -> Option<Self> {
        let mut after = self.clone();
        let mut doomed = Vec::new();
        for write in writes {
            match write {
                Write::Create(object) => {
                    let taken = after.rows.values().any(|(_, row)| {
                        row.id == object.id
                            || (!row.deleted && row.kind == object.kind && row.name == object.name)
                    });
                    if taken {
                        return None;
                    }
                    after.revision += 1;
                    let row = Object { revision: after.revision, ..object.clone() };
                    after.rows.insert(object.id, (after.revision, row));
                }
                Write::Update(object, read) => {
                    if !after.live(object.kind, object.id, *read) {
                        return None;
                    }
                    after.revision += 1;
                    let (_, row) = after.rows.get_mut(&object.id)?;
                    let name = row.name.clone();
                    *row = Object { revision: after.revision, name, ..object.clone() };
                }
                Write::Delete { kind, id, revision } => {
                    if !after.live(*kind, *id, *revision) {
                        return None;
                    }
                    after.revision += 1;
                    after.bury(*id, after.revision);
                    doomed.push(*id);
                    // Owned rows disappear at once, and get their numbers when the batch is through.
                    after.bury_owned(*id);
                }
                Write::Guard { kind, id, revision } => {
                    if !after.live(*kind, *id, *revision) {
                        return None;
                    }
                }
                Write::Ledger { read } => {
                    if read.is_some_and(|read| read != after.ledger) {
                        return None;
                    }
                    after.ledger += 1;
                }
                Write::Fence { .. } => return None,
            }
        }
        after.number_owned(&doomed);
        Some(after)
    }

    fn bury(&mut self, id: Uuid, revision: i64) {
        match self.rows.get_mut(&id) {
            Some((_, row)) if row.kind == Kind::Event => drop(self.rows.remove(&id)),
            Some((_, row)) => {
                *row = Object { deleted: true, open: false, facts: None, revision, ..row.clone() };
            }
            None => {}
        }
    }

    fn bury_owned(&mut self, owner: Uuid) {
        let owned = self.rows.values().filter(|(_, row)| row.owner == Some(owner) && !row.deleted);
        for id in owned.map(|(_, row)| row.id).collect::<Vec<_>>() {
            self.bury(id, 0);
        }
    }

    fn number_owned(&mut self, doomed: &[Uuid]) {
        for owner in doomed {
            let mut owned: Vec<_> = self
                .rows
                .values_mut()
                .filter(|(_, row)| row.owner == Some(*owner) && row.revision == 0)
                .collect();
            owned.sort_by_key(|(created, _)| *created);
            for (_, row) in owned {
                self.revision += 1;
                row.revision = self.revision;
            }
        }
    }
}

fn object(n: u128, name: u8, open: bool) -> Object {
    Object {
        kind: kind(n),
        namespace: "default".to_owned(),
        name: format!("{name}"),
        id: Uuid::from_u128(n),
        owner: (n > 2).then(|| Uuid::from_u128(n % 3)),
        open,
        revision: 0,
        doc: format!("{{\"n\":{n}}}"),
        facts: open.then(|| "{}".to_owned()),
        deleted: false,
    }
}

async fn check(commits: Vec<Vec<Step>>) {
    let store = Store::in_memory().await.unwrap();
    let mut model = Model::default();
    for steps in commits {
        let writes: Vec<Write> = steps.iter().map(|step| model.write(step)).collect();
        match (store.commit(&writes).await, model.apply(&writes)) {
            (Ok(revision), Some(after)) => {
                assert_eq!(revision, after.revision, "{writes:?}");
                model = after;
            }
            (Err(Error::Conflict { .. } | Error::Outdated | Error::Taken { .. }), None) => {}
            (result, after) => panic!("{writes:?}: the store says {result:?}, the model {after:?}"),
        }
        compare(&store, &model).await;
    }
}

async fn compare(store: &Store, model: &Model) {
    let mut changes: Vec<Object> = model.rows.values().map(|(_, row)| row.clone()).collect();
    changes.sort_by_key(|row| row.revision);
    assert_eq!(store.changes(0, 1000).await.unwrap(), changes);
    assert_eq!(store.ledger().await.unwrap(), model.ledger);
    for kind in [Kind::Deployment, Kind::Job, Kind::Savepoint, Kind::Event] {
        let mut rows: Vec<_> =
            model.rows.values().filter(|(_, row)| row.kind == kind && !row.deleted).collect();
        rows.sort_by_key(|(created, _)| -created);
        let wanted: Vec<Object> = rows.into_iter().map(|(_, row)| row.clone()).collect();
        assert_eq!(store.list(kind, &Filter::default()).await.unwrap(), wanted);
    }
    for n in 0..3 {
        let id = Uuid::from_u128(n);
        let mut open: Vec<_> =
            model.rows.values().filter(|(_, row)| row.owner == Some(id) && row.open).collect();
        open.retain(|(_, row)| row.kind != Kind::Event);
        open.sort_by_key(|(created, _)| -created);
        let found = store.deployment(id).await.unwrap();
        let row = model.rows.get(&id).map(|(_, row)| row.clone()).filter(|row| !row.deleted);
        let wanted = row.map(|row| (row, open.into_iter().map(|(_, row)| row.clone()).collect()));
        assert_eq!(found, wanted);
    }
}

proptest::proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn the_store_does_what_the_model_does(commits in vec(vec(step(), 1..5), 1..25)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(check(commits));
    }
}
