//! Foreign text made fit for a terminal: no control characters, no escape sequences, no reordering of what is read.

/// One line: every character that a terminal would obey, or that would turn the reading direction, is replaced by
/// its escape (`\n`, `\x1b`, `\u{202e}`).
pub fn line(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for character in text.chars() {
        push(&mut clean, character);
    }
    clean
}

/// Several lines: as [`line`], but line feeds stay.
pub fn lines(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for character in text.chars() {
        if character == '\n' { clean.push('\n') } else { push(&mut clean, character) }
    }
    clean
}

/// What a console wrote, as text: escape sequences and carriage returns are dropped, line feeds and tabs stay, every
/// other control is spelled out.
pub fn console(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\x1b' => skip_sequence(&mut letters),
            '\r' => {}
            '\n' | '\t' => clean.push(letter),
            _ => push(&mut clean, letter),
        }
    }
    clean
}

/// What follows an escape (ECMA-48): a control sequence up to its final byte, a string up to its terminator, or one
/// letter. A sequence ends with its line at the latest.
fn skip_sequence(letters: &mut std::str::Chars<'_>) {
    let ahead = letters.as_str();
    let first = ahead.chars().next();
    let end = match first {
        Some('[') => ahead.char_indices().skip(1).find(|(_, letter)| !matches!(letter, ' '..='?')),
        Some(']' | 'P' | 'X' | '^' | '_') => {
            ahead.char_indices().skip(1).find(|(_, letter)| matches!(letter, '\x07' | '\x1b' | '\n'))
        }
        Some(' '..='/') => ahead.char_indices().find(|(_, letter)| !matches!(letter, ' '..='/')),
        _ => first.map(|letter| (0, letter)),
    };
    *letters = match end {
        Some((at, '\n')) => ahead[at..].chars(),
        Some((at, '\x1b')) => ahead[at..].strip_prefix("\x1b\\").unwrap_or(&ahead[at..]).chars(),
        Some((at, letter)) => ahead[at + letter.len_utf8()..].chars(),
        None => "".chars(),
    };
}

fn push(clean: &mut String, character: char) {
    match character {
        '\n' => clean.push_str("\\n"),
        '\r' => clean.push_str("\\r"),
        '\t' => clean.push_str("\\t"),
        '\0'..='\x1f' | '\x7f'..='\u{9f}' => {
            clean.push_str("\\x");
            push_hex(clean, character as u32, 2);
        }
        _ if is_misleading(character) => {
            clean.push_str("\\u{");
            push_hex(clean, character as u32, 4);
            clean.push('}');
        }
        _ => clean.push(character),
    }
}

/// Characters that show nothing but change how others are shown: bidi controls, line and paragraph separators,
/// zero-width ones, interlinear annotation, tags.
pub fn is_misleading(character: char) -> bool {
    matches!(character,
        '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

fn push_hex(clean: &mut String, number: u32, digits: u32) {
    let needed = (32 - number.leading_zeros()).div_ceil(4).max(digits);
    for place in (0..needed).rev() {
        let digit = number >> (4 * place) & 0xf;
        clean.extend(char::from_digit(digit, 16));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_stays() {
        for text in ["", "web", "Debian GNU/Linux 12 (bookworm)", "größer ✓ 機械", "a\\b"] {
            assert_eq!(line(text), text);
        }
    }

    #[test]
    fn what_a_terminal_obeys_is_spelled_out() {
        assert_eq!(line("a\x1b[2Jb\x07\r\n\t\0"), "a\\x1b[2Jb\\x07\\r\\n\\t\\x00");
        assert_eq!(line("\u{9b}31m\x7f"), "\\x9b31m\\x7f");
        assert_eq!(line("\u{202e}cod.exe\u{2066}"), "\\u{202e}cod.exe\\u{2066}");
        assert_eq!(line("\u{e0041}"), "\\u{e0041}");
        assert_eq!(lines("a\nb\x1b"), "a\nb\\x1b");
    }

    #[test]
    fn nothing_that_is_left_is_a_control() {
        let all: String = (0..0x3000).filter_map(char::from_u32).collect();
        assert!(!line(&all).chars().any(|c| c.is_control() || is_misleading(c)));
    }

    #[test]
    fn a_console_is_read_without_its_escape_sequences() {
        for (raw, clean) in [
            ("[\x1b[0;32m  OK  \x1b[0m] Started\r\n", "[  OK  ] Started\n"),
            ("a\x1b]0;title\x07b\x1b]0;title\x1b\\c", "abc"),
            ("a\x1bcb\x1b(Bc\x1b", "abc"),
            ("a\x1b[12\nb\x1b]0;no end\nc", "a\nb\nc"),
            ("tab\tbell\x07\u{9b}1m", "tab\tbell\\x07\\x9b1m"),
            ("\x1b[", ""),
            ("\x1b\x1b[1mx", "x"),
            ("\x1b[1;mgröße", "größe"),
        ] {
            assert_eq!(console(raw), clean, "{raw:?}");
        }
    }
}
