//! Types and signatures ("Type System"): text to types and back; pure.

use crate::error::{Error, Result};
use std::fmt;
use std::sync::Arc;

/// Bytes of one signature.
pub const SIGNATURE_MAX: usize = 255;
/// Arrays within arrays, and, counted apart, structs and dict entries within each other.
pub const NESTING_MAX: usize = 32;

/// One complete type. A dict entry stands nowhere but in an array: together they are `Dict`.
///
/// Copies share what is within: every array of a message has the type of its items, and a peer may send a hundred
/// thousand empty ones of a type that is 255 bytes long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Type {
    Byte,
    Bool,
    Int16,
    Uint16,
    Int32,
    Uint32,
    Int64,
    Uint64,
    Double,
    String,
    Path,
    Signature,
    Fd,
    Variant,
    Array(Arc<Type>),
    Struct(Arc<[Type]>),
    /// Key, which is basic, and value.
    Dict(Arc<(Type, Type)>),
}

impl Type {
    /// The boundary on which a value of this type starts, in bytes.
    pub fn alignment(&self) -> usize {
        match self {
            Type::Byte | Type::Signature | Type::Variant => 1,
            Type::Int16 | Type::Uint16 => 2,
            Type::Bool | Type::Int32 | Type::Uint32 | Type::Fd => 4,
            Type::String | Type::Path | Type::Array(_) | Type::Dict(_) => 4,
            Type::Int64 | Type::Uint64 | Type::Double | Type::Struct(_) => 8,
        }
    }

    pub fn array(of: Type) -> Type {
        Type::Array(Arc::new(of))
    }

    pub fn dict(key: Type, value: Type) -> Type {
        Type::Dict(Arc::new((key, value)))
    }

    /// Whether a dict may have keys of this type.
    pub fn is_basic(&self) -> bool {
        !matches!(self, Type::Variant | Type::Array(_) | Type::Struct(_) | Type::Dict(_))
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::Array(of) => write!(f, "a{of}"),
            Type::Dict(entry) => write!(f, "a{{{}{}}}", entry.0, entry.1),
            Type::Struct(fields) => write!(f, "({})", render(fields)),
            basic => write!(f, "{}", code(basic) as char),
        }
    }
}

fn code(basic: &Type) -> u8 {
    match basic {
        Type::Byte => b'y',
        Type::Bool => b'b',
        Type::Int16 => b'n',
        Type::Uint16 => b'q',
        Type::Int32 => b'i',
        Type::Uint32 => b'u',
        Type::Int64 => b'x',
        Type::Uint64 => b't',
        Type::Double => b'd',
        Type::String => b's',
        Type::Path => b'o',
        Type::Signature => b'g',
        Type::Fd => b'h',
        Type::Variant => b'v',
        Type::Array(_) | Type::Dict(_) => b'a',
        Type::Struct(_) => b'(',
    }
}

fn of_code(code: u8) -> Option<Type> {
    Some(match code {
        b'y' => Type::Byte,
        b'b' => Type::Bool,
        b'n' => Type::Int16,
        b'q' => Type::Uint16,
        b'i' => Type::Int32,
        b'u' => Type::Uint32,
        b'x' => Type::Int64,
        b't' => Type::Uint64,
        b'd' => Type::Double,
        b's' => Type::String,
        b'o' => Type::Path,
        b'g' => Type::Signature,
        b'h' => Type::Fd,
        b'v' => Type::Variant,
        _ => return None,
    })
}

/// The signature of these types, one after the other.
pub fn render(types: &[Type]) -> String {
    types.iter().map(Type::to_string).collect()
}

/// The complete types of which a signature is made; none for an empty one.
///
/// Errors: `Invalid`, saying which rule is broken.
pub fn parse(signature: &[u8]) -> Result<Vec<Type>> {
    if signature.len() > SIGNATURE_MAX {
        return Err(Error::invalid(format!("a signature of {} bytes is longer than {SIGNATURE_MAX}", signature.len())));
    }
    let mut rest = Cursor { bytes: signature, at: 0 };
    let mut types = Vec::new();
    while !rest.is_empty() {
        let fault = |why| Error::invalid(format!("signature \"{}\": {why}", signature.escape_ascii()));
        types.push(rest.complete(Nesting::default()).map_err(fault)?);
    }
    Ok(types)
}

