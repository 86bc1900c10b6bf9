//! Values of every D-Bus type; pure.

use crate::dbus::signature::Type;
use std::sync::Arc;

/// One value. Strings, paths and signatures are checked where they are encoded and decoded.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Byte(u8),
    Bool(bool),
    Int16(i16),
    Uint16(u16),
    Int32(i32),
    Uint32(u32),
    Int64(i64),
    Uint64(u64),
    Double(f64),
    String(String),
    Path(String),
    Signature(String),
    /// An index into the descriptors of its message.
    Fd(u32),
    Variant(Box<Value>),
    /// An array of bytes, which as an `Array` would take forty times its room.
    Bytes(Vec<u8>),
    Array(Type, Vec<Value>),
    Struct(Vec<Value>),
    /// The types of key and value, and the entries in their order.
    Dict(Arc<(Type, Type)>, Vec<(Value, Value)>),
}

impl Value {
    pub fn path(text: impl Into<String>) -> Value {
        Value::Path(text.into())
    }

    pub fn variant(value: impl Into<Value>) -> Value {
        Value::Variant(Box::new(value.into()))
    }

    /// An `as`.
    pub fn strings<S: Into<String>>(items: impl IntoIterator<Item = S>) -> Value {
        Value::Array(Type::String, items.into_iter().map(|item| Value::String(item.into())).collect())
    }

    /// The type of this value, as a signature would name it.
    pub fn kind(&self) -> Type {
        match self {
            Value::Byte(_) => Type::Byte,
            Value::Bool(_) => Type::Bool,
            Value::Int16(_) => Type::Int16,
            Value::Uint16(_) => Type::Uint16,
            Value::Int32(_) => Type::Int32,
            Value::Uint32(_) => Type::Uint32,
            Value::Int64(_) => Type::Int64,
            Value::Uint64(_) => Type::Uint64,
            Value::Double(_) => Type::Double,
            Value::String(_) => Type::String,
            Value::Path(_) => Type::Path,
            Value::Signature(_) => Type::Signature,
            Value::Fd(_) => Type::Fd,
            Value::Variant(_) => Type::Variant,
            Value::Bytes(_) => Type::array(Type::Byte),
            Value::Array(of, _) => Type::array(of.clone()),
            Value::Struct(fields) => Type::Struct(fields.iter().map(Value::kind).collect()),
            Value::Dict(entry, _) => Type::Dict(entry.clone()),
        }
    }

    /// Whether `kind` would answer this type, without making it.
    pub fn is(&self, of: &Type) -> bool {
        match (self, of) {
            (Value::Bytes(_), Type::Array(item)) => **item == Type::Byte,
            (Value::Array(item, _), Type::Array(of)) => item == &**of,
            (Value::Dict(entry, _), Type::Dict(of)) => entry == of,
            (Value::Struct(fields), Type::Struct(types)) => {
                fields.len() == types.len() && fields.iter().zip(types.iter()).all(|(field, of)| field.is(of))
            }
            (Value::Array(..) | Value::Dict(..) | Value::Struct(_) | Value::Bytes(_), _) => false,
            (basic, of) => basic.kind() == *of,
        }
    }

    /// The text of a string, path or signature; a variant's is that of what it holds.
    pub fn as_str(&self) -> Option<&str> {
        match self.inner() {
            Value::String(text) | Value::Path(text) | Value::Signature(text) => Some(text),
            _ => None,
        }
    }

    /// Any integer, as far as it fits.
    pub fn as_i64(&self) -> Option<i64> {
        match self.inner() {
            Value::Byte(value) => Some(i64::from(*value)),
            Value::Int16(value) => Some(i64::from(*value)),
            Value::Uint16(value) => Some(i64::from(*value)),
            Value::Int32(value) => Some(i64::from(*value)),
            Value::Uint32(value) => Some(i64::from(*value)),
            Value::Int64(value) => Some(*value),
            Value::Uint64(value) => i64::try_from(*value).ok(),
            _ => None,
        }
    }

    pub fn as_u32(&self) -> Option<u32> {
        u32::try_from(self.as_i64()?).ok()
    }

    pub fn as_i32(&self) -> Option<i32> {
        i32::try_from(self.as_i64()?).ok()
    }

    pub fn as_u64(&self) -> Option<u64> {
        match self.inner() {
            Value::Uint64(value) => Some(*value),
            other => u64::try_from(other.as_i64()?).ok(),
        }
    }

    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self.inner() {
            Value::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The items of an array or the fields of a struct; none for whatever else.
    pub fn items(&self) -> &[Value] {
        match self.inner() {
            Value::Array(_, items) | Value::Struct(items) => items,
            _ => &[],
        }
    }

    /// The entry of a dict under this text.
    pub fn lookup(&self, key: &str) -> Option<&Value> {
        match self.inner() {
            Value::Dict(_, entries) => {
                entries.iter().find(|(name, _)| name.as_str() == Some(key)).map(|(_, value)| value.inner())
            }
            _ => None,
        }
    }

    /// What a variant holds, however often it is wrapped; itself for whatever else.
    pub fn inner(&self) -> &Value {
        let mut value = self;
        while let Value::Variant(held) = value {
            value = held;
        }
        value
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::String(text.to_string())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::String(text)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Value {
        Value::Bool(value)
    }
}

impl From<i32> for Value {
    fn from(value: i32) -> Value {
        Value::Int32(value)
    }
}

impl From<u32> for Value {
    fn from(value: u32) -> Value {
        Value::Uint32(value)
    }
}

impl From<u64> for Value {
    fn from(value: u64) -> Value {
        Value::Uint64(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_read_as_far_as_they_fit() {
        assert_eq!(Value::variant(7u32).as_i32(), Some(7));
        assert_eq!(Value::Int32(-1).as_u32(), None);
        assert_eq!(Value::Uint64(u64::MAX).as_u64(), Some(u64::MAX));
        assert_eq!(Value::Uint64(u64::MAX).as_i64(), None);
        assert_eq!(Value::from("7").as_u32(), None);
    }

    #[test]
    fn a_dict_is_looked_up_through_its_variants() {
        let entries = vec![(Value::from("a"), Value::variant(1u32)), (Value::from("b"), Value::variant("x"))];
        let dict = Value::Dict((Type::String, Type::Variant).into(), entries);
        assert_eq!(dict.lookup("b").and_then(Value::as_str), Some("x"));
        assert_eq!(dict.lookup("c"), None);
        assert_eq!(dict.kind().to_string(), "a{sv}");
    }
}
