//! Secret values as the launch of a job needs them, and their keys: what is looked up, and what is sealed anew.

use drey_cluster::secrets::{Unresolved, Values};
use drey_model::Kind;
use drey_model::causes::causes;
use drey_store::{Filter, Keyring, Store, Write};

/// The values of these secrets of a namespace.
///
/// # Errors
/// Names that do not exist or cannot be read, or a store that does not answer.
pub async fn look_up(
    store: &Store,
    keyring: &Keyring,
    namespace: &str,
    names: Vec<String>,
) -> Result<Values, Unresolved> {
    let mut values = Values::new();
    let mut missing = Vec::new();
    for name in names {
        let found = store.get(Kind::SecretValue, namespace, &name).await;
        let found = found.map_err(|error| Unresolved::Unavailable(causes(&error)))?;
        let opened = match found {
            None => Err(format!(
                "does not exist in namespace '{namespace}'; create it, or write $${{{name}}} if the text ${{{name}}} is \
                 meant"
            )),
            Some(object) => keyring.open(&object).map_err(|why| format!("cannot be read: {why}")),
        };
        match opened {
            Ok(value) => {
                values.insert(name, value);
            }
            Err(why) => missing.push((name, why)),
        }
    }
    if missing.is_empty() { Ok(values) } else { Err(Unresolved::Names(missing)) }
}

/// What became of the stored values at a start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resealed {
    /// Sealed anew with the first key.
    pub count: usize,
    /// `namespace/name` of those that no key here opens.
    pub unreadable: Vec<String>,
}

/// Seals every value with the first key, so that older keys can be taken out of the key file. What is changed meanwhile
/// is left alone: it has just been sealed.
///
/// # Errors
/// The store cannot be read or written.
pub async fn reseal(store: &Store, keyring: &Keyring) -> Result<Resealed, drey_store::Error> {
    let mut done = Resealed::default();
    for mut object in store.list(Kind::SecretValue, &Filter::default()).await? {
        if keyring.is_current(&object) {
            continue;
        }
        let Ok(value) = keyring.open(&object) else {
            done.unreadable.push(format!("{}/{}", object.namespace, object.name));
            continue;
        };
        let Ok(sealed) = keyring.seal(&value, &object) else { continue };
        object.encode_facts(&sealed)?;
        let revision = object.revision;
        match store.commit(&[Write::Update(object, revision)]).await {
            Ok(_) => done.count += 1,
            Err(drey_store::Error::Conflict { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use drey_store::Object;
    use secrecy::ExposeSecret;
    use uuid::Uuid;

    use super::*;

    fn row(name: &str, value: &str, keyring: &Keyring) -> Object {
        let mut object = Object {
            kind: Kind::SecretValue,
            namespace: "default".to_owned(),
            name: name.to_owned(),
            id: Uuid::now_v7(),
            owner: None,
            open: false,
            revision: 0,
            doc: "{}".to_owned(),
            facts: None,
            deleted: false,
        };
        object.encode_facts(&keyring.seal(&value.into(), &object).unwrap()).unwrap();
        object
    }

    fn keyring(keys: &[&str]) -> Keyring {
        let path = std::env::temp_dir().join(format!("drey-keys-{}", Uuid::now_v7()));
        let lines: Vec<String> = keys.iter().map(|key| key.repeat(32)).collect();
        std::fs::write(&path, lines.join("\n")).unwrap();
        let keyring = Keyring::read(&path).unwrap();
        std::fs::remove_file(path).unwrap();
        keyring
    }

    #[tokio::test]
    async fn what_is_missing_or_unreadable_is_told_by_name() {
        let store = Store::in_memory().await.unwrap();
        let (ours, theirs) = (keyring(&["11"]), keyring(&["22"]));
        let rows = [row("a", "va", &ours), row("lost", "vl", &theirs)];
        store.commit(&rows.map(Write::Create)).await.unwrap();
        let of = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let found = look_up(&store, &ours, "default", of(&["a"])).await.unwrap();
        assert_eq!(found["a"].expose_secret(), "va");
        let missing = look_up(&store, &ours, "default", of(&["a", "gone", "lost"])).await;
        let Err(Unresolved::Names(missing)) = missing else { panic!("{missing:?}") };
        assert_eq!(missing.len(), 2);
        assert!(missing[0].1.contains("does not exist"), "{missing:?}");
        assert!(missing[1].1.contains("key file"), "{missing:?}");
        store.close().await;
        let broken = look_up(&store, &ours, "default", of(&["a"])).await;
        assert!(matches!(broken, Err(Unresolved::Unavailable(_))), "{broken:?}");
    }

    #[tokio::test]
    async fn a_new_first_key_takes_over_and_a_lost_one_is_told() {
        let store = Store::in_memory().await.unwrap();
        let (old, lost) = (keyring(&["11"]), keyring(&["33"]));
        let rows = [row("a", "va", &old), row("b", "vb", &lost)];
        store.commit(&rows.map(Write::Create)).await.unwrap();
        let expected = Resealed { count: 1, unreadable: vec!["default/b".to_owned()] };
        assert_eq!(reseal(&store, &keyring(&["22", "11"])).await.unwrap(), expected);
        let after = keyring(&["22"]);
        let found = look_up(&store, &after, "default", vec!["a".to_owned()]).await.unwrap();
        assert_eq!(found["a"].expose_secret(), "va");
        assert_eq!(reseal(&store, &after).await.unwrap().count, 0);
    }
}
