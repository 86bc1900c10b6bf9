//! The header of a message ("Message Format"): the fixed sixteen bytes and the fields, both ways; pure.

use crate::dbus::decode::Reader;
use crate::dbus::signature::{self, Type};
use crate::dbus::value::Value;
use crate::dbus::{ARRAY_MAX, Endian, Limits, MESSAGE_MAX, encode, name};
use crate::error::{Error, Result};

/// Byte order, kind, flags, version, length of the body, serial, length of the fields.
pub const FIXED: usize = 16;
const VERSION: u8 = 1;

/// What sort of message. A kind that the specification does not know is to be ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kind {
    #[default]
    MethodCall,
    MethodReturn,
    Error,
    Signal,
    Unknown(u8),
}

/// The peer is not to answer.
pub const NO_REPLY: u8 = 1;
/// The broker is not to start a program so that it answers.
pub const NO_AUTO_START: u8 = 2;

/// All of a header but the lengths. `fds` counts the descriptors that go along.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Header {
    pub kind: Kind,
    pub flags: u8,
    /// Never 0 in a message that was sent.
    pub serial: u32,
    pub path: Option<String>,
    pub interface: Option<String>,
    pub member: Option<String>,
    pub error_name: Option<String>,
    pub reply_serial: Option<u32>,
    pub destination: Option<String>,
    pub sender: Option<String>,
    /// The types of the body.
    pub signature: Vec<Type>,
    pub fds: u32,
}

/// Where in a message its parts are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    pub endian: Endian,
    /// Bytes of the body; they are the last ones.
    pub body: usize,
    /// Bytes of the whole message.
    pub total: usize,
}

/// How long the message is of which these are the first bytes. `None`: fewer than [`FIXED`] are there.
///
/// Errors: `Invalid` when no message begins like this, or one that is longer than `limits` allows.
pub fn frame(bytes: &[u8], limits: Limits) -> Result<Option<Frame>> {
    let endian = match bytes.first() {
        None => return Ok(None),
        Some(b'l') => Endian::Little,
        Some(b'B') => Endian::Big,
        Some(other) => return Err(Error::invalid(format!("a D-Bus message begins with byte {other:#04x}"))),
    };
    if bytes.len() < FIXED {
        return Ok(None);
    }
    if bytes[3] != VERSION {
        return Err(Error::invalid(format!("a D-Bus message is of protocol version {}", bytes[3])));
    }
    let mut reader = Reader::new(&bytes[..FIXED], endian, 0);
    let [_, body, _, fields] = [reader.u32()?, reader.u32()?, reader.u32()?, reader.u32()?].map(|word| word as usize);
    let total = total(body, fields).filter(|total| *total <= limits.message.min(MESSAGE_MAX));
    let total =
        total.ok_or_else(|| Error::invalid(format!("a D-Bus message is longer than {} bytes", limits.message)))?;
    Ok(Some(Frame { endian, body, total }))
}

fn total(body: usize, fields: usize) -> Option<usize> {
    if fields > ARRAY_MAX {
        return None;
    }
    FIXED.checked_add(fields)?.checked_next_multiple_of(8)?.checked_add(body)
}

impl Header {
    /// The header of a whole message.
    ///
    /// Errors: `Invalid` for a broken rule: fields that are missing, doubled, of a wrong type or with a bad name.
    pub fn decode(bytes: &[u8], frame: Frame) -> Result<Header> {
        let head =
            bytes.get(..frame.total.saturating_sub(frame.body)).ok_or_else(|| fault("ends within its header"))?;
        let mut reader = Reader::new(head, frame.endian, 0);
        reader.u8()?;
        let mut header = Header { kind: kind(reader.u8()?)?, flags: reader.u8()?, ..Header::default() };
        reader.u8()?;
        reader.u32()?;
        header.serial = not_zero(reader.u32()?)?;
        let fields = reader.value(&Type::array(Type::Struct([Type::Byte, Type::Variant].into())))?;
        reader.align(8)?;
        reader.finish()?;
        header.set_all(&fields)?;
        header.check()?;
        Ok(header)
    }

    fn set_all(&mut self, fields: &Value) -> Result<()> {
        let mut seen = [false; 256];
        for field in fields.items() {
            let [Value::Byte(code), Value::Variant(value)] = field.items() else { continue };
            if std::mem::replace(&mut seen[usize::from(*code)], true) {
                return Err(fault(&format!("has header field {code} twice")));
            }
            self.set(*code, value)?;
        }
        Ok(())
    }

