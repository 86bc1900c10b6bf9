//! JSON, read (RFC 8259), from foreign bytes: total, bounded, and stricter where readers disagree with one another, as
//! two programs that see two documents in the same signed bytes is how a check is got around. So: a key that stands
//! there twice is refused, and so are half surrogate pairs, a byte order mark and what is no UTF-8.

use crate::error::{Error, Result};

/// What one document may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub bytes: usize,
    /// Values and keys together: each takes some fifty bytes of memory, however short its text.
    pub values: usize,
    /// Arrays and objects in one another.
    pub depth: usize,
}

impl Default for Limits {
    /// Those of registries: documents of 4 MiB. An image of 500 layers has some 5,000 values.
    fn default() -> Limits {
        Limits { bytes: 4 << 20, values: 200_000, depth: 64 }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    /// A whole number that fits.
    Integer(i64),
    /// Every other number, as its text: nothing is rounded.
    Number(String),
    String(String),
    Array(Vec<Value>),
    /// In the order of the text; no key twice.
    Object(Vec<(String, Value)>),
}

impl Value {
    /// The value of this key; None too when this is no object.
    pub fn get(&self, key: &str) -> Option<&Value> {
        match self {
            Value::Object(pairs) => pairs.iter().find(|(known, _)| known == key).map(|(_, value)| value),
            _ => None,
        }
    }

    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Value::Integer(number) => Some(*number),
            _ => None,
        }
    }

    pub fn as_array(&self) -> Option<&[Value]> {
        match self {
            Value::Array(values) => Some(values),
            _ => None,
        }
    }

    pub fn as_object(&self) -> Option<&[(String, Value)]> {
        match self {
            Value::Object(pairs) => Some(pairs),
            _ => None,
        }
    }
}

/// The one value of a document. Errors: `Invalid`, with the place in bytes.
pub fn parse(bytes: &[u8], limits: Limits) -> Result<Value> {
    if bytes.len() > limits.bytes {
        return Err(Error::invalid(format!(
            "the JSON document has {} bytes: at most {} are read",
            bytes.len(),
            limits.bytes
        )));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| fault(error.valid_up_to(), "this is not UTF-8"))?;
    let mut reader = Reader { text, at: 0, values: limits.values };
    let value = reader.value(limits.depth)?;
    reader.space();
    match reader.peek() {
        None => Ok(value),
        Some(_) => Err(reader.fault("something stands behind the end")),
    }
}

fn fault(at: usize, what: &str) -> Error {
    Error::invalid(format!("JSON, byte {at}: {what}"))
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// How many more are taken.
    values: usize,
}

