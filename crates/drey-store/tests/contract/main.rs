//! What every database behind the store must do. Each claim is a function over a [`Store`]; the macro at the end runs
//! it on each database that we support.

// Helpers of tests are tests, which clippy cannot see.
#![allow(clippy::unwrap_used, clippy::panic)]

mod access;
mod reads;
mod writes;

use drey_model::Kind;
use drey_store::{Object, Write};
use uuid::Uuid;

fn new(kind: Kind, name: &str) -> Object {
    let id = Uuid::now_v7();
    let name = if name.is_empty() { id.to_string() } else { name.to_owned() };
    Object {
        kind,
        namespace: "default".to_owned(),
        name,
        id,
        owner: None,
        open: false,
        revision: 0,
        doc: "{}".to_owned(),
        facts: None,
        deleted: false,
    }
}

fn child(kind: Kind, owner: &Object, open: bool) -> Object {
    Object { owner: Some(owner.id), open, ..new(kind, "") }
}

fn create(object: &Object) -> Write {
    Write::Create(object.clone())
}

fn delete(object: &Object, revision: i64) -> Write {
    Write::Delete { kind: object.kind, id: object.id, revision }
}

fn names(objects: &[Object]) -> Vec<&str> {
    objects.iter().map(|object| object.name.as_str()).collect()
}

/// Runs each claim in memory and in a file.
macro_rules! contract {
    ($($file:ident::$claim:ident),* $(,)?) => {
        mod in_memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $claim() {
                super::$file::$claim(drey_store::Store::in_memory().await.unwrap()).await;
            })*
        }
        mod sqlite_file {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $claim() {
                let folder = tempfile::tempdir().unwrap();
                super::$file::$claim(drey_store::Store::open(&folder.path().join("drey.db")).await.unwrap()).await;
            })*
        }
    };
}

contract!(
    access::nothing_new_is_created_in_a_namespace_that_is_not_active,
    access::a_namespace_goes_when_it_is_empty_and_not_before,
    access::a_write_of_a_namespace_needs_the_version_that_was_read,
    access::tokens_are_found_by_id_and_by_name_until_they_are_deleted,
    access::a_session_ends_by_its_clock_or_by_its_user,
    access::an_audit_entry_is_settled_once_and_pages_end_where_the_next_begins,
    writes::a_created_object_is_found_every_way,
    writes::an_update_needs_the_revision_that_was_read,
    writes::a_name_is_taken_per_kind_and_namespace,
    writes::nothing_is_written_when_a_part_fails,
    writes::a_rehearsal_fails_like_the_real_thing_and_changes_nothing,
    writes::of_two_who_added_up_the_same_only_the_first_takes,
    writes::of_many_at_once_who_added_up_the_same_one_takes,
    writes::each_row_of_a_commit_has_its_own_number,
    writes::a_lease_changes_hands_and_fences_the_late,
    writes::a_deletion_takes_along_what_is_owned,
    reads::purging_forgets_and_says_so,
    reads::lists_are_newest_first_whatever_is_written_later,
    reads::a_deployment_comes_with_its_open_children,
    reads::trimming_keeps_the_newest_events,
    reads::a_damaged_document_names_its_object,
    reads::a_watch_never_skips,
);
