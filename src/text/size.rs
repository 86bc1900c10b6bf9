//! Sizes in bytes, for people: "1.5G", powers of 1024.

const UNITS: [&str; 7] = ["B", "K", "M", "G", "T", "P", "E"];

/// At most four digits and a unit: "0B", "1023B", "1.5K", "16.0E".
pub fn render(bytes: u64) -> String {
    let mut unit = 0;
    let mut tenths = u128::from(bytes) * 10;
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths = tenths.div_ceil(1024);
        unit += 1;
    }
    match unit {
        0 => format!("{bytes}B"),
        _ => format!("{}.{}{}", tenths / 10, tenths % 10, UNITS[unit]),
    }
}

/// "512", "1.5G", "10 MiB", "64K"; None for anything else and for what no u64 holds.
pub fn parse(text: &str) -> Option<u64> {
    let text = text.trim();
    let end = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || fraction.len() > 6 || fraction.contains('.') {
        return None;
    }
    let scale = 10u128.pow(fraction.len() as u32);
    let number: u128 = format!("{whole}{fraction}").parse().ok()?;
    u64::try_from(number.checked_mul(1u128 << (10 * power(unit.trim())?))? / scale).ok()
}

/// The power of 1024 of a unit.
fn power(unit: &str) -> Option<u32> {
    let short = unit.strip_suffix("iB").or(unit.strip_suffix('B')).unwrap_or(unit).to_ascii_uppercase();
    if short.is_empty() {
        return (unit != "iB").then_some(0);
    }
    UNITS.iter().skip(1).position(|known| *known == short).map(|index| index as u32 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_rounded_up_to_tenths() {
        for (bytes, text) in [
            (0, "0B"),
            (1023, "1023B"),
            (1024, "1.0K"),
            (1025, "1.1K"),
            (1536, "1.5K"),
            (5 << 30, "5.0G"),
            (u64::MAX, "16.0E"),
        ] {
            assert_eq!(render(bytes), text);
        }
    }

    #[test]
    fn sizes_are_read() {
        for (text, bytes) in
            [("0", 0), ("512", 512), ("64K", 65_536), ("1.5G", 3 << 29), ("10 MiB", 10 << 20), ("2kB", 2048), ("7B", 7)]
        {
            assert_eq!(parse(text), Some(bytes), "{text:?}");
        }
        for text in ["", "K", "-1", "1.2.3", "1X", "iB", "1iB", "16E", "1e3", "340282366920938463463374607431768211456"]
        {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
