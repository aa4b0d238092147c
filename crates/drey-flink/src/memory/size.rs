//! Sizes as Flink spells them, in powers of two. The platform's own, in powers of ten, are [`drey_model::quantity`].

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