    /// Codes that are not known are to be ignored; 0 is forbidden.
    fn set(&mut self, code: u8, value: &Value) -> Result<()> {
        match (code, value) {
            (1, Value::Path(text)) => self.path = Some(text.clone()),
            (2, Value::String(text)) => self.interface = Some(checked(text, name::is_interface)?),
            (3, Value::String(text)) => self.member = Some(checked(text, name::is_member)?),
            (4, Value::String(text)) => self.error_name = Some(checked(text, name::is_interface)?),
            (5, Value::Uint32(serial)) => self.reply_serial = Some(not_zero(*serial)?),
            (6, Value::String(text)) => self.destination = Some(checked(text, name::is_bus)?),
            (7, Value::String(text)) => self.sender = Some(checked(text, name::is_bus)?),
            (8, Value::Signature(text)) => self.signature = signature::parse(text.as_bytes())?,
            (9, Value::Uint32(count)) => self.fds = *count,
            (0..=9, _) => return Err(fault(&format!("has a header field {code} of type {}", value.kind()))),
            _ => {}
        }
        Ok(())
    }

    /// Whether the fields are there that this kind needs, and no names that are only used within a program.
    fn check(&self) -> Result<()> {
        let whole = match self.kind {
            Kind::MethodCall => self.path.is_some() && self.member.is_some(),
            Kind::Signal => self.path.is_some() && self.interface.is_some() && self.member.is_some(),
            Kind::MethodReturn => self.reply_serial.is_some(),
            Kind::Error => self.reply_serial.is_some() && self.error_name.is_some(),
            Kind::Unknown(_) => true,
        };
        if !whole {
            return Err(fault(&format!("of kind {:?} lacks a header field", self.kind)));
        }
        let local = self.path.as_deref() == Some("/org/freedesktop/DBus/Local")
            || self.interface.as_deref() == Some("org.freedesktop.DBus.Local");
        if local { Err(fault("uses a name that is reserved")) } else { Ok(()) }
    }

    /// The bytes of a header before a body of `body` bytes, padded to where the body starts.
    pub fn encode(&self, endian: Endian, body: usize) -> Result<Vec<u8>> {
        self.check()?;
        let length = u32::try_from(body).map_err(|_| Error::invalid("a D-Bus message is too long"))?;
        let fixed = [
            Value::Byte(if endian == Endian::Little { b'l' } else { b'B' }),
            Value::Byte(code(self.kind)),
            Value::Byte(self.flags),
            Value::Byte(VERSION),
            Value::Uint32(length),
            Value::Uint32(not_zero(self.serial)?),
        ];
        let fields = Value::Array(Type::Struct([Type::Byte, Type::Variant].into()), self.fields()?);
        let mut bytes = encode::values(&[&fixed[..], &[fields]].concat(), endian, 0)?;
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        if bytes.len().saturating_add(body) > MESSAGE_MAX {
            return Err(Error::invalid("a D-Bus message is longer than 128 MiB"));
        }
        Ok(bytes)
    }

    fn fields(&self) -> Result<Vec<Value>> {
        let text = |text: &Option<String>, rule: fn(&str) -> bool| -> Result<Option<Value>> {
            text.as_deref().map(|text| checked(text, rule).map(Value::String)).transpose()
        };
        let signature = Some(signature::render(&self.signature)).filter(|text| !text.is_empty());
        let fields = [
            (1, self.path.clone().map(Value::Path)),
            (2, text(&self.interface, name::is_interface)?),
            (3, text(&self.member, name::is_member)?),
            (4, text(&self.error_name, name::is_interface)?),
            (5, self.reply_serial.map(Value::Uint32)),
            (6, text(&self.destination, name::is_bus)?),
            (7, text(&self.sender, name::is_bus)?),
            (8, signature.map(Value::Signature)),
            (9, Some(self.fds).filter(|count| *count > 0).map(Value::Uint32)),
        ];
        let present = fields.into_iter().filter_map(|(code, value)| Some((code, value?)));
        Ok(present.map(|(code, value)| Value::Struct(vec![Value::Byte(code), Value::variant(value)])).collect())
    }
}

fn kind(code: u8) -> Result<Kind> {
    Ok(match code {
        0 => return Err(fault("is of kind 0")),
        1 => Kind::MethodCall,
        2 => Kind::MethodReturn,
        3 => Kind::Error,
        4 => Kind::Signal,
        other => Kind::Unknown(other),
    })
}

fn code(kind: Kind) -> u8 {
    match kind {
        Kind::MethodCall => 1,
        Kind::MethodReturn => 2,
        Kind::Error => 3,
        Kind::Signal => 4,
        Kind::Unknown(other) => other,
    }
}

