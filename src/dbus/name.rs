//! Object paths and the four kinds of names ("Valid Names"): whether a text is one; pure.

/// Bytes of an interface, error, member or bus name.
pub const NAME_MAX: usize = 255;

/// `/`, or elements of letters, digits and `_`, each after a `/`.
pub fn is_path(text: &str) -> bool {
    match text.strip_prefix('/') {
        Some("") => true,
        Some(elements) => elements.split('/').all(|element| !element.is_empty() && element.bytes().all(is_word)),
        None => false,
    }
}

/// Two elements or more, none of which starts with a digit. Error names obey the same rule.
pub fn is_interface(text: &str) -> bool {
    text.len() <= NAME_MAX && text.contains('.') && text.split('.').all(is_identifier)
}

pub fn is_member(text: &str) -> bool {
    text.len() <= NAME_MAX && is_identifier(text)
}

/// A unique name (`:1.7`) or a well-known one.
pub fn is_bus(text: &str) -> bool {
    let (elements, unique) = match text.strip_prefix(':') {
        Some(rest) => (rest, true),
        None => (text, false),
    };
    let element = |element: &str| {
        let starts_well = unique || !element.starts_with(|first: char| first.is_ascii_digit());
        !element.is_empty() && starts_well && element.bytes().all(|byte| is_word(byte) || byte == b'-')
    };
    text.len() <= NAME_MAX && elements.contains('.') && elements.split('.').all(element)
}

fn is_identifier(text: &str) -> bool {
    !text.is_empty() && !text.starts_with(|first: char| first.is_ascii_digit()) && text.bytes().all(is_word)
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        for good in ["/", "/a", "/org/freedesktop/systemd1/unit/a_2eservice", "/1/_"] {
            assert!(is_path(good), "{good:?}");
        }
        for bad in ["", "a", "//", "/a/", "/a//b", "/a-b", "/a.b", "/ä", "/a\n"] {
            assert!(!is_path(bad), "{bad:?}");
        }
    }

    #[test]
    fn interfaces_and_members() {
        assert!(is_interface("org.freedesktop.DBus"));
        assert!(is_interface(&format!("a.{}", "x".repeat(NAME_MAX - 2))));
        for bad in ["", "a", ".a", "a.", "a..b", "a.1b", "a.b-c", "a.ä", &format!("a.{}", "x".repeat(NAME_MAX - 1))] {
            assert!(!is_interface(bad), "{bad:?}");
        }
        assert!(is_member("Hello_1"));
        for bad in ["", "1a", "a.b", "a-b", &"x".repeat(NAME_MAX + 1)] {
            assert!(!is_member(bad), "{bad:?}");
        }
    }

    #[test]
    fn bus_names() {
        for good in [":1.7", ":0.a-b", "org.freedesktop.systemd1", "a-b._c"] {
            assert!(is_bus(good), "{good:?}");
        }
        for bad in
            ["", ":", ":1", "org", "org.1a", "a..b", "a.b.", ".a.b", "a.b c", &format!("a.{}", "x".repeat(NAME_MAX))]
        {
            assert!(!is_bus(bad), "{bad:?}");
        }
    }
}
