//! Links between the documents of the repository lead somewhere.
//!
//! Looks at `[text](target)` outside of code; links into the web are not followed, because a check must not fail when
//! somebody else's server does.

use super::{Source, Violation};

/// The relative links of a Markdown file whose target does not exist; `exists` takes a path from the root.
pub(super) fn check(source: &Source, exists: impl Fn(&str) -> bool) -> Vec<Violation> {
    let mut found = Vec::new();
    if !source.is(&["md"]) {
        return found;
    }
    let folder = source.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut in_code = false;
    for (n, line) in source.text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        } else if !in_code {
            for target in targets(line) {
                match resolve(folder, target) {
                    Some(path) if exists(&path) => {}
                    Some(path) => found.push(
                        source.violation(n + 1, format!("link to {path}, which does not exist")),
                    ),
                    None => found.push(
                        source.violation(n + 1, format!("link to {target} leaves the repository")),
                    ),
                }
            }
        }
    }
    found
}

/// The targets of the line's links into the repository, without anchors.
fn targets(line: &str) -> Vec<&str> {
    // Every second piece is inline code, where brackets mean something else.
    let prose = line.split('`').step_by(2);
    let links = line.contains("](").then_some(prose).into_iter().flatten();
    let targets = links.flat_map(|piece| piece.split("](").skip(1));
    let targets = targets.filter_map(|rest| rest.split([')', ' ', '#']).next());
    let ours = targets.map(|t| t.trim_matches(['<', '>']));
    ours.filter(|t| !t.is_empty() && !t.contains("://") && !t.starts_with("mailto:")).collect()
}

/// `target` as seen from `folder`, as a path from the root; `None` when it lies outside.
fn resolve(folder: &str, target: &str) -> Option<String> {
    if target.starts_with('/') {
        return None;
    }
    let mut parts: Vec<&str> = folder.split('/').filter(|p| !p.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::super::advice;
    use super::*;

    fn broken(path: &str, text: &str) -> Vec<String> {
        let exists = |path: &str| ["README.md", "docs/api.md", "docs"].contains(&path);
        advice(|source| check(source, exists), path, text)
    }

    #[test]
    fn a_link_to_a_file_or_folder_is_fine() {
        assert!(broken("README.md", "[a](docs/api.md#chapter) [b](docs/) [c](#here)").is_empty());
        assert!(broken("docs/api.md", "[a](../README.md) [b](<api.md> \"title\")").is_empty());
    }

    #[test]
    fn a_link_to_nothing_is_not() {
        let found = broken("docs/api.md", "ok\n[a](README.md)");
        assert_eq!(found, ["2: link to docs/README.md, which does not exist"]);
    }

    #[test]
    fn a_link_out_of_the_repository_is_not() {
        assert_eq!(broken("README.md", "[a](../x.md) [b](/etc/passwd)").len(), 2);
    }

    #[test]
    fn the_web_and_code_are_left_alone() {
        assert!(
            broken("README.md", "[a](https://example.org/x) `[b](c)`\n```\n[d](e)\n```").is_empty()
        );
    }

    #[test]
    fn a_linked_word_in_code_style_is_still_a_link() {
        assert_eq!(broken("README.md", "[`a`](b.md)").len(), 1);
    }
}
