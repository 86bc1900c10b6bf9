//! A file as it comes: one `Read` over as many connections as it takes.

use crate::error::{Errno, Error, Kind, Result};
use crate::http::Net;
use crate::http::exchange::{self, Answer, Asked};
use crate::http::payload::Payload;
use crate::http::range::Facts;
use crate::http::retry::{Attempt, Failure, Tries};
use crate::http::url::Url;
use std::io::{self, Read};
use std::sync::Arc;

pub struct Body {
    net: Arc<Net>,
    /// What was asked for; each connection begins there again, as what redirects lead to may be good for once only.
    url: Url,
    final_url: Url,
    facts: Facts,
    payload: Option<Payload>,
    /// Bytes of the file that were handed on.
    at: u64,
    /// Bytes that come once more and were handed on already.
    skip: u64,
    tries: Tries,
    end: Option<Result<()>>,
}

impl Body {
    pub fn open(net: Arc<Net>, url: &Url) -> Result<Body> {
        let mut tries = net.tries();
        loop {
            match Self::begin(&net, url) {
                Ok((answer, facts)) => {
                    return Ok(Body {
                        net,
                        url: url.clone(),
                        final_url: answer.url,
                        facts,
                        payload: Some(answer.payload),
                        at: 0,
                        skip: 0,
                        tries,
                        end: None,
                    });
                }
                Err(failure) => net.settle(&mut tries, failure, 0, url)?,
            }
        }
    }

    fn begin(net: &Net, url: &Url) -> Attempt<(Answer, Facts)> {
        let answer = exchange::ask(net, Asked { url, rest: None })?;
        answer.head.refuse_encoding()?;
        let facts = Facts::of(&answer.head)?;
        Ok((answer, facts))
    }

    /// The whole file's bytes, where the server says so.
    pub fn length(&self) -> Option<u64> {
        self.facts.length
    }

    /// Where redirects led to at first, without credentials.
    pub fn final_url(&self) -> Url {
        self.final_url.clone().with_login(None)
    }

    pub fn etag(&self) -> Option<&str> {
        self.facts.etag.as_deref()
    }

    pub fn last_modified(&self) -> Option<&str> {
        self.facts.last_modified.as_deref()
    }

    /// 0: the file is whole.
    fn fill(&mut self, buffer: &mut [u8]) -> Attempt<usize> {
        loop {
            let payload = match &mut self.payload {
                Some(payload) => payload,
                None => match resume(&self.net, &self.url, &mut self.facts, self.at, &mut self.skip)? {
                    Some(payload) => self.payload.insert(payload),
                    None => return Ok(0),
                },
            };
            let length = payload.read(buffer)?;
            let again = self.skip.min(length as u64);
            self.skip -= again;
            let fresh = length as u64 - again;
            if fresh == 0 && length > 0 {
                continue;
            }
            // What was handed on already stands in front of what was not. (A copy to the same place is not free everywhere.)
            if again > 0 {
                buffer.copy_within(again as usize..length, 0);
            }
            self.at += fresh;
            return match self.facts.length {
                Some(told) if self.at > told => Err(Error::invalid("the server sends more than it announced").into()),
                Some(told) if length == 0 && self.at < told => Err(Failure::passing(short(told, self.at))),
                _ if length == 0 && self.skip > 0 => {
                    Err(Failure::passing(Error::failed("the file has become shorter")))
                }
                _ => Ok(fresh as usize),
            };
        }
    }

    fn read_on(&mut self, buffer: &mut [u8]) -> Result<usize> {
        loop {
            match self.fill(buffer) {
                Ok(length) => return Ok(length),
                Err(failure) => {
                    self.payload = None;
                    self.net.settle(&mut self.tries, failure, self.at, &self.url)?;
                }
            }
        }
    }
}

fn short(told: u64, at: u64) -> Error {
    Error::failed(format!("the server announced {told} bytes and sent {at}"))
}

/// A connection that brings what is left, `None` when nothing is. Sets how much of it was there before.
fn resume(net: &Net, url: &Url, facts: &mut Facts, at: u64, skip: &mut u64) -> Attempt<Option<Payload>> {
    *skip = 0;
    if facts.length == Some(at) {
        return Ok(None);
    }
    if at == 0 {
        let answer = exchange::ask(net, Asked { url, rest: None }).map_err(found_before)?;
        facts.check_again(&answer.head)?;
        return Ok(Some(answer.payload));
    }
    let validator = facts.validator().ok_or_else(|| {
        Error::failed(format!(
            "cut after {at} bytes, and the server says nothing by which the file could be known again: begin again"
        ))
    })?;
    let answer = exchange::ask(net, Asked { url, rest: Some((at, validator)) }).map_err(found_before)?;
    let resumed = facts.check_resumed(&answer.head, at)?;
    *skip = at - resumed.first;
    facts.length = facts.length.or(resumed.complete);
    Ok((resumed.length != Some(0)).then_some(answer.payload))
}

/// A name that had an address has one: it is the network that is gone, and it comes back. So does a server that listened.
fn found_before(failure: Failure) -> Failure {
    let is_gone = |error: &Error| *error.kind() == Kind::Unavailable || error.errno() == Some(Errno::CONNREFUSED);
    match failure {
        Failure::Final(error) if is_gone(&error) => Failure::passing(error),
        other => other,
    }
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &self.end {
            Some(Ok(())) => return Ok(0),
            Some(Err(error)) => return Err(error.clone().into()),
            None if buffer.is_empty() => return Ok(0),
            None => {}
        }
        let result = self.read_on(buffer);
        match &result {
            Ok(0) => self.end = Some(Ok(())),
            Ok(_) => {}
            Err(error) => self.end = Some(Err(error.clone())),
        }
        Ok(result?)
    }
}
