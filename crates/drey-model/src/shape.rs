//! What documents look like, as tables, and the reading of a [`Document`] by such a table.
//!
//! Reading is tolerant of spelling and strict about meaning: member names, words and kinds match in any letter case
//! and come out in the canonical one; numbers may be texts and texts may be numbers; members that are not in the
//! table are dropped with a warning that names the nearest one (Q4, Q7, Q39, Q41). What has the wrong type is a
//! [`Problem`], all of them at once.
//!
//! An explicit null is kept: what it means depends on where the document goes ([`crate::merge`]). Elements of arrays
//! that carry `$patch` are kept too. Ranges, references and grammars inside texts are for [`crate::validate`].

mod read;
pub mod tables;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::document::{Document, Place};
use crate::problem::Problem;

/// What a part of a document has to look like.
#[derive(Debug)]
pub enum Shape {
    /// Named members, in any letter case.
    Object(&'static [Member]),
    /// Free keys, taken literally: `a.b` is one key (Q36).
    Map(&'static Shape),
    /// The members of an object whose names are also map keys, such as `resources`; all have one shape.
    Keys(&'static [&'static str], &'static Shape),
    /// Elements of one shape.
    List(&'static Shape),
    /// Text; numbers and booleans keep their literal form.
    Text,
    /// A whole number of 32 bits.
    Int,
    /// A number.
    Number,
    /// True or false.
    Flag,
    /// One of some words.
    Word(&'static Words),
    /// A UUID.
    Id,
    /// Anything, kept as it is.
    Opaque,
    /// Anything, dropped without a word: members that only the server writes.
    Ignored,
}

/// One member of an object.
#[derive(Debug)]
pub struct Member {
    /// The canonical name.
    pub name: &'static str,
    /// What it looks like.
    pub shape: Shape,
}

/// A closed set of words.
#[derive(Debug)]
pub struct Words {
    /// The words, in canonical spelling.
    pub words: &'static [&'static str],
    /// Other spellings, each with its word.
    pub aliases: &'static [(&'static str, &'static str)],
    /// What people write when they mean one of them, and what to tell them.
    pub hints: &'static [(&'static str, &'static str)],
}

/// A document read by a shape.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Normalised {
    /// Canonical members; what had the wrong type is left out.
    pub value: Value,
    /// What is wrong.
    pub problems: Vec<Problem>,
    /// What was dropped.
    pub warnings: Vec<Problem>,
    /// Where each member was written; empty when the text has only one line.
    pub places: BTreeMap<String, Place>,
}

impl Shape {
    /// The shape of a member, by its canonical name or key.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Object(members) => members.iter().find(|m| m.name == name).map(|m| &m.shape),
            Self::Keys(_, shape) | Self::Map(shape) => Some(shape),
            _ => None,
        }
    }
}

/// Reads a document; `noun` is what the whole of it is called in messages, for example `Deployment`.
#[must_use]
pub fn normalise(document: &Document, shape: &Shape, noun: &str) -> Normalised {
    read::read(document, shape, noun, false)
}

/// The same for a document that nobody else reads, such as a settings file: unknown members are problems.
#[must_use]
pub fn normalise_strictly(document: &Document, shape: &Shape, noun: &str) -> Normalised {
    read::read(document, shape, noun, true)
}

/// Adds the place in the text to each problem that has one: `… (12:19)`.
pub fn point(problems: &mut [Problem], places: &BTreeMap<String, Place>) {
    for problem in problems {
        if let Some(place) = places.get(&problem.path) {
            problem.message = format!("{} ({place})", problem.message);
        }
    }
}

#[cfg(test)]
#[path = "shape/tests.rs"]
mod tests;
