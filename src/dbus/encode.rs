//! Values to bytes ("Marshaling"); pure. Its other half is `decode`: what this refuses, that refuses too.

use crate::dbus::signature::{self, Type};
use crate::dbus::value::Value;
use crate::dbus::{ARRAY_MAX, DEPTH_MAX, Endian, name};
use crate::error::{Error, Result};

/// The bytes of these values, one after the other; their alignment counts from the first byte.
///
/// `fds` is how many descriptors go along. Errors: `Invalid` for what no peer may be sent.
pub fn values(values: &[Value], endian: Endian, fds: usize) -> Result<Vec<u8>> {
    let mut writer = Writer { bytes: Vec::new(), endian, fds, depth: 0 };
    for value in values {
        writer.value(value)?;
    }
    Ok(writer.bytes)
}

struct Writer {
    bytes: Vec<u8>,
    endian: Endian,
    fds: usize,
    depth: usize,
}

impl Writer {
    fn align(&mut self, boundary: usize) {
        self.bytes.resize(self.bytes.len().next_multiple_of(boundary), 0);
    }

    /// Takes little-endian bytes, which are aligned to their own number.
    fn fixed<const N: usize>(&mut self, mut bytes: [u8; N]) {
        self.align(N);
        if self.endian == Endian::Big {
            bytes.reverse();
        }
        self.bytes.extend(bytes);
    }

    fn value(&mut self, value: &Value) -> Result<()> {
        match value {
            Value::Byte(value) => self.fixed([*value]),
            Value::Bool(value) => self.fixed(u32::from(*value).to_le_bytes()),
            Value::Int16(value) => self.fixed(value.to_le_bytes()),
            Value::Uint16(value) => self.fixed(value.to_le_bytes()),
            Value::Int32(value) => self.fixed(value.to_le_bytes()),
            Value::Uint32(value) => self.fixed(value.to_le_bytes()),
            Value::Int64(value) => self.fixed(value.to_le_bytes()),
            Value::Uint64(value) => self.fixed(value.to_le_bytes()),
            Value::Double(value) => self.fixed(value.to_le_bytes()),
            Value::Fd(index) => return self.fd(*index),
            Value::String(text) => return self.string(text),
            Value::Path(text) => return self.path(text),
            Value::Signature(text) => return self.signature(text),
            Value::Variant(held) => return self.nested(|writer| writer.variant(held)),
            Value::Bytes(bytes) => return self.nested(|writer| writer.byte_array(bytes)),
            Value::Array(of, items) => return self.nested(|writer| writer.array(of, items)),
            Value::Struct(fields) => return self.nested(|writer| writer.structure(fields)),
            Value::Dict(entry, entries) => return self.nested(|writer| writer.dict(entry, entries)),
        }
        Ok(())
    }

    fn nested(&mut self, write: impl FnOnce(&mut Writer) -> Result<()>) -> Result<()> {
        if self.depth >= DEPTH_MAX {
            return Err(Error::invalid("values nest too deep for a D-Bus message"));
        }
        self.depth += 1;
        let done = write(self);
        self.depth -= 1;
        done
    }

    fn fd(&mut self, index: u32) -> Result<()> {
        if !usize::try_from(index).is_ok_and(|index| index < self.fds) {
            return Err(Error::invalid(format!("descriptor {index} does not go along with its D-Bus message")));
        }
        self.fixed(index.to_le_bytes());
        Ok(())
    }

    fn string(&mut self, text: &str) -> Result<()> {
        let length = u32::try_from(text.len()).map_err(|_| Error::invalid("a string is too long for D-Bus"))?;
        if text.contains('\0') {
            return Err(Error::invalid(format!("{text:?} holds NUL, which D-Bus cannot carry")));
        }
        self.fixed(length.to_le_bytes());
        self.terminated(text);
        Ok(())
    }

    fn terminated(&mut self, text: &str) {
        self.bytes.extend(text.as_bytes());
        self.bytes.push(0);
    }

    fn path(&mut self, text: &str) -> Result<()> {
        if name::is_path(text) { self.string(text) } else { Err(Error::invalid(format!("{text:?} is no object path"))) }
    }

    fn signature(&mut self, text: &str) -> Result<()> {
        signature::parse(text.as_bytes())?;
        let length = u8::try_from(text.len()).map_err(|_| Error::invalid("a signature is too long"))?;
        self.bytes.push(length);
        self.terminated(text);
        Ok(())
    }

    fn variant(&mut self, held: &Value) -> Result<()> {
        self.signature(&held.kind().to_string())?;
        self.value(held)
    }

    fn structure(&mut self, fields: &[Value]) -> Result<()> {
        self.align(8);
        fields.iter().try_for_each(|field| self.value(field))
    }

    fn byte_array(&mut self, bytes: &[u8]) -> Result<()> {
        self.counted(1, |writer| {
            writer.bytes.extend(bytes);
            Ok(())
        })
    }

