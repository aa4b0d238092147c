//! What an operation takes and answers, as the documentation shows it.
//!
//! Schemas are named by type, the very types that the handlers read and write. What holds for every operation (401, 403,
//! 500, 503, the request id, path parameters) is not said here: the OpenAPI document derives it from the row.

use drey_model::List;
use schemars::{JsonSchema, Schema, SchemaGenerator};

/// What an operation takes and answers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Docs {
    /// More than the summary says; Markdown.
    pub(crate) note: &'static str,
    /// What stands behind the path's last parameter: `:verb`, as the platform writes actions.
    pub(crate) action: &'static str,
    /// Query parameters.
    pub(crate) query: Vec<Query>,
    /// Whether `If-Match` makes it conditional.
    pub(crate) is_conditional: bool,
    /// What is sent.
    pub(crate) body: Option<Body>,
    /// What comes back when it worked.
    pub(crate) answers: Vec<Answer>,
    /// Statuses of failures beyond those that every operation can have.
    pub(crate) errors: Vec<u16>,
}

/// What every write takes (`ops::Writer`).
const DRY_RUN: Query = Query::flag(
    "dryRun",
    "Answers as the change would be answered, refusals included, and changes nothing.",
);
/// How a dry run is confirmed; it has no `ETag`.
const REHEARSED: (&str, &str) =
    ("Drey-Dry-Run", "`true` when nothing was changed; only with `dryRun`.");

/// A warning of an answer that has no version.
const WARNED: (&str, &str) =
    ("Drey-Warning", "What was done and may not be what was wanted. One header each.");

/// A query parameter; none is required unless it says so.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Query {
    pub(crate) name: &'static str,
    pub(crate) of: QueryType,
    pub(crate) is_required: bool,
    pub(crate) about: &'static str,
}

/// What a query parameter holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum QueryType {
    Text,
    Uuid,
    Number,
    Flag,
}

/// What is sent.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Body {
    /// A whole document.
    Document(TypeOf),
    /// What to change of a document: RFC 7396, and `$patch` for arrays.
    MergePatch(TypeOf),
    /// A form with one file; the name of its part.
    File(&'static str),
}

/// One answer.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) about: &'static str,
    /// By media type.
    pub(crate) content: Vec<Content>,
    /// Whether it has an `ETag`.
    pub(crate) has_version: bool,
    /// Further headers with their meaning.
    pub(crate) headers: Vec<(&'static str, &'static str)>,
}

/// What an answer's body is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Content {
    /// JSON or YAML, as the client wants it.
    Document(TypeOf),
    /// Text of this media type.
    Text(&'static str),
    /// Server-sent events, each with data of this type.
    Events(TypeOf),
}

/// A type by its schema.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TypeOf(pub(crate) fn(&mut SchemaGenerator) -> Schema);

impl TypeOf {
    /// The schema of `T`.
    pub(crate) fn of<T: JsonSchema>() -> Self {
        Self(SchemaGenerator::subschema_for::<T>)
    }
}

impl Query {
    pub(crate) const fn text(name: &'static str, about: &'static str) -> Self {
        Self { name, of: QueryType::Text, is_required: false, about }
    }

    pub(crate) const fn uuid(name: &'static str, about: &'static str) -> Self {
        Self { name, of: QueryType::Uuid, is_required: false, about }
    }

    pub(crate) const fn number(name: &'static str, about: &'static str) -> Self {
        Self { name, of: QueryType::Number, is_required: false, about }
    }

    pub(crate) const fn flag(name: &'static str, about: &'static str) -> Self {
        Self { name, of: QueryType::Flag, is_required: false, about }
    }

    pub(crate) const fn required(self) -> Self {
        Self { is_required: true, ..self }
    }
}

impl Answer {
    fn document<T: JsonSchema>(status: u16, about: &'static str) -> Self {
        let content = vec![Content::Document(TypeOf::of::<T>())];
        Self { status, about, content, has_version: false, headers: Vec::new() }
    }

    fn versioned(self) -> Self {
        Self { has_version: true, ..self }
    }
}

impl Docs {
    /// 200 with a `T` that has no version.
    pub(crate) fn gives<T: JsonSchema>() -> Self {
        Self { answers: vec![Answer::document::<T>(200, "As asked for.")], ..Self::default() }
    }

    /// 200 with something that is no document.
    pub(crate) fn gives_other(content: Vec<Content>) -> Self {
        let about = "As asked for.";
        let answer =
            Answer { status: 200, about, content, has_version: false, headers: Vec::new() };
        Self { answers: vec![answer], ..Self::default() }
    }

