//! Durations as people write and read them: `90s`, `10m`, `1h30m`; ages such as `38s`, `12d`.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// Reads `500ms`, `30s`, `10m`, `2h`, `1d`, combinations of them, and a bare number of seconds.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.trim().parse::<u64>() {
        return Ok(Duration::from_secs(seconds));
    }
    let days = text.trim().strip_suffix('d').and_then(|n| n.trim().parse::<u64>().ok());
    if let Some(days) = days.and_then(|days| days.checked_mul(86_400)) {
        return Ok(Duration::from_secs(days));
    }
    let signed: Option<SignedDuration> = text.trim().parse().ok();
    signed.and_then(|signed| Duration::try_from(signed).ok()).ok_or_else(|| {
        format!("\"{text}\" is not a duration. Use for example 500ms, 30s, 10m, 2h, 1d")
    })
}

/// The time from `then` to `now` in its largest unit: `0s`, `38s`, `3m`, `6h`, `12d`.
pub(crate) fn age(then: Timestamp, now: Timestamp) -> String {
    short(now.as_second().saturating_sub(then.as_second()).max(0).unsigned_abs())
}

/// A length of time in its largest unit.
pub(crate) fn short(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// A stopwatch reading: `0:07`, `12:30`.
pub(crate) fn clock(elapsed: Duration) -> String {
    let seconds = elapsed.as_secs();
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{clock, parse, short};

    #[test]
    fn durations_are_read_as_written() {
        assert_eq!(parse("0"), Ok(Duration::ZERO));
        assert_eq!(parse("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse("10m"), Ok(Duration::from_secs(600)));
        assert_eq!(parse("1h30m"), Ok(Duration::from_secs(5_400)));
        assert_eq!(parse("1d"), Ok(Duration::from_secs(86_400)));
        assert!(parse("10 parsecs").is_err_and(|e| e.contains("10 parsecs")));
        assert!(parse("-3s").is_err());
    }

    #[test]
    fn ages_have_one_unit() {
        let shown: Vec<String> = [0, 38, 119, 180, 7_199, 21_600, 1_036_800].map(short).into();
        assert_eq!(shown, ["0s", "38s", "119s", "3m", "119m", "6h", "12d"]);
        assert_eq!(clock(Duration::from_secs(72)), "1:12");
    }
}
