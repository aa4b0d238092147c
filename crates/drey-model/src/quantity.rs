//! Amounts of memory and CPU.
//!
//! Memory is a decimal number with an optional unit `k`, `m` or `g` in either case, powers of ten as in Kubernetes
//! (platform API reference §1.1.6, Q20). What Flink is told is the renderer's business.

/// Least CPU of a process.
pub const CPU_MIN: f64 = 0.1;
/// More cores than any machine has.
pub const CPU_MAX: f64 = 10_000.0;
/// Least memory of a JobManager, 500m (Q19).
pub const JOB_MANAGER_BYTES_MIN: u64 = 500_000_000;
/// Least memory of a TaskManager, 1g (Q19).
pub const TASK_MANAGER_BYTES_MIN: u64 = 1_000_000_000;

const UNITS: [(char, u64); 3] = [('g', 1_000_000_000), ('m', 1_000_000), ('k', 1_000)];

/// Memory in bytes; a fraction of a byte is dropped.
///
/// # Errors
/// What is wrong, as a sentence that begins after the quoted text.
pub fn memory(text: &str) -> Result<u64, String> {
    let text = text.trim();
    if text.starts_with('-') {
        return Err("is negative. An amount of memory is positive, for example 1g.".to_owned());
    }
    let is_amount = |c: char| c.is_ascii_digit() || c == '.';
    let end = text.find(|c| !is_amount(c)).unwrap_or(text.len());
    let (amount, label) = text.split_at(end);
    let mut label = label.trim_start().chars();
    let unit = match (label.next().map(|c| c.to_ascii_lowercase()), label.next()) {
        (None, _) => Some(1),
        (Some(c), None) => UNITS.iter().find(|(unit, _)| *unit == c).map(|(_, bytes)| *bytes),
        (Some(_), Some(_)) => None,
    };
    let unit =
        unit.ok_or("has an unknown unit. Use k, m or g (powers of ten), for example 1.5g.")?;
    let (whole, fraction) = amount.split_once('.').unwrap_or((amount, "0"));
    let are_digits = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
    if !are_digits(whole) || !are_digits(fraction) {
        return Err("is not an amount of memory. Use for example 1g, 1.5g or 800m.".to_owned());
    }
    let whole = whole.parse::<u64>().ok().and_then(|whole| whole.checked_mul(unit));
    // No unit has more than nine zeros, so later digits are fractions of a byte.
    let scale = |digits: &str| 10_u64.pow(u32::try_from(digits.len()).unwrap_or(9));
    let fraction = fraction.get(..fraction.len().min(9)).unwrap_or_default();
    let part = fraction.parse::<u64>().unwrap_or(0) * unit / scale(fraction);
    whole.and_then(|whole| whole.checked_add(part)).ok_or("is too much.".to_owned())
}

/// Bytes as text, with the largest unit that keeps the number whole: `1500000000` is `1500m`.
#[must_use]
pub fn memory_text(bytes: u64) -> String {
    let unit = UNITS.iter().find(|(_, unit)| bytes > 0 && bytes.is_multiple_of(*unit));
    unit.map_or_else(|| bytes.to_string(), |(label, unit)| format!("{}{label}", bytes / unit))
}

/// CPU cores from text, as some clients send them.
///
/// # Errors
/// What is wrong, as a sentence that begins after the quoted text.
pub fn cpu(text: &str) -> Result<f64, String> {
    let text = text.trim();
    let begins_well = text.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    let cores = text.parse::<f64>().ok().filter(|cores| cores.is_finite() && begins_well);
    cores.ok_or("is not a number of cores. Use for example 1 or 0.5.".to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, bytes: u64) {
        assert_eq!(memory(text), Ok(bytes), "{text}");
    }

    #[test]
    fn memory_is_decimal() {
        check("1G", 1_000_000_000);
        check("1.5g", 1_500_000_000);
        check(" 800 m ", 800_000_000);
        check("12K", 12_000);
        check("1024", 1024);
        check("1.9", 1);
        check("0.1234567891234g", 123_456_789);
    }

    #[test]
    fn the_rest_is_refused() {
        for text in
            ["", "g", "1Gi", "1gb", "-1g", "1.g", ".5g", "1.2.3g", "1e3", "99999999999g", "1é"]
        {
            assert!(memory(text).is_err(), "{text}");
        }
        assert!(memory("-1G").unwrap_err().contains("positive"));
        for text in ["", "one", "inf", "NaN", "-1"] {
            assert!(cpu(text).is_err(), "{text}");
        }
        assert_eq!(cpu("0.5"), Ok(0.5));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(bytes in any::<u64>(), unit in prop::sample::select(vec![1, 1_000, 1_000_000, 1_000_000_000])) {
            let bytes = bytes / unit * unit;
            prop_assert_eq!(memory(&memory_text(bytes)), Ok(bytes));
        }

        #[test]
        fn any_text_is_read_or_refused(text in any::<String>()) {
            let _ = (memory(&text), cpu(&text));
        }
    }
}
