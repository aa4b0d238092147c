//! An error with its causes, on one line.

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

#[cfg(test)]
mod tests {
    use super::*;

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