impl Reader<'_> {
    fn fault(&self, what: &str) -> Error {
        fault(self.at, what)
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, wanted: u8) -> bool {
        let is_there = self.peek() == Some(wanted);
        self.at += usize::from(is_there);
        is_there
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn count(&mut self) -> Result<()> {
        self.values = self.values.checked_sub(1).ok_or_else(|| self.fault("there are too many values"))?;
        Ok(())
    }

    /// Inside it `depth` more arrays and objects may stand in one another.
    fn value(&mut self, depth: usize) -> Result<Value> {
        self.count()?;
        self.space();
        match self.peek() {
            Some(b'{') => self.object(self.deeper(depth)?),
            Some(b'[') => self.array(self.deeper(depth)?),
            Some(b'"') => self.string().map(Value::String),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'n') => self.word("null", Value::Null),
            Some(_) => Err(self.fault("no value begins so")),
            None => Err(self.fault("it is cut off")),
        }
    }

    fn deeper(&self, depth: usize) -> Result<usize> {
        depth.checked_sub(1).ok_or_else(|| self.fault("arrays and objects stand in one another too deep"))
    }

    fn word(&mut self, word: &str, value: Value) -> Result<Value> {
        match self.text.get(self.at..).is_some_and(|rest| rest.starts_with(word)) {
            true => {
                self.at += word.len();
                Ok(value)
            }
            false => Err(self.fault("no value begins so")),
        }
    }

    fn array(&mut self, depth: usize) -> Result<Value> {
        let mut values = Vec::new();
        self.at += 1;
        self.space();
        if self.take(b']') {
            return Ok(Value::Array(values));
        }
        loop {
            values.push(self.value(depth)?);
            self.space();
            if self.take(b']') {
                return Ok(Value::Array(values));
            }
            self.demand(b',', "there is no ',' or ']'")?;
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value> {
        let start = self.at;
        let mut pairs = Vec::new();
        self.at += 1;
        self.space();
        if self.take(b'}') {
            return Ok(Value::Object(pairs));
        }
        loop {
            pairs.push(self.pair(depth)?);
            self.space();
            if self.take(b'}') {
                break;
            }
            self.demand(b',', "there is no ',' or '}'")?;
        }
        match twice(&pairs) {
            None => Ok(Value::Object(pairs)),
            Some(key) => Err(fault(start, &format!("the key {:?} stands there twice", shown(key)))),
        }
    }

    fn pair(&mut self, depth: usize) -> Result<(String, Value)> {
        self.count()?;
        self.space();
        let key = self.string()?;
        self.space();
        self.demand(b':', "there is no ':'")?;
        Ok((key, self.value(depth)?))
    }

    fn demand(&mut self, wanted: u8, what: &str) -> Result<()> {
        match self.take(wanted) {
            true => Ok(()),
            false => Err(self.fault(what)),
        }
    }

    fn digits(&mut self) -> Result<()> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start { Err(self.fault("there is no digit")) } else { Ok(()) }
    }

    fn number(&mut self) -> Result<Value> {
        let start = self.at;
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            let _ = self.take(b'+') || self.take(b'-');
            self.digits()?;
        }
        let text = self.text.get(start..self.at).unwrap_or_default();
        Ok(text.parse().map_or_else(|_| Value::Number(text.to_string()), Value::Integer))
    }

    fn string(&mut self) -> Result<String> {
        self.demand(b'"', "there is no '\"'")?;
        let mut string = String::new();
        loop {
            let start = self.at;
            while self.peek().is_some_and(|byte| !matches!(byte, b'"' | b'\\' | 0..=0x1f)) {
                self.at += 1;
            }
            string.push_str(self.text.get(start..self.at).unwrap_or_default());
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => string.push(self.escape()?),
                Some(_) => return Err(self.fault("a control character stands in a string")),
                None => return Err(self.fault("it is cut off")),
            }
        }
        self.at += 1;
        Ok(string)
    }

    fn escape(&mut self) -> Result<char> {
        self.at += 1;
        let letter = self.peek().ok_or_else(|| self.fault("it is cut off"))?;
        let character = match letter {
            b'"' | b'\\' | b'/' => char::from(letter),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode(),
            _ => return Err(self.fault("there is no such escape")),
        };
        self.at += 1;
        Ok(character)
    }

    /// From the `u` on: one `uXXXX`, or a pair of surrogates.
    fn unicode(&mut self) -> Result<char> {
        let first = self.unit()?;
        let mut units = vec![first];
        if (0xd800..0xdc00).contains(&first) && self.take(b'\\') {
            units.push(self.unit()?);
        }
        match char::decode_utf16(units).next() {
            Some(Ok(character)) => Ok(character),
            _ => Err(self.fault("half a surrogate pair")),
        }
    }

    fn unit(&mut self) -> Result<u16> {
        self.demand(b'u', "half a surrogate pair")?;
        let hex = self.text.as_bytes().get(self.at..self.at + 4).unwrap_or_default();
        let digit = |value: u16, digit: &u8| Some(value << 4 | char::from(*digit).to_digit(16)? as u16);
        let value = hex.iter().try_fold(0, digit).filter(|_| hex.len() == 4);
        let value = value.ok_or_else(|| self.fault("there are no four hexadecimal digits"))?;
        self.at += 4;
        Ok(value)
    }
}

/// A key that is there more than once; in the time of a sort, as whoever wrote the document chose how many there are.
fn twice(pairs: &[(String, Value)]) -> Option<&str> {
    let mut keys: Vec<&str> = pairs.iter().map(|(key, _)| key.as_str()).collect();
    keys.sort_unstable();
    keys.iter().zip(keys.iter().skip(1)).find(|(one, next)| one == next).map(|(one, _)| *one)
}

