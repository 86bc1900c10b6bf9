//! Bytes to values ("Marshaling"): total and bounded; pure. Its other half is `encode`.

use crate::dbus::signature::{self, Type};
use crate::dbus::value::Value;
use crate::dbus::{ARRAY_MAX, DEPTH_MAX, Endian, name};
use crate::error::{Error, Result};
use std::sync::Arc;

/// The values of these types that make up the whole of `bytes`. Their alignment counts from its start.
///
/// `fds` is how many descriptors came along. Errors: `Invalid`, with the offset.
pub fn values(types: &[Type], bytes: &[u8], endian: Endian, fds: usize) -> Result<Vec<Value>> {
    let mut reader = Reader::new(bytes, endian, fds);
    let values = types.iter().map(|of| reader.value(of)).collect::<Result<Vec<Value>>>()?;
    reader.finish()?;
    Ok(values)
}

/// A place in foreign bytes. Nothing is ever read past `end`, which an array draws in for its items.
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    end: usize,
    endian: Endian,
    fds: usize,
    depth: usize,
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8], endian: Endian, fds: usize) -> Reader<'a> {
        Reader { bytes, at: 0, end: bytes.len(), endian, fds, depth: 0 }
    }

    pub fn position(&self) -> usize {
        self.at
    }

    /// Nothing may be left.
    pub fn finish(&self) -> Result<()> {
        if self.at == self.end { Ok(()) } else { Err(self.fault("bytes are left over")) }
    }

    fn fault(&self, why: &str) -> Error {
        Error::invalid(format!("byte {} of a D-Bus message: {why}", self.at))
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let next = self.at.checked_add(count).filter(|next| *next <= self.end);
        let next = next.ok_or_else(|| self.fault("it ends within a value"))?;
        let taken = self.bytes.get(self.at..next).ok_or_else(|| self.fault("it ends within a value"))?;
        self.at = next;
        Ok(taken)
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N]> {
        self.align(N)?;
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        if self.endian == Endian::Big {
            array.reverse();
        }
        Ok(array)
    }

    /// Skips to the next multiple of `boundary`; what is skipped must be zero.
    pub fn align(&mut self, boundary: usize) -> Result<()> {
        let padding = self.take(self.at.next_multiple_of(boundary) - self.at)?;
        if padding.iter().all(|byte| *byte == 0) { Ok(()) } else { Err(self.fault("padding is not zero")) }
    }

    pub fn u8(&mut self) -> Result<u8> {
        Ok(self.fixed::<1>()?[0])
    }

    pub fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.fixed()?))
    }

    pub fn value(&mut self, of: &Type) -> Result<Value> {
        Ok(match of {
            Type::Byte => Value::Byte(self.u8()?),
            Type::Bool => Value::Bool(self.bool()?),
            Type::Int16 => Value::Int16(i16::from_le_bytes(self.fixed()?)),
            Type::Uint16 => Value::Uint16(u16::from_le_bytes(self.fixed()?)),
            Type::Int32 => Value::Int32(i32::from_le_bytes(self.fixed()?)),
            Type::Uint32 => Value::Uint32(self.u32()?),
            Type::Int64 => Value::Int64(i64::from_le_bytes(self.fixed()?)),
            Type::Uint64 => Value::Uint64(u64::from_le_bytes(self.fixed()?)),
            Type::Double => Value::Double(f64::from_le_bytes(self.fixed()?)),
            Type::String => Value::String(self.string()?),
            Type::Path => Value::Path(self.path()?),
            Type::Signature => Value::Signature(self.signature()?),
            Type::Fd => Value::Fd(self.fd()?),
            Type::Variant => self.nested(Reader::variant)?,
            Type::Array(item) => self.nested(|reader| reader.array(item))?,
            Type::Struct(fields) => self.nested(|reader| reader.structure(fields))?,
            Type::Dict(entry) => self.nested(|reader| reader.dict(entry))?,
        })
    }

    fn nested(&mut self, read: impl FnOnce(&mut Reader<'a>) -> Result<Value>) -> Result<Value> {
        if self.depth >= DEPTH_MAX {
            return Err(self.fault("values nest too deep"));
        }
        self.depth += 1;
        let value = read(self);
        self.depth -= 1;
        value
    }

    fn bool(&mut self) -> Result<bool> {
        match self.u32()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(self.fault("a boolean is neither 0 nor 1")),
        }
    }

    fn fd(&mut self) -> Result<u32> {
        let index = self.u32()?;
        let known = usize::try_from(index).is_ok_and(|index| index < self.fds);
        if known { Ok(index) } else { Err(self.fault("a descriptor is named that did not come along")) }
    }

    fn string(&mut self) -> Result<String> {
        let length = self.u32()?;
        self.text(length as usize)
    }

    fn text(&mut self, length: usize) -> Result<String> {
        let bytes = self.take(length)?;
        if bytes.contains(&0) {
            return Err(self.fault("a string holds NUL"));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| self.fault("a string is not UTF-8"))?;
        if self.u8()? != 0 {
            return Err(self.fault("a string does not end with NUL"));
        }
        Ok(text.to_string())
    }

    fn path(&mut self) -> Result<String> {
        let text = self.string()?;
        if name::is_path(&text) { Ok(text) } else { Err(self.fault("an object path breaks its rules")) }
    }

    fn signature(&mut self) -> Result<String> {
        let length = self.u8()?;
        let text = self.text(usize::from(length))?;
        signature::parse(text.as_bytes()).map_err(|error| self.fault(&error.to_string()))?;
        Ok(text)
    }

    fn variant(&mut self) -> Result<Value> {
        let length = self.u8()?;
        let text = self.text(usize::from(length))?;
        let of = signature::parse_one(text.as_bytes()).map_err(|error| self.fault(&error.to_string()))?;
        Ok(Value::Variant(Box::new(self.value(&of)?)))
    }

    fn structure(&mut self, fields: &[Type]) -> Result<Value> {
        self.align(8)?;
        Ok(Value::Struct(fields.iter().map(|of| self.value(of)).collect::<Result<_>>()?))
    }

    fn array(&mut self, item: &Type) -> Result<Value> {
        if *item == Type::Byte {
            let length = self.array_length(1)?;
            return Ok(Value::Bytes(self.take(length)?.to_vec()));
        }
        Ok(Value::Array(item.clone(), self.all_items(item.alignment(), |reader| reader.value(item))?))
    }

    /// A dict entry is a container of its own.
    fn dict(&mut self, entry: &Arc<(Type, Type)>) -> Result<Value> {
        let entries = self.all_items(8, |reader| {
            reader.align(8)?;
            reader.depth += 1;
            let pair = reader.pair(entry);
            reader.depth -= 1;
            pair
        })?;
        Ok(Value::Dict(entry.clone(), entries))
    }

    fn pair(&mut self, entry: &(Type, Type)) -> Result<(Value, Value)> {
        if self.depth > DEPTH_MAX {
            return Err(self.fault("values nest too deep"));
        }
        Ok((self.value(&entry.0)?, self.value(&entry.1)?))
    }

    /// Reads items until the array's bytes are used up, to the byte. Every item takes at least one.
    fn all_items<T>(&mut self, boundary: usize, mut read: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let length = self.array_length(boundary)?;
        let outer = self.end;
        let end = self.at.checked_add(length).filter(|end| *end <= outer);
        self.end = end.ok_or_else(|| self.fault("an array is longer than what holds it"))?;
        let mut items = Vec::new();
        while self.at < self.end {
            items.push(read(self)?);
        }
        self.end = outer;
        Ok(items)
    }

    /// The length does not count the padding before the first item, which is there even when no item is.
    fn array_length(&mut self, boundary: usize) -> Result<usize> {
        let length = self.u32()? as usize;
        if length > ARRAY_MAX {
            return Err(self.fault("an array is longer than 64 MiB"));
        }
        self.align(boundary)?;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_type_of_many_empty_arrays_is_kept_once() {
        let of = signature::parse_one(format!("aa({})", "y".repeat(250)).as_bytes()).unwrap();
        let mut bytes = vec![12, 0, 0, 0];
        // Each has its length and the padding before the first item.
        bytes.extend([0; 4 + 8]);
        let Value::Array(_, items) = &values(&[of], &bytes, Endian::Little, 0).unwrap()[0] else { panic!() };
        let inner: Vec<_> = items
            .iter()
            .map(|item| match item {
                Value::Array(Type::Struct(fields), _) => fields.as_ptr(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert!(inner.len() > 1 && inner.iter().all(|fields| *fields == inner[0]), "{inner:?}");
    }

    fn one(signature: &str, bytes: &[u8]) -> Result<Value> {
        let types = signature::parse(signature.as_bytes())?;
        values(&types, bytes, Endian::Little, 1).map(|mut values| values.remove(0))
    }

    #[test]
    fn spelled_out() {
        assert_eq!(one("u", b"\x2a\0\0\0").unwrap(), Value::Uint32(42));
        assert_eq!(one("s", b"\x03\0\0\0foo\0").unwrap(), Value::from("foo"));
        assert_eq!(one("g", b"\x02as\0").unwrap(), Value::Signature("as".into()));
        assert_eq!(one("v", b"\x01q\0\0\x07\0").unwrap(), Value::variant(Value::Uint16(7)));
        assert_eq!(one("ay", b"\x02\0\0\0\x07\x08").unwrap(), Value::Bytes(vec![7, 8]));
        assert_eq!(one("at", b"\0\0\0\0\0\0\0\0").unwrap(), Value::Array(Type::Uint64, vec![]));
        assert_eq!(one("(y)", b"\x07").unwrap(), Value::Struct(vec![Value::Byte(7)]));
        assert_eq!(one("h", b"\0\0\0\0").unwrap(), Value::Fd(0));
    }

    #[test]
    fn each_rule_of_the_format_is_enforced() {
        let bad: [(&str, &[u8]); 22] = [
            ("b", b"\x02\0\0\0"),
            ("u", b"\x2a\0\0"),
            ("u", b"\x2a\0\0\0\0"),
            ("h", b"\x01\0\0\0"),
            ("s", b"\x03\0\0\0foo"),
            ("s", b"\x03\0\0\0foox"),
            ("s", b"\x03\0\0\0f\0o\0"),
            ("s", b"\x03\0\0\0f\xffo\0"),
            ("s", b"\xff\xff\xff\xfffoo\0"),
            ("o", b"\x03\0\0\0foo\0"),
            ("o", b"\0\0\0\0\0"),
            ("g", b"\x01(\0"),
            ("v", b"\0\0"),
            ("v", b"\x02yy\0\x01\x01"),
            ("v", b"\x01z\0\x01"),
            ("yu", b"\x01\0\x01\0\x01\0\0\0"),
            ("at", b"\0\0\0\0\0\0\0\x01"),
            ("au", b"\x05\0\0\0\x01\0\0\0\x01"),
            ("au", b"\x08\0\0\0\x01\0\0\0"),
            ("au", b"\x01\0\0\x04\x01\0\0\0"),
            ("as", b"\x06\0\0\0\x02\0\0\0foo\0"),
            ("a{yv}", b"\x01\0\0\0\0\0\0\0\x01"),
        ];
        for (signature, bytes) in bad {
            assert!(one(signature, bytes).is_err(), "{signature} {bytes:?}");
        }
    }

    #[test]
    fn variants_nest_to_the_limit_and_no_further() {
        let nested = |levels: usize| [b"\x01v\0".repeat(levels - 1), b"\x01y\0\x07".to_vec()].concat();
        assert!(one("v", &nested(DEPTH_MAX)).is_ok());
        assert!(one("v", &nested(DEPTH_MAX + 1)).is_err());
        assert!(one("v", &nested(100_000)).is_err());
    }

    #[test]
    fn an_inner_array_cannot_reach_past_its_outer_one() {
        assert!(one("aau", b"\x08\0\0\0\x08\0\0\0\x01\0\0\0\x02\0\0\0").is_err());
    }
}
