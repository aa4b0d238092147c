//! Colour: green goes well, yellow is on its way or odd, red needs a person. Never the only carrier of a meaning.

use std::io::IsTerminal;

use crate::args::When;
use crate::output::health::Health;

/// Whether to colour a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Style {
    colour: bool,
}

/// The colours in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Colour {
    /// Needs a person.
    Red,
    /// Goes well.
    Green,
    /// On its way, or odd.
    Yellow,
    /// Of no importance now.
    Dim,
}

impl Style {
    /// For stdout.
    pub(crate) fn of_stdout(when: When) -> Self {
        Self::of(when, std::io::stdout().is_terminal())
    }

    /// For stderr.
    pub(crate) fn of_stderr(when: When) -> Self {
        Self::of(when, std::io::stderr().is_terminal())
    }

    /// No colour at all.
    #[cfg(test)]
    pub(crate) const PLAIN: Self = Self { colour: false };

    fn of(when: When, terminal: bool) -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let colour = match when {
            When::Always => true,
            When::Never => false,
            When::Auto => terminal && !refused,
        };
        Self { colour }
    }

    /// `text` in a colour.
    pub(crate) fn paint(self, colour: Colour, text: &str) -> String {
        let code = match colour {
            Colour::Red => "31",
            Colour::Green => "32",
            Colour::Yellow => "33",
            Colour::Dim => "2",
        };
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// The colour of a health.
pub(crate) fn colour_of(health: Health) -> Colour {
    match health {
        Health::Healthy => Colour::Green,
        Health::Progressing | Health::Unstable | Health::Unreachable => Colour::Yellow,
        Health::Failing | Health::Failed => Colour::Red,
        Health::Suspended | Health::Cancelled | Health::Finished => Colour::Dim,
    }
}
