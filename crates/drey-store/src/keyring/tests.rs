//! What is sealed can be read by whoever has the key, in its own place, and by nobody else.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use drey_model::Kind;
use drey_model::causes::causes;
use uuid::Uuid;

use super::*;

fn object(name: &str, sealed: Option<&Sealed>) -> Object {
    Object {
        kind: Kind::SecretValue,
        namespace: "default".to_owned(),
        name: name.to_owned(),
        id: Uuid::from_u128(7),
        owner: None,
        open: false,
        revision: 0,
        doc: "{}".to_owned(),
        facts: sealed.map(|sealed| serde_json::to_string(sealed).unwrap()),
        deleted: false,
    }
}

fn stored(keys: &Keyring, name: &str, value: &str) -> Object {
    let sealed = keys.seal(&SecretString::from(value), &object(name, None)).unwrap();
    object(name, Some(&sealed))
}

fn opened(keys: &Keyring, object: &Object) -> Result<String, OpenError> {
    keys.open(object).map(|value| value.expose_secret().to_owned())
}

fn key_file(dir: &tempfile::TempDir, text: &str) -> PathBuf {
    let path = dir.path().join("keys");
    fs::write(&path, text).unwrap();
    path
}

#[test]
fn a_sealed_value_shows_nothing_and_opens_again() {
    let keys = Keyring::random().unwrap();
    let row = stored(&keys, "pw", "hunter2 ü");
    let facts = row.facts.clone().unwrap();
    assert!(!facts.contains("hunter2") && !facts.contains(&BASE64.encode("hunter2")), "{facts}");
    assert_eq!(opened(&keys, &row).unwrap(), "hunter2 ü");
    assert_ne!(stored(&keys, "pw", "hunter2 ü").facts, row.facts, "each has a nonce of its own");
    assert!(!format!("{keys:?}").contains("hunter"));
}

#[test]
fn a_value_in_another_place_or_with_a_changed_bit_is_damaged_and_never_empty() {
    let keys = Keyring::random().unwrap();
    let row = stored(&keys, "pw", "hunter2");
    let elsewhere = [
        Object { name: "other".to_owned(), ..row.clone() },
        Object { namespace: "other".to_owned(), ..row.clone() },
        Object { id: Uuid::from_u128(8), ..row.clone() },
        Object { facts: Some("{}".to_owned()), ..row.clone() },
        Object {
            facts: row.facts.clone().map(|f| f.replace("\"data\":\"", "\"data\":\"AA==")),
            ..row.clone()
        },
    ];
    for row in elsewhere {
        assert_eq!(opened(&keys, &row), Err(OpenError::Damaged), "{row:?}");
    }
    assert_eq!(opened(&keys, &object("pw", None)), Err(OpenError::Nothing));
    let flipped = {
        let mut sealed = super::sealed(&row).unwrap();
        let mut data = BASE64.decode(&sealed.data).unwrap();
        data[0] ^= 1;
        sealed.data = BASE64.encode(data);
        object("pw", Some(&sealed))
    };
    assert_eq!(opened(&keys, &flipped), Err(OpenError::Damaged));
}

#[test]
fn a_lost_key_is_named() {
    let (old, new) = (Keyring::random().unwrap(), Keyring::random().unwrap());
    let row = stored(&old, "pw", "hunter2");
    let missing = opened(&new, &row).unwrap_err();
    assert!(missing.to_string().contains(&old.keys[0].id), "{missing}");
    assert_eq!(new.can_open(&row), Err(missing));
    assert!(old.can_open(&row).is_ok());
}

#[test]
fn a_data_folder_gets_one_private_key_and_keeps_it() {
    let dir = tempfile::tempdir().unwrap();
    let first = Keyring::of_folder(dir.path()).unwrap();
    let path = dir.path().join(KEY_FILE);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let row = stored(&first, "pw", "hunter2");
    let second = Keyring::of_folder(dir.path()).unwrap();
    assert_eq!(opened(&second, &row).unwrap(), "hunter2");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing else is left");
}

#[test]
fn a_new_first_key_seals_and_the_old_one_still_opens() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = ("11".repeat(KEY_BYTES), BASE64.encode([0x22; KEY_BYTES]));
    let before = Keyring::read(&key_file(&dir, &format!("{old}\n"))).unwrap();
    let row = stored(&before, "pw", "hunter2");
    let both = Keyring::read(&key_file(&dir, &format!("# new\n{new}\n\n{old}\n"))).unwrap();
    assert_eq!(opened(&both, &row).unwrap(), "hunter2");
    assert!(!both.is_current(&row) && before.is_current(&row));
    let anew = stored(&both, "pw", "hunter2");
    let after = Keyring::read(&key_file(&dir, &new)).unwrap();
    assert_eq!(opened(&after, &anew).unwrap(), "hunter2");
    assert!(both.is_current(&anew) && opened(&after, &row).is_err());
}

#[test]
fn a_file_without_keys_is_refused_and_not_repeated() {
    let dir = tempfile::tempdir().unwrap();
    for (text, says) in [
        ("", "holds no key"),
        ("# nothing\n", "holds no key"),
        ("aGk=\n", "line 1"),
        ("# x\n\nnot-a-key!\n", "line 3"),
        (&"1".repeat(63), "line 1"),
    ] {
        let error = causes(&Keyring::read(&key_file(&dir, text)).unwrap_err());
        assert!(error.contains(says) && !error.contains("not-a-key"), "{text}: {error}");
    }
    let absent = Keyring::read(&dir.path().join("absent")).unwrap_err();
    assert!(matches!(absent, FileError::Read { .. }), "{absent}");
}