/// As much of a key as belongs into a message.
fn shown(key: &str) -> String {
    key.chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Value> {
        parse(text.as_bytes(), Limits::default())
    }

    fn string(text: &str) -> Value {
        Value::String(text.to_string())
    }

    #[test]
    fn values_of_each_kind() {
        let pair = |key: &str, value| (key.to_string(), value);
        let text = " { \"a\" : [ null , true,false,-12, 1.50,1e3 ] ,\t\"b\":{}, \"c\":[],\r\n\"d\":\"x\" } ";
        let numbers = [Value::Integer(-12), Value::Number("1.50".into()), Value::Number("1e3".into())];
        let mut array = vec![Value::Null, Value::Bool(true), Value::Bool(false)];
        array.extend(numbers);
        let wanted = Value::Object(vec![
            pair("a", Value::Array(array)),
            pair("b", Value::Object(vec![])),
            pair("c", Value::Array(vec![])),
            pair("d", string("x")),
        ]);
        assert_eq!(read(text).unwrap(), wanted);
        assert_eq!(read("0").unwrap(), Value::Integer(0));
        assert_eq!(read("9223372036854775807").unwrap(), Value::Integer(i64::MAX));
        assert_eq!(read("9223372036854775808").unwrap(), Value::Number("9223372036854775808".into()));
    }

    #[test]
    fn strings_with_every_escape() {
        let text = r#""\"\\\/\b\f\n\r\t\u00e4\u20AC\ud834\udd1e\u0000ä€𝄞""#;
        assert_eq!(read(text).unwrap(), string("\"\\/\u{8}\u{c}\n\r\tä€𝄞\0ä€𝄞"));
    }

    #[test]
    fn what_was_written_is_read() {
        let all: String = (0..0x300).filter_map(char::from_u32).chain("\u{202e}\u{e0041}𝄞".chars()).collect();
        let mut json = crate::text::json::Writer::new();
        json.begin_object().key(&all).string(&all).key("n").number(7).key("o").optional(None).end_object();
        let value = read(&json.finish()).unwrap();
        assert_eq!(value.get(&all).and_then(Value::as_str), Some(all.as_str()));
        assert_eq!(value.get("n").and_then(Value::as_i64), Some(7));
        assert_eq!(value.get("o"), Some(&Value::Null));
    }

    #[test]
    fn what_is_no_json_is_refused_with_its_place() {
        for (text, told) in [
            ("", "byte 0: it is cut off"),
            (" ", "byte 1: it is cut off"),
            ("\u{feff}1", "byte 0: no value begins so"),
            ("1 2", "byte 2: something stands behind the end"),
            ("{}x", "byte 2: something stands behind the end"),
            ("[1,]", "byte 3: no value begins so"),
            ("[1 2]", "byte 3: there is no ',' or ']'"),
            ("[1", "byte 2: there is no ',' or ']'"),
            ("{\"a\":1,}", "byte 7: there is no '\"'"),
            ("{\"a\" 1}", "byte 5: there is no ':'"),
            ("{a:1}", "byte 1: there is no '\"'"),
            ("{1:1}", "byte 1: there is no '\"'"),
            ("'a'", "byte 0: no value begins so"),
            ("NaN", "byte 0: no value begins so"),
            ("Infinity", "byte 0: no value begins so"),
            ("-Infinity", "byte 1: there is no digit"),
            ("nul", "byte 0: no value begins so"),
            ("TRUE", "byte 0: no value begins so"),
            ("01", "byte 1: something stands behind the end"),
            ("+1", "byte 0: no value begins so"),
            (".5", "byte 0: no value begins so"),
            ("1.", "byte 2: there is no digit"),
            ("1e", "byte 2: there is no digit"),
            ("-", "byte 1: there is no digit"),
            ("0x10", "byte 1: something stands behind the end"),
            ("\"a", "byte 2: it is cut off"),
            ("\"a\nb\"", "byte 2: a control character stands in a string"),
            ("\"\\x\"", "byte 2: there is no such escape"),
            ("\"\\u12\"", "byte 3: there are no four hexadecimal digits"),
            ("\"\\u+123\"", "byte 3: there are no four hexadecimal digits"),
            ("\"\\ud800\"", "byte 7: half a surrogate pair"),
            ("\"\\udc00\\ud800\"", "byte 7: half a surrogate pair"),
            ("\"\\ud800\\u0041\"", "byte 13: half a surrogate pair"),
            ("\"\\ud800\\n\"", "byte 8: half a surrogate pair"),
            ("// c\n1", "byte 0: no value begins so"),
            ("{\"a\":1,\"b\":2,\"\\u0061\":3}", "byte 0: the key \"a\" stands there twice"),
        ] {
            assert_eq!(read(text).unwrap_err().to_string(), format!("JSON, {told}"), "{text:?}");
        }
        assert!(parse(b"\"\xff\"", Limits::default()).unwrap_err().to_string().contains("byte 1: this is not UTF-8"));
    }

    #[test]
    fn a_document_cut_anywhere_is_refused() {
        let text = r#"{"a":[1,-2.5e3,"x\u00e4\ud834\udd1e",null,true],"b":{"c":"ä"}}"#;
        assert!(read(text).is_ok());
        for end in 0..text.len() {
            assert!(parse(&text.as_bytes()[..end], Limits::default()).is_err(), "{end}");
        }
    }

    #[test]
    fn every_limit_is_held() {
        let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(read(&deep(64)).is_ok());
        assert!(read(&deep(65)).unwrap_err().to_string().contains("too deep"));
        assert!(read(&"[".repeat(1 << 20)).is_err() && read(&"{\"a\":".repeat(1 << 18)).is_err());
        let few = Limits { values: 4, ..Limits::default() };
        assert!(parse(b"[1,2,3]", few).is_ok());
        assert!(parse(b"[1,2,3,4]", few).unwrap_err().to_string().contains("too many values"));
        assert!(parse(b"{\"a\":1,\"b\":2}", few).is_err());
        let short = Limits { bytes: 4, ..Limits::default() };
        assert!(parse(b"    1", short).unwrap_err().to_string().contains("at most 4 are read"));
    }

    #[test]
    fn many_keys_are_no_square() {
        let pairs: Vec<String> = (0..90_000).map(|number| format!("\"k{number}\":0")).collect();
        let started = std::time::Instant::now();
        assert!(read(&format!("{{{}}}", pairs.join(","))).is_ok());
        assert!(started.elapsed().as_secs() < 10);
    }
}
