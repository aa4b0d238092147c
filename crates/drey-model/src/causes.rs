//! An error with its causes, on one line; and a reason as a part of a longer text.

use std::error::Error;

/// The text of an error and of everything behind it: `reading a.json: No such file or directory`.
#[must_use]
pub fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

/// A reason without its full stop, for a text that goes on after it: others end theirs with one or without.
#[must_use]
pub fn unstopped(reason: &str) -> &str {
    let reason = reason.trim_end();
    reason.strip_suffix('.').filter(|rest| !rest.ends_with('.')).unwrap_or(reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_stop_goes_and_an_ellipsis_stays() {
        for (reason, expected) in
            [("no.", "no"), ("no", "no"), ("no. \n", "no"), ("so...", "so...")]
        {
            assert_eq!(unstopped(reason), expected);
        }
    }

    #[derive(Debug)]
    struct Layer(&'static str, Option<Box<Layer>>);

    impl std::fmt::Display for Layer {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Layer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_deref().map(|cause| cause as &dyn Error)
        }
    }

    #[test]
    fn every_cause_is_told_from_the_outside_in() {
        let inner = Layer("disk full", None);
        let error = Layer("starting", Some(Box::new(Layer("writing a", Some(Box::new(inner))))));
        assert_eq!(causes(&error), "starting: writing a: disk full");
    }
}
