//! The shape of code: short files, short functions, and a few sentences at the top that say what a file is for.
//!
//! A file that outgrows its limit has two subjects; a function that does has two levels of abstraction. The numbers are
//! arbitrary, having numbers is not.

use super::{Source, Violation, tokens};

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;

pub(super) fn check(source: &Source) -> Vec<Violation> {
    let mut found = Vec::new();
    let lines = source.text.lines().count();
    if source.is(&["rs", "ts", "tsx"]) && lines > FILE_LINES_MAX {
        let advice = format!(
            "{lines} lines, {FILE_LINES_MAX} allowed: find the second subject and give it a file"
        );
        found.push(source.violation(FILE_LINES_MAX + 1, advice));
    }
    if source.is(&["rs"]) && !source.text.starts_with("//!") {
        let advice =
            "no module comment: start with `//!` and what this file owns and what it does not";
        found.push(source.violation(1, advice));
    }
    for function in tokens::functions(&source.tokens) {
        let lines = function.last - function.first + 1;
        if lines > FUNCTION_LINES_MAX {
            let name = &function.name;
            let advice =
                format!("`{name}` has {lines} lines, {FUNCTION_LINES_MAX} allowed: name its parts");
            found.push(source.violation(function.first, advice));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::advice;
    use super::*;

    #[test]
    fn a_short_file_with_an_essay_is_fine() {
        assert!(advice(check, "a.rs", "//! Essay.\nfn a() {}\n").is_empty());
    }

    #[test]
    fn a_file_without_an_essay_is_not() {
        assert_eq!(advice(check, "a.rs", "// Essay.\n").len(), 1);
        assert!(advice(check, "a.ts", "// Essay.\n").is_empty());
    }

    #[test]
    fn files_have_a_limit() {
        let lines = |n: usize| format!("//! Essay.\n{}", "// x\n".repeat(n - 1));
        assert!(advice(check, "a.rs", &lines(500)).is_empty());
        assert_eq!(advice(check, "a.rs", &lines(501)).len(), 1);
        assert_eq!(advice(check, "a.ts", &lines(501)).len(), 1);
        assert!(advice(check, "a.md", &lines(501)).is_empty());
    }

    #[test]
    fn functions_have_a_limit() {
        let function =
            |n: usize| format!("//! Essay.\nfn long() {{\n{}}}\n", "    // x\n".repeat(n - 2));
        assert!(advice(check, "a.rs", &function(70)).is_empty());
        let found = advice(check, "a.rs", &function(71));
        assert_eq!(found, ["2: `long` has 71 lines, 70 allowed: name its parts"]);
    }
}
