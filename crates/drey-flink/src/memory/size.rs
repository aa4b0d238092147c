//! Sizes as text: Flink's powers of two, and the platform's powers of ten.

use super::{Error, GIB, MIB};

/// Reads a size as Flink spells it: powers of two, `64m`, `128 mb`, `1gb`, `77` (bytes).
///
/// # Errors
/// Anything else.
pub fn size(text: &str) -> Result<u64, Error> {
    let error = || Error::Size { text: text.to_owned() };
    let trimmed = text.trim();
    let digits = trimmed.find(|c: char| !c.is_ascii_digit()).unwrap_or(trimmed.len());
    let (number, unit) = trimmed.split_at(digits);
    let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" | "bytes" => 1,
        "k" | "kb" | "kibibytes" => 1 << 10,
        "m" | "mb" | "mebibytes" => MIB,
        "g" | "gb" | "gibibytes" => GIB,
        "t" | "tb" | "tebibytes" => 1 << 40,
        _ => return Err(error()),
    };
    let number: u64 = number.parse().map_err(|_| error())?;
    number.checked_mul(factor).ok_or_else(error)
}

/// Reads a quantity of `resources`: powers of ten, `1G`, `1.5g`, `800m`, a bare number is bytes.
///
/// # Errors
/// Anything else.
pub fn quantity(text: &str) -> Result<u64, Error> {
    let error = || Error::Size { text: text.to_owned() };
    let lower = text.trim().to_ascii_lowercase();
    let (number, factor) = match lower.strip_suffix(['k', 'm', 'g']) {
        Some(number) if lower.ends_with('k') => (number, 1e3),
        Some(number) if lower.ends_with('m') => (number, 1e6),
        Some(number) => (number, 1e9),
        None => (lower.as_str(), 1.0),
    };
    let number = number.trim();
    let plain = |c: char| c.is_ascii_digit() || c == '.';
    if !number.starts_with(|c: char| c.is_ascii_digit()) || !number.chars().all(plain) {
        return Err(error());
    }
    let number: f64 = number.parse().map_err(|_| error())?;
    let bytes = (number * factor).round();
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    if bytes < 1e18 { Ok(bytes as u64) } else { Err(error()) }
}
