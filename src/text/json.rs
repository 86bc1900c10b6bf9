//! JSON, written (RFC 8259). Values are appended to one String; the writer keeps track of commas. Reading is beside it.

mod reader;

pub use reader::{Limits, Value, parse};

/// Writes one JSON text. Calls must nest as the text does; keys are given inside objects only.
#[derive(Debug, Default)]
pub struct Writer {
    text: String,
    /// Whether the next value or key of each open array or object needs a comma before it.
    comma: Vec<bool>,
    after_key: bool,
}

impl Writer {
    pub fn new() -> Writer {
        Writer::default()
    }

    pub fn begin_object(&mut self) -> &mut Writer {
        self.open('{')
    }

    pub fn end_object(&mut self) -> &mut Writer {
        self.close('}')
    }

    pub fn begin_array(&mut self) -> &mut Writer {
        self.open('[')
    }

    pub fn end_array(&mut self) -> &mut Writer {
        self.close(']')
    }

    pub fn key(&mut self, key: &str) -> &mut Writer {
        self.separate();
        push_string(&mut self.text, key);
        self.text.push(':');
        self.after_key = true;
        self
    }

    pub fn string(&mut self, value: &str) -> &mut Writer {
        self.separate();
        push_string(&mut self.text, value);
        self
    }

    /// A string, or null.
    pub fn optional(&mut self, value: Option<&str>) -> &mut Writer {
        match value {
            Some(value) => self.string(value),
            None => self.raw("null"),
        }
    }

    pub fn number(&mut self, value: u64) -> &mut Writer {
        self.raw(&value.to_string())
    }

    /// A number, or null.
    pub fn optional_number(&mut self, value: Option<u64>) -> &mut Writer {
        match value {
            Some(value) => self.number(value),
            None => self.raw("null"),
        }
    }

    pub fn bool(&mut self, value: bool) -> &mut Writer {
        self.raw(if value { "true" } else { "false" })
    }

    /// The text, ended by a line feed.
    pub fn finish(mut self) -> String {
        self.text.push('\n');
        self.text
    }

    fn raw(&mut self, value: &str) -> &mut Writer {
        self.separate();
        self.text.push_str(value);
        self
    }

    fn open(&mut self, bracket: char) -> &mut Writer {
        self.separate();
        self.text.push(bracket);
        self.comma.push(false);
        self
    }

    fn close(&mut self, bracket: char) -> &mut Writer {
        self.comma.pop();
        self.text.push(bracket);
        self
    }

    fn separate(&mut self) {
        if std::mem::take(&mut self.after_key) {
            return;
        }
        if let Some(comma) = self.comma.last_mut() {
            if std::mem::replace(comma, true) {
                self.text.push(',');
            }
        }
    }
}

/// Quotes, backslashes and controls escaped, as RFC 8259 demands; DEL and the C1 controls too, and what turns the
/// reading direction, so that JSON can be looked at on a terminal.
fn push_string(text: &mut String, value: &str) {
    text.push('"');
    for character in value.chars() {
        match character {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            _ if character.is_control() || crate::text::sanitize::is_misleading(character) => {
                push_unicode(text, character);
            }
            _ => text.push(character),
        }
    }
    text.push('"');
}

/// `\uXXXX`, above the BMP as a surrogate pair.
fn push_unicode(text: &mut String, character: char) {
    for unit in character.encode_utf16(&mut [0; 2]) {
        text.push_str("\\u");
        text.extend((0..4).rev().filter_map(|place| char::from_digit(u32::from(*unit >> (4 * place) & 0xf), 16)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nesting_and_commas() {
        let mut json = Writer::new();
        json.begin_array();
        json.begin_object().key("a").number(1).key("b").begin_array().end_array().key("c").bool(true).end_object();
        json.begin_object().end_object();
        json.string("x").optional(None).optional(Some("y"));
        json.end_array();
        assert_eq!(json.finish(), "[{\"a\":1,\"b\":[],\"c\":true},{},\"x\",null,\"y\"]\n");
    }

    #[test]
    fn strings_are_escaped_exactly() {
        let mut json = Writer::new();
        json.string("\"\\\n\r\t\0\x1b\x7f\u{9b}\u{202e}\u{e0041}ä/✓𝄞");
        assert_eq!(json.finish(), "\"\\\"\\\\\\n\\r\\t\\u0000\\u001b\\u007f\\u009b\\u202e\\udb40\\udc41ä/✓𝄞\"\n");
    }
}
