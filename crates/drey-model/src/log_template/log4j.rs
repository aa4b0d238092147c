//! What Log4j makes of the elements of a configuration, where it would otherwise log nothing and hardly say why.
//!
//! Log4j 2 looks for a plugin with the name of each element. Only with `strict="true"` at the root does it look for the
//! name in the attribute `type` instead; without it, `<Appender type="File">` is no appender at all, and whoever refers
//! to it refers to nothing. Names of elements and attributes may have any case.
//!
//! Owns these three mistakes. Does not own XML, nor which plugins there are and what they take.

use super::Fault;

/// The root element that Log4j documents.
const ROOT: &str = "Configuration";
/// Elements that name no plugin by themselves.
const GENERIC: [&str; 3] = ["Appender", "Layout", "Filter"];
/// What refers to an appender.
const REFERENCES: [&str; 2] = ["AppenderRef", "appender-ref"];

/// One opening tag.
#[derive(Debug, Clone, Copy)]
pub(super) struct Element<'a> {
    /// Its line, from 1.
    pub(super) line: usize,
    /// What stands between `<` and `>`.
    pub(super) tag: &'a str,
    /// How many elements it stands in.
    pub(super) depth: usize,
}

impl<'a> Element<'a> {
    fn name(&self) -> &'a str {
        super::element_name(self.tag)
    }

    fn is(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.name().eq_ignore_ascii_case(name))
    }

    /// The value of an attribute.
    fn attribute(&self, wanted: &str) -> Option<&'a str> {
        let mut rest = &self.tag[self.name().len()..];
        loop {
            let (name, after) = rest.split_once('=')?;
            let after = after.trim_start();
            let quote = after.chars().next().filter(|c| matches!(c, '"' | '\''))?;
            let (value, next) = after[1..].split_once(quote)?;
            if name.trim().eq_ignore_ascii_case(wanted) {
                return Some(value);
            }
            rest = next;
        }
    }
}

/// Looks at the elements of a document, in its order.
pub(super) fn check(elements: &[Element<'_>]) -> Result<(), Fault> {
    let Some(root) = elements.first() else { return Ok(()) };
    let fault = |line: usize, why: String| Err(Fault { line, why });
    if !root.is(&[ROOT]) {
        return fault(root.line, format!("The root element is <{}>, not <{ROOT}>.", root.name()));
    }
    let is_strict = root.attribute("strict").is_some_and(|v| v.eq_ignore_ascii_case("true"));
    for element in elements.iter().filter(|e| e.is(&GENERIC)) {
        let name = element.name();
        match element.attribute("type") {
            Some(kind) if !is_strict => {
                return fault(
                    element.line,
                    format!(
                        "Log4j understands <{name} type=\"{kind}\"> only in <{ROOT} strict=\"true\">. Without it, it would \
                         log nothing. Add strict=\"true\" to the root element, or write <{kind}>."
                    ),
                );
            }
            None => {
                return fault(
                    element.line,
                    format!("<{name}> has no type, so it says not what it is."),
                );
            }
            Some(_) => {}
        }
    }
    references(elements)
}

/// Whether each reference names an appender. What only Log4j can find out, such as a name with a lookup, passes.
fn references(elements: &[Element<'_>]) -> Result<(), Fault> {
    if elements.iter().any(|e| e.is(&["name"]) || e.name().ends_with(":include")) {
        return Ok(());
    }
    let names = appenders(elements);
    if names.iter().any(|name| name.contains("${")) {
        return Ok(());
    }
    for element in elements.iter().filter(|e| e.is(&REFERENCES)) {
        let Some(wanted) = element.attribute("ref").filter(|name| !name.contains("${")) else {
            continue;
        };
        if !names.contains(&wanted) {
            let known = match names.as_slice() {
                [] => "There are none".to_owned(),
                names => format!("There are: {}", names.join(", ")),
            };
            let why = format!("ref=\"{wanted}\" names no appender of this template. {known}.");
            return Err(Fault { line: element.line, why });
        }
    }
    Ok(())
}

/// Names of what stands within `<Appenders>`.
fn appenders<'a>(elements: &[Element<'a>]) -> Vec<&'a str> {
    let mut outer = None;
    let mut names = Vec::new();
    for element in elements {
        if outer.is_some_and(|depth| element.depth <= depth) {
            outer = None;
        }
        if outer.is_some() {
            names.extend(element.attribute("name"));
        } else if element.is(&["Appenders"]) {
            outer = Some(element.depth);
        }
    }
    names
}
