//! What is asked of our process inside a container, and what it answers. Pure: values to bytes and back.
//!
//! A guest may trace that process and speak in its name, so answers are read as foreign bytes.

use crate::error::{Error, Kind, Result};
use crate::text::passwd::User;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

/// As many fields as a command may have arguments, with room to spare.
const FIELDS_MAX: usize = 1 << 20;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Enter the container whose leader has this number; its pidfd and its root come along.
    Enter { leader: u32 },
    /// Connect to the private socket of the container's manager. Answered with the socket.
    Connect,
    /// Make a terminal. Answered with its master.
    Terminal,
    /// Who is this, by name or number?
    User(String),
    /// Is this a directory?
    Directory(PathBuf),
    /// Is this a regular file?
    File(PathBuf),
    /// Where is this program, in this list of directories?
    Executable { search: String, name: PathBuf },
    /// Open this process of the container's. Answered with its pidfd.
    Process(u32),
    /// Would the kernel execute the program of the plan that comes along? It is not run.
    Rehearse,
    /// Become the program of the plan that comes along, with the three descriptors that follow it.
    Run,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Done,
    No,
    Account(Account),
    Found(PathBuf),
    Refused(PathBuf),
    /// The kernel did not execute the program, for this reason.
    Unexecuted(String),
    /// It went wrong; `missing` when something that was looked for is not there.
    Failed {
        missing: bool,
        text: String,
    },
}

/// A user of the container and the groups it is in beside its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    pub user: User,
    pub groups: Vec<u32>,
}

/// A program to be run without the container's manager.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub program: PathBuf,
    pub arguments: Vec<OsString>,
    /// KEY=VALUE.
    pub environment: Vec<OsString>,
    pub directory: PathBuf,
    pub uid: u32,
    pub gid: u32,
    pub groups: Vec<u32>,
    /// Standard input is a terminal that it shall control.
    pub terminal: bool,
}

impl Request {
    pub fn render(&self) -> Vec<u8> {
        match self {
            Request::Enter { leader } => fields([b"enter".as_slice(), leader.to_string().as_bytes()]),
            Request::Connect => fields([b"connect".as_slice()]),
            Request::Terminal => fields([b"terminal".as_slice()]),
            Request::User(who) => fields([b"user", who.as_bytes()]),
            Request::Directory(path) => fields([b"directory", path.as_os_str().as_bytes()]),
            Request::File(path) => fields([b"file", path.as_os_str().as_bytes()]),
            Request::Executable { search, name } => {
                fields([b"executable", search.as_bytes(), name.as_os_str().as_bytes()])
            }
            Request::Process(pid) => fields([b"process".as_slice(), pid.to_string().as_bytes()]),
            Request::Rehearse => fields([b"rehearse".as_slice()]),
            Request::Run => fields([b"run".as_slice()]),
        }
    }

    pub fn parse(bytes: &[u8]) -> Result<Request> {
        let all = split(bytes)?;
        let words: Vec<&[u8]> = all.iter().map(Vec::as_slice).collect();
        Ok(match words[..] {
            [b"enter", leader] => Request::Enter { leader: number(leader)? },
            [b"connect"] => Request::Connect,
            [b"terminal"] => Request::Terminal,
            [b"user", who] => Request::User(text(who)?),
            [b"directory", path] => Request::Directory(path_of(path)),
            [b"file", path] => Request::File(path_of(path)),
            [b"executable", search, name] => Request::Executable { search: text(search)?, name: path_of(name) },
            [b"process", pid] => Request::Process(number(pid)?),
            [b"rehearse"] => Request::Rehearse,
            [b"run"] => Request::Run,
            _ => return Err(malformed()),
        })
    }
}