fn checked(text: &str, rule: fn(&str) -> bool) -> Result<String> {
    if rule(text) { Ok(text.to_string()) } else { Err(fault(&format!("has the bad name {text:?} in its header"))) }
}

fn not_zero(serial: u32) -> Result<u32> {
    if serial == 0 { Err(fault("has serial 0")) } else { Ok(serial) }
}

fn fault(why: &str) -> Error {
    Error::invalid(format!("a D-Bus message {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_fields(kind: u8, fields: &[(u8, Value)]) -> Result<Header> {
        let fields =
            fields.iter().map(|(code, value)| Value::Struct(vec![Value::Byte(*code), Value::variant(value.clone())]));
        let of = Type::Struct([Type::Byte, Type::Variant].into());
        let fixed = [Value::Byte(b'l'), Value::Byte(kind), Value::Byte(0), Value::Byte(1), 0u32.into(), 7u32.into()];
        let mut bytes =
            encode::values(&[&fixed[..], &[Value::Array(of, fields.collect())]].concat(), Endian::Little, 0)?;
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        let frame = frame(&bytes, Limits::TRUSTED)?.unwrap();
        assert_eq!(frame.total, bytes.len());
        Header::decode(&bytes, frame)
    }

    fn call() -> Vec<(u8, Value)> {
        vec![(1, Value::path("/a")), (3, "M".into())]
    }

    #[test]
    fn fields_that_a_kind_needs_cannot_be_missing() {
        assert!(with_fields(1, &call()).is_ok());
        assert!(with_fields(1, &call()[..1]).is_err());
        assert!(with_fields(1, &call()[1..]).is_err());
        assert!(with_fields(2, &[]).is_err());
        assert!(with_fields(2, &[(5, 1u32.into())]).is_ok());
        assert!(with_fields(3, &[(5, 1u32.into())]).is_err());
        assert!(with_fields(4, &call()).is_err());
        assert!(with_fields(0, &call()).is_err());
        assert_eq!(with_fields(9, &[]).unwrap().kind, Kind::Unknown(9));
    }

    #[test]
    fn fields_are_of_their_type_and_name_and_come_once() {
        let bad = [
            (0, Value::Byte(1)),
            (1, Value::path("/a")),
            (2, Value::from("nodot")),
            (2, Value::path("/a")),
            (5, Value::Uint32(0)),
            (5, Value::Int32(1)),
            (6, Value::from("nodot")),
            (7, Value::from("")),
            (8, Value::from("s")),
            (9, Value::Byte(1)),
        ];
        for (code, value) in bad {
            let fields = [call(), vec![(code, value.clone())]].concat();
            assert!(with_fields(1, &fields).is_err(), "{code} {value:?}");
        }
        assert!(with_fields(1, &[call(), vec![(77, 1u32.into())]].concat()).is_ok(), "unknown fields are ignored");
        assert!(with_fields(1, &[call(), vec![(77, 1u32.into()), (77, 1u32.into())]].concat()).is_err());
    }

    #[test]
    fn reserved_names_are_refused() {
        assert!(with_fields(1, &[(1, Value::path("/org/freedesktop/DBus/Local")), (3, "M".into())]).is_err());
        assert!(with_fields(1, &[call(), vec![(2, "org.freedesktop.DBus.Local".into())]].concat()).is_err());
    }

    #[test]
    fn lengths_that_lie_are_refused_from_the_first_bytes() {
        let lengths = |body: u32, fields: u32| {
            [&b"l\x01\0\x01"[..], &body.to_le_bytes(), &7u32.to_le_bytes(), &fields.to_le_bytes()].concat()
        };
        let limits = Limits { message: 1024, fds: 0 };
        assert_eq!(frame(&lengths(8, 8), limits).unwrap().unwrap().total, 32);
        assert_eq!(frame(&lengths(1000, 8), limits).unwrap().unwrap().total, 1024);
        assert!(frame(&lengths(1001, 8), limits).is_err());
        assert!(frame(&lengths(u32::MAX, u32::MAX), Limits::TRUSTED).is_err());
        assert!(frame(&lengths(0, ARRAY_MAX as u32 + 1), Limits::TRUSTED).is_err());
        assert!(frame(&lengths(MESSAGE_MAX as u32 - 16, 0), Limits::TRUSTED).is_ok());
        assert!(frame(&lengths(MESSAGE_MAX as u32 - 15, 0), Limits::TRUSTED).is_err());
        assert_eq!(frame(&lengths(0, 0)[..15], limits).unwrap(), None);
        assert!(frame(b"x", limits).is_err());
        assert!(frame(b"l\x01\0\x02............", limits).is_err());
    }
}