    /// 302 to somewhere else.
    pub(crate) fn leads_on() -> Self {
        let about = "On the way; the Location header says where to.";
        let answer = Answer {
            status: 302,
            about,
            content: Vec::new(),
            has_version: false,
            headers: Vec::new(),
        };
        Self { answers: vec![answer], ..Self::default() }
    }

    /// Takes a `B`; answers this status with a `T`.
    pub(crate) fn takes<B: JsonSchema, T: JsonSchema>(status: u16, about: &'static str) -> Self {
        let answers = vec![Answer::document::<T>(status, about)];
        Self { body: Some(Body::Document(TypeOf::of::<B>())), answers, ..Self::default() }
    }

    /// `If-Match` is heeded, and the answer has an `ETag`.
    pub(crate) fn with_version(mut self) -> Self {
        for answer in &mut self.answers {
            answer.has_version = true;
        }
        self.conditional()
    }

    /// Whatever another server answers.
    pub(crate) fn passes_on() -> Self {
        Self::default()
    }

    /// 200 with a list of `T`.
    pub(crate) fn list<T: JsonSchema>() -> Self {
        let answer = Answer::document::<List<T>>(200, "All that match, newest first.");
        Self { answers: vec![answer], ..Self::default() }
    }

    /// 200 with one `T`, versioned.
    pub(crate) fn one<T: JsonSchema>() -> Self {
        let answer = Answer::document::<T>(200, "The object.").versioned();
        Self { answers: vec![answer], ..Self::default() }
    }

    /// 201 with what was made of a `T`.
    pub(crate) fn create<T: JsonSchema>() -> Self {
        let answer = Answer::document::<T>(201, "Created: the whole object.").versioned();
        let body = Some(Body::Document(TypeOf::of::<T>()));
        Self { body, answers: vec![answer], errors: vec![409], ..Self::default() }.writes()
    }

    /// 200 or 201 with the whole that a `T` was made into.
    pub(crate) fn put<T: JsonSchema>() -> Self {
        let replaced = Answer::document::<T>(200, "Replaced: the whole object.").versioned();
        let mut docs = Self::create::<T>().conditional();
        docs.answers.insert(0, Answer { headers: vec![REHEARSED], ..replaced });
        docs
    }

    /// 200 with the whole after a change.
    pub(crate) fn patch<T: JsonSchema>() -> Self {
        let answer = Answer::document::<T>(200, "Changed: the whole object.").versioned();
        let body = Some(Body::MergePatch(TypeOf::of::<T>()));
        Self { body, answers: vec![answer], errors: vec![409], ..Self::default() }
            .writes()
            .conditional()
    }

    /// 200 with what was deleted.
    pub(crate) fn delete<T: JsonSchema>() -> Self {
        let answer = Answer::document::<T>(200, "Deleted: the object as it was.");
        Self { answers: vec![answer], errors: vec![409], ..Self::default() }.writes().conditional()
    }

    /// Changes the store, by a `Writer`.
    pub(crate) fn writes(self) -> Self {
        self.query(&[DRY_RUN]).sends(&[REHEARSED])
    }

    /// `If-Match` is heeded.
    pub(crate) fn conditional(mut self) -> Self {
        self.is_conditional = true;
        self.errors.push(412);
        self
    }

    /// Takes a `B`, which has more members than what is answered.
    pub(crate) fn taking<B: JsonSchema>(mut self) -> Self {
        let of = TypeOf::of::<B>();
        self.body = self.body.map(|body| match body {
            Body::MergePatch(_) => Body::MergePatch(of),
            Body::Document(_) | Body::File(_) => Body::Document(of),
        });
        self
    }

    /// Takes this body.
    pub(crate) fn sending(mut self, body: Body) -> Self {
        self.body = Some(body);
        self
    }

    /// Takes query parameters.
    pub(crate) fn query(mut self, parameters: &[Query]) -> Self {
        self.query.extend_from_slice(parameters);
        self
    }

    /// Can fail in further ways.
    pub(crate) fn fails(mut self, statuses: &[u16]) -> Self {
        self.errors.extend_from_slice(statuses);
        self
    }

    /// Sends further headers when it worked.
    pub(crate) fn sends(mut self, headers: &[(&'static str, &'static str)]) -> Self {
        for answer in &mut self.answers {
            answer.headers.extend_from_slice(headers);
        }
        self
    }

    /// May warn although it has no version.
    pub(crate) fn warns(self) -> Self {
        self.sends(&[WARNED])
    }

    /// An action upon what the path names, behind its last parameter.
    pub(crate) fn action(mut self, action: &'static str) -> Self {
        self.action = action;
        self
    }

    /// More about it than the summary.
    pub(crate) fn note(mut self, note: &'static str) -> Self {
        self.note = note;
        self
    }
}