impl Answer {
    pub fn render(&self) -> Vec<u8> {
        match self {
            Answer::Done => fields([b"done".as_slice()]),
            Answer::No => fields([b"no".as_slice()]),
            Answer::Account(account) => account.render(),
            Answer::Found(path) => fields([b"found", path.as_os_str().as_bytes()]),
            Answer::Refused(path) => fields([b"refused", path.as_os_str().as_bytes()]),
            Answer::Unexecuted(text) => fields([b"unexecuted", text.as_bytes()]),
            Answer::Failed { missing: true, text } => fields([b"missing", text.as_bytes()]),
            Answer::Failed { missing: false, text } => fields([b"failed", text.as_bytes()]),
        }
    }

    pub fn parse(bytes: &[u8]) -> Result<Answer> {
        let all = split(bytes)?;
        let words: Vec<&[u8]> = all.iter().map(Vec::as_slice).collect();
        Ok(match words[..] {
            [b"done"] => Answer::Done,
            [b"no"] => Answer::No,
            [b"account", name, uid, gid, home, shell, ref groups @ ..] => Answer::Account(Account {
                user: User {
                    name: text(name)?,
                    uid: number(uid)?,
                    gid: number(gid)?,
                    home: text(home)?,
                    shell: text(shell)?,
                },
                groups: groups.iter().map(|group| number(group)).collect::<Result<_>>()?,
            }),
            [b"found", path] => Answer::Found(path_of(path)),
            [b"refused", path] => Answer::Refused(path_of(path)),
            [b"unexecuted", words] => Answer::Unexecuted(text(words)?),
            [b"missing", words] => Answer::Failed { missing: true, text: text(words)? },
            [b"failed", words] => Answer::Failed { missing: false, text: text(words)? },
            _ => return Err(malformed()),
        })
    }

    /// What went wrong inside, as it is told outside.
    pub fn failure(error: &Error) -> Answer {
        Answer::Failed { missing: error.is_not_found(), text: error.to_string() }
    }

    /// A failure inside as an error outside; any other answer as it is.
    pub fn into_result(self) -> Result<Answer> {
        match self {
            Answer::Failed { missing: true, text } => Err(Error::new(Kind::NotFound, text)),
            Answer::Failed { missing: false, text } => Err(Error::failed(text)),
            other => Ok(other),
        }
    }
}

impl Account {
    fn render(&self) -> Vec<u8> {
        let user = &self.user;
        let (uid, gid) = (user.uid.to_string(), user.gid.to_string());
        let groups: Vec<String> = self.groups.iter().map(u32::to_string).collect();
        let words = ["account", &user.name, &uid, &gid, &user.home, &user.shell];
        fields(words.into_iter().chain(groups.iter().map(String::as_str)).map(str::as_bytes))
    }
}

impl Plan {
    pub fn render(&self) -> Vec<u8> {
        let numbers = [self.uid, self.gid, u32::from(self.terminal)].map(|number| number.to_string());
        let groups: Vec<String> = self.groups.iter().map(u32::to_string).collect();
        let parts = [
            fields([self.program.as_os_str().as_bytes(), self.directory.as_os_str().as_bytes()]),
            fields(numbers.iter().map(String::as_bytes)),
            fields(groups.iter().map(String::as_bytes)),
            fields(self.arguments.iter().map(|argument| argument.as_bytes())),
            fields(self.environment.iter().map(|variable| variable.as_bytes())),
        ];
        fields(parts.iter().map(Vec::as_slice))
    }

    pub fn parse(bytes: &[u8]) -> Result<Plan> {
        let parts = split(bytes)?;
        let parts = parts.iter().map(|part| split(part)).collect::<Result<Vec<_>>>()?;
        let [paths, numbers, groups, arguments, environment] = &parts[..] else { return Err(malformed()) };
        let ([program, directory], [uid, gid, terminal]) = (&paths[..], &numbers[..]) else {
            return Err(malformed());
        };
        Ok(Plan {
            program: path_of(program),
            arguments: words_of(arguments),
            environment: words_of(environment),
            directory: path_of(directory),
            uid: number(uid)?,
            gid: number(gid)?,
            groups: groups.iter().map(|group| number(group)).collect::<Result<_>>()?,
            terminal: number::<u32>(terminal)? == 1,
        })
    }
}

