//! Points in time as RFC 3339, and time spans as systemd writes them (systemd.time(7)).

use std::time::Duration;

/// A point in time in UTC: "2026-11-01T08:30:00Z". `seconds` after 1970.
///
/// Whatever is after the year 9999 is no RFC 3339 date and is printed as the number of seconds: "@253402300800".
pub fn render_rfc3339(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    if year > 9999 {
        return format!("@{seconds}");
    }
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// The Gregorian date of a day after 1970-01-01. Counts from March, so that a leap day is a year's last.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + carry, month, day)
}

/// Seconds after 1970 of an HTTP date in the one form that servers may send (RFC 9110, 5.6.7): "Sun, 06 Nov 1994 08:49:37 GMT".
/// None for anything else, and for what is before 1970.
pub fn parse_http_date(text: &str) -> Option<u64> {
    let words: Vec<&str> = text.trim().split(' ').collect();
    let [_, day, month, year, time, "GMT"] = words[..] else { return None };
    let month = MONTHS.iter().position(|name| *name == month)? as u64 + 1;
    let [hour, minute, second] = time.split(':').map(|part| number(part, 2)).collect::<Vec<_>>()[..] else {
        return None;
    };
    let days = days_before(number(year, 4)?, month, number(day, 2).filter(|day| (1..=31).contains(day))?)?;
    let (hour, minute) = (hour.filter(|hour| *hour < 24)?, minute.filter(|minute| *minute < 60)?);
    // 60 is a leap second.
    Some(days * 86_400 + hour * 3600 + minute * 60 + second.filter(|second| *second <= 60)?)
}

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A decimal number of exactly so many digits.
fn number(text: &str, digits: usize) -> Option<u64> {
    (text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

/// Days from 1970-01-01 to a date: `civil` the other way.
fn days_before(year: u64, month: u64, day: u64) -> Option<u64> {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year.checked_sub(1)?, month + 9) };
    let in_year = (153 * month + 2) / 5 + day - 1;
    (year * 365 + year / 4 - year / 100 + year / 400 + in_year).checked_sub(719_468)
}

/// A time span: numbers with a fraction and a unit each, summed; a bare number is seconds; "infinity" is
/// `Duration::MAX`. None for anything else, and for more than a `Duration` holds.
pub fn parse_span(text: &str) -> Option<Duration> {
    let text = text.trim();
    if text == "infinity" {
        return Some(Duration::MAX);
    }
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let (number, after) = split_while(rest, |c| c.is_ascii_digit() || c == '.');
        let (unit, after) = split_while(after.trim_start(), |c| c.is_ascii_alphabetic());
        total = total.checked_add(product(number, nanoseconds(unit)?)?)?;
        rest = after.trim_start();
    }
    (!text.is_empty()).then_some(total)
}

fn split_while(text: &str, wanted: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !wanted(c)).unwrap_or(text.len()))
}

fn nanoseconds(unit: &str) -> Option<u64> {
    Some(match unit {
        "us" | "usec" => 1_000,
        "ms" | "msec" => 1_000_000,
        "" | "s" | "sec" | "second" | "seconds" => 1_000_000_000,
        "m" | "min" | "minute" | "minutes" => 60_000_000_000,
        "h" | "hr" | "hour" | "hours" => 3_600_000_000_000,
        "d" | "day" | "days" => 86_400_000_000_000,
        _ => return None,
    })
}

/// A decimal number of units. Digits after the ninth of a fraction do not count.
fn product(number: &str, unit: u64) -> Option<Duration> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let fraction = &fraction[..fraction.len().min(9)];
    let scale = 10u128.pow(fraction.len() as u32);
    let fraction: u128 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    let total = u128::from(whole) * u128::from(unit) + fraction * u128::from(unit) / scale;
    let seconds = u64::try_from(total / 1_000_000_000).ok()?;
    Some(Duration::new(seconds, (total % 1_000_000_000) as u32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_dates() {
        for (text, seconds) in [
            ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777),
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
            ("Tue, 29 Feb 2000 00:00:00 GMT", 951_782_400),
        ] {
            assert_eq!(parse_http_date(text), Some(seconds), "{text}");
        }
        for text in [
            "",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "Sun, 06 Nov 1994 08:49:37 CET",
            "Sun, 6 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:49:37 GMT",
            "Wed, 31 Dec 1969 23:59:59 GMT",
            "Wed, 00 Jan 0000 00:00:00 GMT",
            "Sun, 06 Nov 1994 08:49:37:00 GMT",
        ] {
            assert_eq!(parse_http_date(text), None, "{text}");
        }
    }

    #[test]
    fn dates() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (68_169_599, "1972-02-28T23:59:59Z"),
            (68_169_600, "1972-02-29T00:00:00Z"),
            (68_256_000, "1972-03-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_793_521_800, "2026-11-01T08:30:00Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
            (253_402_300_800, "@253402300800"),
        ] {
            assert_eq!(render_rfc3339(seconds), text);
        }
        assert_eq!(render_rfc3339(u64::MAX), format!("@{}", u64::MAX));
    }

    #[test]
    fn spans() {
        for (text, milliseconds) in [
            ("30", 30_000),
            ("1.5", 1_500),
            (".5", 500),
            ("0", 0),
            ("2min", 120_000),
            ("1min30s", 90_000),
            (" 1min 30s ", 90_000),
            ("1 h", 3_600_000),
            ("250ms", 250),
            ("1.0000000001s", 1_000),
            ("1d", 86_400_000),
        ] {
            assert_eq!(parse_span(text), Some(Duration::from_millis(milliseconds)), "{text:?}");
        }
        assert_eq!(parse_span("infinity"), Some(Duration::MAX));
    }

    #[test]
    fn what_is_no_span() {
        for text in [
            "",
            " ",
            "s",
            "-1",
            "1.2.3",
            ".",
            "1 parsec",
            "1e9",
            "infinite",
            "0x10",
            "１",
            "99999999999999999999",
            "18446744073709551615d",
        ] {
            assert_eq!(parse_span(text), None, "{text:?}");
        }
    }
}