/// The one complete type that a variant's signature holds.
pub fn parse_one(signature: &[u8]) -> Result<Type> {
    let mut types = parse(signature)?;
    match (types.pop(), types.is_empty()) {
        (Some(only), true) => Ok(only),
        _ => Err(Error::invalid(format!("signature \"{}\" is not one complete type", signature.escape_ascii()))),
    }
}

#[derive(Clone, Copy, Default)]
struct Nesting {
    arrays: usize,
    structs: usize,
}

impl Nesting {
    fn array(self) -> std::result::Result<Nesting, &'static str> {
        let deeper = Nesting { arrays: self.arrays + 1, ..self };
        if deeper.arrays > NESTING_MAX { Err("arrays nest too deep") } else { Ok(deeper) }
    }

    fn structure(self) -> std::result::Result<Nesting, &'static str> {
        let deeper = Nesting { structs: self.structs + 1, ..self };
        if deeper.structs > NESTING_MAX { Err("structs nest too deep") } else { Ok(deeper) }
    }
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn is_empty(&self) -> bool {
        self.at >= self.bytes.len()
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn next(&mut self) -> std::result::Result<u8, &'static str> {
        let byte = self.peek().ok_or("it ends within a type")?;
        self.at += 1;
        Ok(byte)
    }

    fn complete(&mut self, nesting: Nesting) -> std::result::Result<Type, &'static str> {
        match self.next()? {
            b'a' if self.peek() == Some(b'{') => self.dict(nesting.array()?.structure()?),
            b'a' => Ok(Type::array(self.complete(nesting.array()?)?)),
            b'(' => self.structure(nesting.structure()?),
            b'{' => Err("a dict entry stands outside an array"),
            code => of_code(code).ok_or("it holds an unknown type"),
        }
    }

    fn structure(&mut self, nesting: Nesting) -> std::result::Result<Type, &'static str> {
        let mut fields = Vec::new();
        while self.peek() != Some(b')') {
            fields.push(self.complete(nesting)?);
        }
        self.next()?;
        if fields.is_empty() { Err("a struct is empty") } else { Ok(Type::Struct(fields.into())) }
    }

    fn dict(&mut self, nesting: Nesting) -> std::result::Result<Type, &'static str> {
        self.next()?;
        let key = self.complete(nesting)?;
        if !key.is_basic() {
            return Err("a dict's key is a container");
        }
        let value = self.complete(nesting)?;
        if self.next()? != b'}' { Err("a dict entry has more than two types") } else { Ok(Type::dict(key, value)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_signatures_come_back_as_they_were() {
        let deep_array = format!("{}y", "a".repeat(NESTING_MAX));
        let deep_struct = format!("{}y{}", "(".repeat(NESTING_MAX), ")".repeat(NESTING_MAX));
        let deepest = format!("{}{}y{}", "a".repeat(NESTING_MAX), "(".repeat(NESTING_MAX), ")".repeat(NESTING_MAX));
        let long = "y".repeat(SIGNATURE_MAX);
        let good =
            ["", "ybnqiuxtdsoghv", "a{sv}", "a(sasas)", "a{oa{sa{sv}}}", "(a(yv)ay)", "aa{yv}", "a{ha(i)}", "((y))yy"];
        for text in good.into_iter().chain([&*deep_array, &*deep_struct, &*deepest, &*long]) {
            assert_eq!(render(&parse(text.as_bytes()).unwrap()), text);
        }
    }

    #[test]
    fn bad_signatures() {
        let deep_array = format!("{}y", "a".repeat(NESTING_MAX + 1));
        let deep_struct = format!("{}y{}", "(".repeat(NESTING_MAX + 1), ")".repeat(NESTING_MAX + 1));
        let long = "y".repeat(SIGNATURE_MAX + 1);
        let bad = [
            "a", "(", ")", "()", "(y", "y)", "{sv}", "a{sv", "a{s}", "a{}", "a{svv}", "a{vs}", "a{(y)s}", "a{ays}",
            "a()", "e", "r", "z", "m", "\0", "y\0", "a{s", "a{", "aa", "(a)", "a(y", "({sv})", "a{{ss}s}", "a{s{ss}}",
            "\u{e4}", " ",
        ];
        for text in bad.into_iter().chain([&*deep_array, &*deep_struct, &*long]) {
            assert!(parse(text.as_bytes()).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_variant_holds_exactly_one_type() {
        assert_eq!(parse_one(b"a{sv}").unwrap(), Type::dict(Type::String, Type::Variant));
        assert!(parse_one(b"").is_err());
        assert!(parse_one(b"yy").is_err());
    }
}
