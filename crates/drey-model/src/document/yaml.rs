//! YAML events to trees.
//!
//! The parser delivers events; a stack of open maps and lists turns them into nodes, so nothing recurses. An alias
//! copies the node it names; each copy is paid for from the [`Budget`] first. `<<` takes over the members of another
//! map, as other YAML readers of this field do, though version 1.2 no longer has it.

use std::collections::{HashMap, HashSet};

use granit_parser::{Event, Marker, Parser, ScalarStyle, Tag};

use super::node::{Content, Node, Place, Scalar};
use super::{Budget, DEPTH_MAX, DOCUMENTS_MAX, KEY_BYTES_MAX, Unreadable};

/// Reads the roots of all documents that are not empty.
pub(super) fn read(text: &str) -> Result<Vec<Node>, Unreadable> {
    let mut composer = Composer::default();
    let mut documents = 0;
    for next in Parser::new_from_str(text) {
        let (event, span) = next.map_err(|e| Unreadable::new(place(e.marker()), e.info()))?;
        let at = place(&span.start);
        if matches!(event, Event::DocumentStart(..)) {
            documents += 1;
            if documents > DOCUMENTS_MAX {
                return Err(Unreadable::new(at, format!("more than {DOCUMENTS_MAX} documents")));
            }
        }
        composer.take(event, at)?;
    }
    Ok(composer.roots)
}

fn place(marker: &Marker) -> Place {
    Place { line: marker.line().max(1), column: marker.col() + 1 }
}

/// A node with what a copy of it costs.
#[derive(Clone)]
struct Anchored {
    node: Node,
    cost: Cost,
}

#[derive(Clone, Copy, Default)]
struct Cost {
    nodes: usize,
    bytes: usize,
    height: usize,
}

/// A map or list that has begun and not ended.
struct Open {
    place: Place,
    anchor: usize,
    cost: Cost,
    body: Body,
}

enum Body {
    List(Vec<Node>),
    Map { members: Vec<(String, Node)>, keys: HashSet<String>, key: Option<Key>, merged: Vec<Node> },
}

/// A key whose value has not come yet.
struct Key {
    name: String,
    place: Place,
    is_merge: bool,
}

#[derive(Default)]
struct Composer {
    roots: Vec<Node>,
    open: Vec<Open>,
    anchors: HashMap<usize, Anchored>,
    budget: Budget,
}

impl Composer {
    fn take(&mut self, event: Event<'_>, at: Place) -> Result<(), Unreadable> {
        match event {
            Event::DocumentStart(..) => self.anchors.clear(),
            Event::Scalar(text, style, anchor, tag) => {
                let is_plain = is_plain(style, tag.as_deref(), at)?;
                self.budget.spend(1, text.len(), at)?;
                let cost = Cost { nodes: 1, bytes: text.len(), height: 0 };
                let content = Content::Scalar(Scalar { text: text.into_owned(), is_plain });
                self.place_node(Node { place: at, content }, cost, anchor)?;
            }
            Event::SequenceStart(_, anchor, tag) => {
                collection_tag(tag.as_deref(), "seq", at)?;
                self.begin(at, anchor, Body::List(Vec::new()))?;
            }
            Event::MappingStart(_, anchor, tag) => {
                collection_tag(tag.as_deref(), "map", at)?;
                let body = Body::Map {
                    members: Vec::new(),
                    keys: HashSet::new(),
                    key: None,
                    merged: Vec::new(),
                };
                self.begin(at, anchor, body)?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.end()?,
            Event::Alias(id) => self.copy(id, at)?,
            _ => {}
        }
        Ok(())
    }

    fn begin(&mut self, at: Place, anchor: usize, body: Body) -> Result<(), Unreadable> {
        if self.open.len() >= DEPTH_MAX {
            return Err(Unreadable::too_deep(at));
        }
        self.budget.spend(1, 0, at)?;
        self.open.push(Open {
            place: at,
            anchor,
            cost: Cost { nodes: 1, bytes: 0, height: 0 },
            body,
        });
        Ok(())
    }

    fn end(&mut self) -> Result<(), Unreadable> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        let mut cost = open.cost;
        cost.height += 1;
        let content = match open.body {
            Body::List(items) => Content::List(items),
            Body::Map { mut members, mut keys, merged, .. } => {
                for source in merged {
                    take_over(source, &mut members, &mut keys)?;
                }
                Content::Map(members)
            }
        };
        self.place_node(Node { place: open.place, content }, cost, open.anchor)
    }

