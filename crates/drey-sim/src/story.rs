//! What happened in a history, in order, for people. Told only when asked for: histories by the thousand are silent.

use std::fmt;

use crate::core::Micros;

/// The lines of a history.
#[derive(Debug, Default)]
pub struct Story {
    /// Whether lines are kept.
    pub is_told: bool,
    lines: Vec<(Micros, &'static str, String)>,
}

impl Story {
    /// An empty story.
    #[must_use]
    pub fn new(is_told: bool) -> Self {
        Self { is_told, lines: Vec::new() }
    }

    /// Adds a line.
    pub fn line(&mut self, at: Micros, who: &'static str, what: String) {
        self.lines.push((at, who, what));
    }
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, who, what) in &self.lines {
            let (minutes, seconds) = (at / 60_000_000, at % 60_000_000);
            let (seconds, millis) = (seconds / 1_000_000, seconds % 1_000_000 / 1000);
            writeln!(f, "{minutes:4}:{seconds:02}.{millis:03}  {who:<8} {what}")?;
        }
        Ok(())
    }
}
