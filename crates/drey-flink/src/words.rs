//! Splits a line into words as a POSIX shell would: spaces, single and double quotes, backslashes. Nothing is expanded.

/// Why a line cannot be split.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A quote that nothing ends.
    #[error("the quote {0} is never closed")]
    OpenQuote(char),
    /// A backslash with nothing behind it.
    #[error("the line ends in a backslash")]
    OpenBackslash,
}

/// Splits `line` into words.
///
/// # Errors
/// A quote or a backslash at the end of the line that asks for more.
pub fn split(line: &str) -> Result<Vec<String>, Error> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            c if c.is_whitespace() => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next().ok_or(Error::OpenQuote('\''))? {
                        '\'' => break,
                        inner => word.push(inner),
                    }
                }
            }
            '"' => quoted(&mut chars, word.get_or_insert_default())?,
            '\\' => {
                let next = chars.next().ok_or(Error::OpenBackslash)?;
                let word = word.get_or_insert_default();
                if next != '\n' {
                    word.push(next);
                }
            }
            plain => word.get_or_insert_default().push(plain),
        }
    }
    words.extend(word);
    Ok(words)
}

/// The rest of a double-quoted piece, in which a backslash is special only before four characters.
fn quoted(chars: &mut std::str::Chars<'_>, word: &mut String) -> Result<(), Error> {
    loop {
        match chars.next().ok_or(Error::OpenQuote('"'))? {
            '"' => return Ok(()),
            '\\' => match chars.next().ok_or(Error::OpenQuote('"'))? {
                '\n' => {}
                special @ ('"' | '\\' | '$' | '`') => word.push(special),
                other => word.extend(['\\', other]),
            },
            inner => word.push(inner),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_as_a_shell_splits_them() {
        let cases: [(&str, &[&str]); 7] = [
            ("", &[]),
            ("  --rate 5\t-n ", &["--rate", "5", "-n"]),
            (r#"--sql 'select "a" from b' x"#, &["--sql", r#"select "a" from b"#, "x"]),
            (r#""a \"b\" \n $c" ''"#, &[r#"a "b" \n $c"#, ""]),
            (r"a\ b c\\d", &["a b", r"c\d"]),
            ("pre'fix ed'\"x y\"", &["prefix edx y"]),
            ("a\nb", &["a", "b"]),
        ];
        for (line, words) in cases {
            assert_eq!(split(line).unwrap(), words, "{line}");
        }
        assert_eq!(split("'a"), Err(Error::OpenQuote('\'')));
        assert_eq!(split("\"a\\\""), Err(Error::OpenQuote('"')));
        assert_eq!(split("a\\"), Err(Error::OpenBackslash));
    }
}