/// Each field with its length before it: four bytes, little-endian.
fn fields<'a>(fields: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for field in fields {
        bytes.extend((field.len() as u32).to_le_bytes());
        bytes.extend(field);
    }
    bytes
}

fn split(mut bytes: &[u8]) -> Result<Vec<Vec<u8>>> {
    let mut fields = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<4>() {
        let length = u32::from_le_bytes(*length) as usize;
        if length > rest.len() || fields.len() == FIELDS_MAX {
            return Err(malformed());
        }
        let (field, rest) = rest.split_at(length);
        fields.push(field.to_vec());
        bytes = rest;
    }
    if bytes.is_empty() { Ok(fields) } else { Err(malformed()) }
}

fn text(bytes: &[u8]) -> Result<String> {
    String::from_utf8(bytes.to_vec()).map_err(|_| malformed())
}

fn number<T: std::str::FromStr>(bytes: &[u8]) -> Result<T> {
    text(bytes)?.parse().map_err(|_| malformed())
}

fn path_of(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(bytes))
}

fn words_of(fields: &[Vec<u8>]) -> Vec<OsString> {
    fields.iter().cloned().map(OsString::from_vec).collect()
}

fn malformed() -> Error {
    Error::invalid("a message between sdme and its process in the container is malformed")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account() -> Account {
        let user = User { name: "a".into(), uid: 1, gid: 2, home: "/home/a b".into(), shell: "/bin/sh".into() };
        Account { user, groups: vec![27, 4] }
    }

    fn plan() -> Plan {
        Plan {
            program: "/bin/ec ho".into(),
            arguments: vec!["echo".into(), "".into(), OsString::from_vec(vec![0xff, b'\n'])],
            environment: vec!["A=b=c".into()],
            directory: "/".into(),
            uid: 0,
            gid: 5,
            groups: vec![1, 2],
            terminal: true,
        }
    }

    #[test]
    fn every_request_comes_back_and_no_cut_one_does() {
        let requests = [
            Request::Enter { leader: 7 },
            Request::Connect,
            Request::Terminal,
            Request::User("a:b".into()),
            Request::Directory("/x".into()),
            Request::File("/x".into()),
            Request::Executable { search: "/bin:/sbin".into(), name: "ls".into() },
            Request::Process(2),
            Request::Rehearse,
            Request::Run,
        ];
        for request in requests {
            let bytes = request.render();
            assert_eq!(Request::parse(&bytes).unwrap(), request);
            for length in 0..bytes.len() {
                assert!(Request::parse(&bytes[..length]).is_err(), "{request:?} cut at {length}");
            }
        }
    }

    #[test]
    fn every_answer_comes_back() {
        let answers = [
            Answer::Done,
            Answer::No,
            Answer::Account(account()),
            Answer::Found("/bin/ls".into()),
            Answer::Refused("/etc".into()),
            Answer::Unexecuted("no".into()),
            Answer::Failed { missing: true, text: "no".into() },
            Answer::Failed { missing: false, text: "no".into() },
        ];
        for answer in answers {
            let bytes = answer.render();
            assert_eq!(Answer::parse(&bytes).unwrap(), answer);
            for length in 0..bytes.len() {
                // A list of groups that ends early is a shorter list; nothing else may pass.
                let cut = Answer::parse(&bytes[..length]);
                assert!(matches!(cut, Err(_) | Ok(Answer::Account(_))), "{answer:?} cut at {length}");
            }
        }
    }

    #[test]
    fn a_plan_comes_back_byte_by_byte() {
        assert_eq!(Plan::parse(&plan().render()).unwrap(), plan());
        let bytes = plan().render();
        for length in 0..bytes.len() {
            assert!(Plan::parse(&bytes[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn lengths_that_lie_are_refused() {
        for bytes in [&b"\xff\xff\xff\xffx"[..], b"\x02\0\0\0x", b"\0\0\0", b"\x04\0\0\0done\0"] {
            assert!(Answer::parse(bytes).is_err(), "{bytes:?}");
        }
    }
}
