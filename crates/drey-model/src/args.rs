//! Program arguments: one text, split into words as a shell would, without variables, globs or comments.

/// Splits at spaces. Single quotes keep everything; double quotes keep all but `\"`, `\\`, `` \` `` and `\$`; a
/// backslash elsewhere keeps the next character.
///
/// # Errors
/// What is wrong, as a sentence about the text.
pub fn split(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    // Present from the first character or quote of a word on: `''` is an empty word.
    let mut word: Option<String> = None;
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            c if c.is_whitespace() => words.extend(word.take()),
            '\'' => single_quoted(&mut rest, word.get_or_insert_default())?,
            '"' => double_quoted(&mut rest, word.get_or_insert_default())?,
            '\\' => match rest.next() {
                // A backslash at the end of a line joins the lines.
                Some('\n') => {}
                Some(next) => word.get_or_insert_default().push(next),
                None => return Err("ends in a backslash with nothing after it.".to_owned()),
            },
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

/// One text that [`split`] takes apart into these words again.
#[must_use]
pub fn join<'w>(words: impl IntoIterator<Item = &'w str>) -> String {
    let quoted = |word: &str| format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\""));
    words.into_iter().map(quoted).collect::<Vec<_>>().join(" ")
}

fn single_quoted(rest: &mut std::str::Chars<'_>, into: &mut String) -> Result<(), String> {
    for c in rest {
        if c == '\'' {
            return Ok(());
        }
        into.push(c);
    }
    Err("has a single quote without its partner. Close it, or write \\' for the character."
        .to_owned())
}

fn double_quoted(rest: &mut std::str::Chars<'_>, into: &mut String) -> Result<(), String> {
    while let Some(c) = rest.next() {
        match c {
            '"' => return Ok(()),
            '\\' => match rest.next() {
                Some(next @ ('"' | '\\' | '$' | '`')) => into.push(next),
                Some('\n') => {}
                Some(next) => into.extend(['\\', next]),
                None => break,
            },
            c => into.push(c),
        }
    }
    Err("has a double quote without its partner. Close it, or write \\\" for the character."
        .to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, words: &[&str]) {
        assert_eq!(split(text).unwrap(), words, "{text}");
    }

    proptest! {
        #[test]
        fn joined_words_are_split_into_the_same_words(words in proptest::collection::vec("[a$`'\"\\\\ \n]{0,6}", 0..4)) {
            let text = join(words.iter().map(String::as_str));
            prop_assert_eq!(split(&text).unwrap(), words);
        }
    }

    #[test]
    fn words_are_split_as_a_shell_would() {
        check("", &[]);
        check("--windowSize 10  --unit minutes", &["--windowSize", "10", "--unit", "minutes"]);
        check("--title 'it is' \"a \\\"b\\\" \\n\" ''", &["--title", "it is", "a \"b\" \\n", ""]);
        check("a\\ b c'd'\"e\" # $x *", &["a b", "cde", "#", "$x", "*"]);
        check("a \\\n b\tc\n", &["a", "b", "c"]);
    }

    #[test]
    fn a_missing_partner_is_said() {
        assert!(split("a 'b").unwrap_err().contains("single quote"));
        assert!(split("a \"b\\\"").unwrap_err().contains("double quote"));
        assert!(split("a \\").unwrap_err().contains("backslash"));
    }

    proptest! {
        #[test]
        fn single_quoted_words_come_back(words in prop::collection::vec("[^']{0,8}", 0..5)) {
            let text = words.iter().map(|w| format!("'{w}'")).collect::<Vec<_>>().join(" ");
            prop_assert_eq!(split(&text).unwrap(), words);
        }
    }
}
