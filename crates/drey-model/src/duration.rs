//! Durations as Flink writes them: an amount, then a unit (`123ms`, `321 s`, `1 d`); without a unit, milliseconds.
//!
//! Grammar: platform API reference §1.1.3 (Q34).

use jiff::SignedDuration;

/// Unit labels and their length in nanoseconds; the first label of each is the one we write.
const UNITS: [(&[&str], i128); 7] = [
    (&["d", "day", "days"], 86_400 * SECOND),
    (&["h", "hour", "hours"], 3_600 * SECOND),
    (&["min", "m", "minute", "minutes"], 60 * SECOND),
    (&["s", "sec", "second", "seconds"], SECOND),
    (&["ms", "milli", "millis", "millisecond", "milliseconds"], 1_000_000),
    (&["µs", "μs", "us", "micro", "micros", "microsecond", "microseconds"], 1_000),
    (&["ns", "nano", "nanos", "nanosecond", "nanoseconds"], 1),
];
const SECOND: i128 = 1_000_000_000;

/// Reads a duration; letter case of the unit does not matter.
///
/// # Errors
/// What is wrong, as a sentence that begins after the quoted text.
pub fn parse(text: &str) -> Result<SignedDuration, String> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (amount, label) = text.split_at(end);
    let label = label.trim_start().to_lowercase();
    if amount.is_empty() {
        return Err(format!("does not begin with a whole number. {EXAMPLES}"));
    }
    let unit = match label.as_str() {
        "" => 1_000_000,
        label => {
            let found = UNITS.iter().find(|(labels, _)| labels.contains(&label));
            found.map(|(_, nanos)| *nanos).ok_or(format!("has an unknown unit. {EXAMPLES}"))?
        }
    };
    let nanos = amount.parse::<i128>().ok().and_then(|amount| amount.checked_mul(unit));
    let seconds = nanos.and_then(|nanos| i64::try_from(nanos / SECOND).ok());
    let rest = nanos.and_then(|nanos| i32::try_from(nanos % SECOND).ok());
    match (seconds, rest) {
        (Some(seconds), Some(rest)) => Ok(SignedDuration::new(seconds, rest)),
        _ => Err("is too long.".to_owned()),
    }
}

const EXAMPLES: &str = "Use for example 500ms, 30s, 10min, 2h or 1d.";

/// Writes a duration with the largest unit that keeps it whole; a negative one as `0 s`.
#[must_use]
pub fn format(duration: SignedDuration) -> String {
    let nanos = duration.as_nanos().max(0);
    let unit = UNITS.iter().find(|(_, unit)| nanos % unit == 0 && nanos > 0);
    match unit.and_then(|(labels, unit)| labels.first().map(|label| (label, unit))) {
        Some((label, unit)) => format!("{} {label}", nanos / unit),
        None => "0 s".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, millis: i64) {
        assert_eq!(parse(text), Ok(SignedDuration::from_millis(millis)), "{text}");
    }

    #[test]
    fn amounts_and_units_are_read() {
        check("123ms", 123);
        check("321 s", 321_000);
        check("  2 Min ", 120_000);
        check("5 m", 300_000);
        check("1d", 86_400_000);
        check("7 hours", 25_200_000);
        check("250", 250);
        check("3000 µs", 3);
        check("0", 0);
    }

    #[test]
    fn the_rest_is_refused() {
        for text in ["", "s", "-1 s", "1.5 s", "10 parsecs", "1 s 2", "99999999999999999999 d"] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse("10 parsecs").unwrap_err().contains("unknown unit"));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(nanos in 0..i64::MAX) {
            let duration = SignedDuration::from_nanos(nanos);
            prop_assert_eq!(parse(&format(duration)), Ok(duration));
        }

        #[test]
        fn any_text_is_read_or_refused(text in any::<String>()) {
            let _ = parse(&text);
        }
    }
}
