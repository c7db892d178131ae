//! Numbers of bytes, for people and from them.

const UNITS: [(&str, u64); 4] = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];

/// `20 GiB`, `1.5 MiB`, `12 bytes`.
pub fn told(bytes: u64) -> String {
    match UNITS.iter().find(|(_, unit)| bytes >= *unit) {
        Some((name, unit)) => {
            let tenths = u128::from(bytes) * 10 / u128::from(*unit);
            let (whole, tenth) = (tenths / 10, tenths % 10);
            if tenth == 0 { format!("{whole} {name}") } else { format!("{whole}.{tenth} {name}") }
        }
        None => format!("{bytes} bytes"),
    }
}

/// Reads `20GiB`, `512MiB` or a plain number of bytes; at least one.
///
/// # Errors
/// A sentence that says what is expected.
pub fn read(text: &str) -> Result<u64, String> {
    let wrong = || "a number of bytes, or of KiB, MiB, GiB or TiB, e.g. 20GiB".to_owned();
    let unit = UNITS.iter().find(|(name, _)| text.ends_with(name));
    let (digits, unit) =
        unit.map_or((text, 1), |(name, unit)| (text.trim_end_matches(name).trim_end(), *unit));
    let count: u64 = digits.parse().map_err(|_| wrong())?;
    count.checked_mul(unit).filter(|bytes| (1..=i64::MAX.unsigned_abs()).contains(bytes)).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_told_and_read() {
        for (bytes, text) in [
            (0, "0 bytes"),
            (1023, "1023 bytes"),
            (1024, "1 KiB"),
            (1 << 34, "16 GiB"),
            (1_600_000, "1.5 MiB"),
        ] {
            assert_eq!(told(bytes), text);
        }
        for (text, bytes) in [("7", 7), ("20GiB", 20 << 30), ("1 MiB", 1 << 20), ("2TiB", 2 << 40)] {
            assert_eq!(read(text), Ok(bytes));
        }
        for wrong in ["", "0", "-1", "1GB", "GiB", "1.5GiB", "99999999999TiB"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
