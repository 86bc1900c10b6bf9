//! The body of one answer, without its framing. An end that is not the body's own end is an error here.

use crate::error::Error;
use crate::http::chunked::Decoder;
use crate::http::connect::Connection;
use crate::http::head::Framing;
use crate::http::retry::{Attempt, Failure};
use crate::http::wire::after;
use std::io::{BufRead, Read};
use std::time::Duration;

/// How long a server that was asked to close has until what it still sends is not looked at.
const LINGER: Duration = Duration::from_millis(100);

pub struct Payload {
    connection: Connection,
    left: Left,
}

enum Left {
    Bytes(u64),
    Chunks(Decoder),
    UntilClose,
    Nothing,
}

impl Payload {
    pub fn new(connection: Connection, framing: Framing) -> Payload {
        let left = match framing {
            Framing::Length(length) => Left::Bytes(length),
            Framing::Chunked => Left::Chunks(Decoder::default()),
            Framing::Close => Left::UntilClose,
        };
        Payload { connection, left }
    }

    /// 0 at the body's own end, and only there. `buffer` is not empty.
    pub fn read(&mut self, buffer: &mut [u8]) -> Attempt<usize> {
        match &mut self.left {
            Left::Nothing => Ok(0),
            Left::UntilClose => {
                let length = self.connection.reader.read(buffer)?;
                if length == 0 {
                    self.left = Left::Nothing;
                }
                Ok(length)
            }
            Left::Bytes(0) => self.end(),
            Left::Bytes(left) => {
                let most = usize::try_from(*left).unwrap_or(usize::MAX).min(buffer.len());
                let length = self.connection.reader.read(buffer.get_mut(..most).unwrap_or_default())?;
                *left -= length as u64;
                if length == 0 { Err(cut()) } else { Ok(length) }
            }
            Left::Chunks(_) => self.read_chunks(buffer),
        }
    }

    fn read_chunks(&mut self, buffer: &mut [u8]) -> Attempt<usize> {
        let Left::Chunks(decoder) = &mut self.left else { return Ok(0) };
        // The last piece of data may have come together with what ends the body.
        while !decoder.is_done() {
            let input = self.connection.reader.fill_buf()?;
            if input.is_empty() {
                return Err(cut());
            }
            let fed = decoder.feed(input, buffer)?;
            self.connection.reader.consume(fed.taken);
            if fed.given > 0 {
                return Ok(fed.given);
            }
        }
        self.end()
    }

    /// Looks whether anything follows: a server that announced too little has not sent the whole file.
    fn end(&mut self) -> Attempt<usize> {
        self.left = Left::Nothing;
        self.connection.deadline.set(Some(after(LINGER)));
        // A connection that ends badly, or does not end, has nothing to do with a body that is whole.
        match self.connection.reader.fill_buf() {
            Ok(more) if !more.is_empty() => Err(Error::invalid("the server sends more than it announced").into()),
            _ => Ok(0),
        }
    }
}

fn cut() -> Failure {
    Failure::passing(Error::failed("the connection ended in the middle of the file"))
}
