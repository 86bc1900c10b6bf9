//! A whole message: header, body and descriptors, both ways, and how calls are built; pure.

use crate::dbus::header::{self, Frame, Header, Kind};
use crate::dbus::value::Value;
use crate::dbus::{Endian, decode, encode};
use crate::error::{self, Error, Result};
use crate::text::sanitize;
use std::os::fd::OwnedFd;

#[derive(Debug, Default)]
pub struct Message {
    pub header: Header,
    pub body: Vec<Value>,
    /// What `Value::Fd` counts into.
    pub fds: Vec<OwnedFd>,
}

impl Message {
    /// A call of a method at an object. The serial is given when it is sent; no program is started to answer it.
    pub fn call(path: &str, interface: &str, member: &str) -> Message {
        let header = Header {
            kind: Kind::MethodCall,
            flags: header::NO_AUTO_START,
            path: Some(path.to_string()),
            interface: Some(interface.to_string()),
            member: Some(member.to_string()),
            ..Header::default()
        };
        Message { header, ..Message::default() }
    }

    /// The same for this peer on a bus.
    pub fn to(mut self, destination: &str) -> Message {
        self.header.destination = Some(destination.to_string());
        self
    }

    /// The same with one more argument.
    pub fn with(mut self, argument: impl Into<Value>) -> Message {
        self.body.push(argument.into());
        self
    }

    /// The same with one more descriptor; an argument names it by its place, which is returned.
    pub fn attach(&mut self, fd: OwnedFd) -> Value {
        self.fds.push(fd);
        Value::Fd(self.fds.len() as u32 - 1)
    }

    pub fn member(&self) -> &str {
        self.header.member.as_deref().unwrap_or("")
    }

    /// Whether this is that signal.
    pub fn is_signal(&self, interface: &str, member: &str) -> bool {
        self.header.kind == Kind::Signal
            && self.header.interface.as_deref() == Some(interface)
            && self.header.member.as_deref() == Some(member)
    }

    /// An answer that is an error becomes one: its name is the kind, its text is made printable.
    pub fn into_result(self) -> Result<Message> {
        if self.header.kind != Kind::Error {
            return Ok(self);
        }
        let name = self.header.error_name.unwrap_or_default();
        let text = match self.body.first() {
            Some(Value::String(text)) if !text.is_empty() => printable(text.trim_end_matches('.')),
            _ => name.clone(),
        };
        Err(Error::new(error::Kind::Dbus(name), text))
    }

    /// The bytes of this message under a serial of ours. The signature and the count of descriptors follow the body.
    pub fn encode(&self, serial: u32, endian: Endian) -> Result<Vec<u8>> {
        let body = encode::values(&self.body, endian, self.fds.len())?;
        let header = Header {
            serial,
            signature: self.body.iter().map(Value::kind).collect(),
            fds: u32::try_from(self.fds.len()).unwrap_or(u32::MAX),
            ..self.header.clone()
        };
        let mut bytes = header.encode(endian, body.len())?;
        bytes.extend(body);
        Ok(bytes)
    }

    /// The message of this frame; takes as many of `fds`, the first ones, as it says came with it.
    ///
    /// Errors: `Invalid` when any rule is broken or fewer descriptors came.
    pub fn decode(bytes: &[u8], frame: Frame, fds: &mut Vec<OwnedFd>) -> Result<Message> {
        if bytes.len() != frame.total {
            return Err(Error::invalid("a D-Bus message is cut"));
        }
        let header = Header::decode(bytes, frame)?;
        let count = header.fds as usize;
        if count > fds.len() {
            return Err(Error::invalid(format!("a D-Bus message counts {count} descriptors, {} came", fds.len())));
        }
        let body = &bytes[frame.total - frame.body..];
        let body = decode::values(&header.signature, body, frame.endian, count)?;
        Ok(Message { header, body, fds: fds.drain(..count).collect() })
    }
}

/// Longest text of a peer that goes into an error, in characters.
const TEXT_MAX: usize = 500;

fn printable(text: &str) -> String {
    sanitize::line(&text.chars().take(TEXT_MAX).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dbus::Limits;

    fn decoded(bytes: &[u8]) -> Result<Message> {
        let frame = header::frame(bytes, Limits::TRUSTED)?.ok_or_else(|| Error::invalid("short"))?;
        Message::decode(bytes, frame, &mut Vec::new())
    }

    #[test]
    fn a_call_spelled_out() {
        let bytes = Message::call("/a", "b.c", "D").with("e").encode(7, Endian::Little).unwrap();
        let expected = b"l\x01\x02\x01\x06\0\0\0\x07\0\0\0\x37\0\0\0\
            \x01\x01o\0\x02\0\0\0/a\0\0\0\0\0\0\
            \x02\x01s\0\x03\0\0\0b.c\0\0\0\0\0\
            \x03\x01s\0\x01\0\0\0D\0\0\0\0\0\0\0\
            \x08\x01g\0\x01s\0\0\
            \x01\0\0\0e\0";
        assert_eq!(bytes.escape_ascii().to_string(), expected.escape_ascii().to_string());
    }

    #[test]
    fn a_message_comes_back_in_both_byte_orders() {
        for endian in [Endian::Little, Endian::Big] {
            let call = Message::call("/a", "b.c", "D").to("d.e").with("f").with(7u32);
            let back = decoded(&call.encode(9, endian).unwrap()).unwrap();
            assert_eq!(back.body, call.body);
            assert_eq!(back.header.serial, 9);
            assert_eq!(back.header.destination.as_deref(), Some("d.e"));
            assert_eq!(back.encode(9, endian).unwrap(), call.encode(9, endian).unwrap());
        }
    }

    #[test]
    fn descriptors_are_counted() {
        let mut call = Message::call("/a", "b.c", "D");
        let fd = call.attach(std::fs::File::open("/dev/null").unwrap().into());
        let bytes = call.with(fd).encode(1, Endian::Little).unwrap();
        assert!(decoded(&bytes).is_err(), "none came");
        let frame = header::frame(&bytes, Limits::TRUSTED).unwrap().unwrap();
        let mut fds: Vec<OwnedFd> = (0..2).map(|_| std::fs::File::open("/dev/null").unwrap().into()).collect();
        assert_eq!(Message::decode(&bytes, frame, &mut fds).unwrap().fds.len(), 1);
        assert_eq!(fds.len(), 1, "the other one belongs to the next message");
    }

    #[test]
    fn the_text_of_an_error_cannot_write_to_a_terminal() {
        let header = Header { kind: Kind::Error, error_name: Some("a.B".into()), ..Header::default() };
        let body = vec![Value::from("it's\x1b[31m\u{202e}\r\nfoo.")];
        let error = Message { header, body, fds: vec![] }.into_result().unwrap_err();
        assert_eq!(*error.kind(), error::Kind::Dbus("a.B".into()));
        assert_eq!(error.to_string(), "it's\\x1b[31m\\u{202e}\\r\\nfoo");
    }
}