    fn copy(&mut self, id: usize, at: Place) -> Result<(), Unreadable> {
        let Some(anchored) = self.anchors.get(&id) else {
            return Err(Unreadable::new(at, "an alias refers to a value that contains it"));
        };
        let cost = anchored.cost;
        if self.open.len() + cost.height > DEPTH_MAX {
            return Err(Unreadable::too_deep(at));
        }
        self.budget.spend(cost.nodes, cost.bytes, at)?;
        let node = anchored.node.clone();
        self.place_node(node, cost, 0)
    }

    /// Puts a finished node where it belongs: a key, a value, an element or the root.
    fn place_node(&mut self, node: Node, cost: Cost, anchor: usize) -> Result<(), Unreadable> {
        if anchor != 0 {
            // The stored copy is paid for like any other.
            self.budget.spend(cost.nodes, cost.bytes, node.place)?;
            self.anchors.insert(anchor, Anchored { node: node.clone(), cost });
        }
        let Some(open) = self.open.last_mut() else {
            if !node.is_null() {
                self.roots.push(node);
            }
            return Ok(());
        };
        open.cost.nodes += cost.nodes;
        open.cost.bytes += cost.bytes;
        open.cost.height = open.cost.height.max(cost.height);
        match &mut open.body {
            Body::List(items) => items.push(node),
            Body::Map { members, keys, key, merged } => match key.take() {
                None => *key = Some(as_key(node)?),
                Some(Key { place, is_merge: true, .. }) => merged.push(Node { place, ..node }),
                Some(Key { name, place, .. }) => {
                    if !keys.insert(name.clone()) {
                        let why = format!("the member {name:?} is given twice");
                        return Err(Unreadable::new(place, why));
                    }
                    members.push((name, Node { place, ..node }));
                }
            },
        }
        Ok(())
    }
}

/// The key that takes over members of another map.
const MERGE: &str = "<<";

/// Adds the members of `source` that are not there yet.
fn take_over(
    source: Node,
    members: &mut Vec<(String, Node)>,
    keys: &mut HashSet<String>,
) -> Result<(), Unreadable> {
    let place = source.place;
    let maps = match source.content {
        Content::Map(map) => vec![map],
        Content::List(items) => {
            let maps = items.into_iter().map(|item| match item.content {
                Content::Map(map) => Ok(map),
                Content::Scalar(_) | Content::List(_) => Err(not_a_map(place)),
            });
            maps.collect::<Result<_, _>>()?
        }
        Content::Scalar(_) => return Err(not_a_map(place)),
    };
    for (key, node) in maps.into_iter().flatten() {
        if keys.insert(key.clone()) {
            members.push((key, node));
        }
    }
    Ok(())
}

fn not_a_map(place: Place) -> Unreadable {
    Unreadable::new(place, "`<<` takes a map or a list of maps")
}

fn as_key(node: Node) -> Result<Key, Unreadable> {
    match node.content {
        Content::Scalar(Scalar { text, .. }) if text.len() > KEY_BYTES_MAX => {
            Err(Unreadable::long_key(node.place))
        }
        Content::Scalar(Scalar { text, is_plain }) => {
            Ok(Key { is_merge: is_plain && text == MERGE, name: text, place: node.place })
        }
        Content::Map(_) | Content::List(_) => {
            Err(Unreadable::new(node.place, "a map or a list cannot be a key"))
        }
    }
}

/// Whether a scalar may be a number, boolean or null.
fn is_plain(style: ScalarStyle, tag: Option<&Tag>, at: Place) -> Result<bool, Unreadable> {
    let Some(tag) = tag else { return Ok(style == ScalarStyle::Plain) };
    match tag.core_suffix() {
        Some("str") => Ok(false),
        Some("int" | "float" | "bool" | "null") => Ok(true),
        _ if tag.handle().is_empty() && tag.suffix() == "!" => Ok(false),
        _ => Err(unknown_tag(tag, at)),
    }
}

fn collection_tag(tag: Option<&Tag>, expected: &str, at: Place) -> Result<(), Unreadable> {
    match tag {
        Some(tag) if tag.core_suffix() != Some(expected) => Err(unknown_tag(tag, at)),
        _ => Ok(()),
    }
}

fn unknown_tag(tag: &Tag, at: Place) -> Unreadable {
    Unreadable::new(
        at,
        format!("the tag {} is not known here", super::node::quoted(&tag.original())),
    )
}