    fn array(&mut self, of: &Type, items: &[Value]) -> Result<()> {
        check_all(items.iter(), of)?;
        self.counted(of.alignment(), |writer| items.iter().try_for_each(|item| writer.value(item)))
    }

    /// A dict entry is a container of its own.
    fn dict(&mut self, entry: &(Type, Type), entries: &[(Value, Value)]) -> Result<()> {
        check_all(entries.iter().map(|(key, _)| key), &entry.0)?;
        check_all(entries.iter().map(|(_, value)| value), &entry.1)?;
        self.counted(8, |writer| entries.iter().try_for_each(|pair| writer.nested(|writer| writer.pair(pair))))
    }

    fn pair(&mut self, pair: &(Value, Value)) -> Result<()> {
        self.align(8);
        self.value(&pair.0)?;
        self.value(&pair.1)
    }

    /// Writes items behind their length, which counts neither itself nor the padding before the first item.
    fn counted(&mut self, boundary: usize, write: impl FnOnce(&mut Writer) -> Result<()>) -> Result<()> {
        self.fixed([0; 4]);
        let length_at = self.bytes.len() - 4;
        self.align(boundary);
        let start = self.bytes.len();
        write(self)?;
        let length = u32::try_from(self.bytes.len() - start).ok().filter(|length| *length as usize <= ARRAY_MAX);
        let length = length.ok_or_else(|| Error::invalid("an array is longer than 64 MiB"))?;
        let bytes = match self.endian {
            Endian::Little => length.to_le_bytes(),
            Endian::Big => length.to_be_bytes(),
        };
        self.bytes[length_at..length_at + 4].copy_from_slice(&bytes);
        Ok(())
    }
}

fn check_all<'a>(mut items: impl Iterator<Item = &'a Value>, of: &Type) -> Result<()> {
    match items.find(|item| !item.is(of)) {
        None => Ok(()),
        Some(item) => Err(Error::invalid(format!("a value of type {} stands in an array of {of}", item.kind()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dbus::decode;

    fn of_every_type() -> Vec<Value> {
        vec![
            Value::Byte(1),
            Value::Bool(true),
            Value::Int16(-2),
            Value::Uint16(2),
            Value::Int32(-3),
            Value::Uint32(3),
            Value::Int64(-4),
            Value::Uint64(u64::MAX),
            Value::Double(0.5),
            Value::from("text \u{e4}"),
            Value::path("/a/b"),
            Value::Signature("a{sv}".into()),
            Value::Fd(0),
            Value::variant(Value::variant(7u32)),
            Value::Bytes(vec![1, 2, 3]),
            Value::strings(["a", ""]),
            Value::Array(Type::Struct([Type::Byte, Type::Uint64].into()), vec![]),
            Value::Struct(vec![Value::Byte(1), Value::Struct(vec![Value::Uint64(1)])]),
            Value::Dict((Type::Byte, Type::Variant).into(), vec![(Value::Byte(1), Value::variant("x"))]),
            Value::Array(Type::array(Type::Byte), vec![Value::Bytes(vec![]), Value::Bytes(vec![9])]),
        ]
    }

    #[test]
    fn every_type_comes_back_in_both_byte_orders() {
        let all = of_every_type();
        let types: Vec<Type> = all.iter().map(Value::kind).collect();
        for endian in [Endian::Little, Endian::Big] {
            let bytes = values(&all, endian, 1).unwrap();
            assert_eq!(decode::values(&types, &bytes, endian, 1).unwrap(), all);
            for cut in 0..bytes.len() {
                assert!(decode::values(&types, &bytes[..cut], endian, 1).is_err(), "cut at {cut}");
            }
        }
    }

    #[test]
    fn spelled_out() {
        assert_eq!(values(&[Value::Byte(1), Value::Uint32(2)], Endian::Big, 0).unwrap(), b"\x01\0\0\0\0\0\0\x02");
        let dict = Value::Dict((Type::Byte, Type::Byte).into(), vec![(Value::Byte(1), Value::Byte(2))]);
        assert_eq!(values(&[dict], Endian::Little, 0).unwrap(), b"\x02\0\0\0\0\0\0\0\x01\x02");
    }

    #[test]
    fn what_no_peer_may_be_sent_is_refused() {
        let mixed = Value::Array(Type::String, vec![Value::Byte(1)]);
        let deep = (0..DEPTH_MAX + 1).fold(Value::Byte(1), |value, _| Value::variant(value));
        let bad = [
            Value::from("a\0b"),
            Value::path("a"),
            Value::Signature("a".into()),
            Value::Fd(1),
            mixed,
            deep,
            Value::variant(Value::Struct(vec![])),
        ];
        for value in bad {
            assert!(values(std::slice::from_ref(&value), Endian::Little, 1).is_err(), "{value:?}");
        }
    }
}
