//! What a payload is given as its standard input, output and error, and what has to be copied for it meanwhile.
//!
//! Pipes and sockets of the caller are handed over as they are. Nothing else is: who holds a terminal can type into it
//! (TIOCSTI), who holds a directory can leave the container through it (CVE-2024-21626), and a guest's root who holds a
//! file of the host that was opened for reading opens it again for writing, by /proc/self/fd/0.

use crate::container::relay::{Flow, Relay};
use crate::error::{Context, Error, Result};
use crate::sys::io::{self, Sort};
use crate::sys::pty::{self, Raw};
use crate::sys::socket;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// The caller's own standard descriptors.
#[derive(Clone, Copy)]
pub struct Caller<'a> {
    pub input: BorrowedFd<'a>,
    pub output: BorrowedFd<'a>,
    pub error: BorrowedFd<'a>,
}

/// The wires of one payload, as they are on our side.
pub struct Wires {
    pub relay: Relay,
    pub terminal: Option<Terminal>,
    given: Option<[OwnedFd; 3]>,
}

/// A terminal made in the container.
pub struct Terminal {
    /// N of /dev/pts/N.
    pub number: u32,
    master: OwnedFd,
    /// Held open, so that the terminal does not hang up before somebody has opened it and between two who do.
    peer: OwnedFd,
    /// The caller's, whose size it takes.
    window: Option<OwnedFd>,
    /// The caller's, which is to be raw.
    keyboard: Option<OwnedFd>,
    raw: Option<Raw>,
}

impl Wires {
    /// The caller's own descriptors, those that are files or devices by way of a pipe.
    pub fn files(caller: Caller<'_>) -> Result<Wires> {
        let mut relay = Relay::default();
        let input = input(&mut relay, caller.input).context("standard input")?;
        let output = output(&mut relay, caller.output).context("standard output")?;
        // Two pipes would mix up the order in which a terminal or a file is written to.
        let error = match io::is_same(caller.output, caller.error) {
            true => output.try_clone()?,
            false => self::output(&mut relay, caller.error).context("standard error")?,
        };
        Ok(Wires { relay, terminal: None, given: Some([input, output, error]) })
    }

    /// The terminal of this master, connected to the caller's input and output.
    pub fn terminal(caller: Caller<'_>, master: OwnedFd) -> Result<Wires> {
        let peer = pty::peer(master.as_fd())?;
        let number = pty::number(master.as_fd())?;
        let is_typed = pty::is_terminal(caller.input);
        let mut relay = Relay::default();
        let (input, output) = (own_input(caller.input)?, own_output(caller.output)?);
        relay.add(Flow::keyboard(input, master.try_clone()?, is_typed));
        relay.add(Flow::screen(master.try_clone()?, output));
        let shown = [caller.output, caller.input].into_iter().find(|fd| pty::is_terminal(*fd));
        let window = shown.map(|fd| fd.try_clone_to_owned()).transpose()?;
        let keyboard = is_typed.then(|| caller.input.try_clone_to_owned()).transpose()?;
        let terminal = Terminal { number, master, peer, window, keyboard, raw: None };
        terminal.resize();
        Ok(Wires { relay, terminal: Some(terminal), given: None })
    }

    /// What is for the payload, once: no copy stays here, or it would never see an end.
    pub fn take_files(&mut self) -> Option<[OwnedFd; 3]> {
        self.given.take()
    }

    /// The same where nobody opens the terminal by its path: its end is then what the payload is given.
    pub fn take_ends(&mut self) -> Result<[OwnedFd; 3]> {
        match (self.given.take(), &self.terminal) {
            (Some(files), _) => Ok(files),
            (None, Some(terminal)) => terminal.ends(),
            (None, None) => Err(Error::failed("standard input and output were handed over before")),
        }
    }

    /// From now on every key goes to the container.
    pub fn engage(&mut self) -> Result<()> {
        match &mut self.terminal {
            Some(terminal) => terminal.engage(),
            None => Ok(()),
        }
    }

    pub fn resize(&self) {
        if let Some(terminal) = &self.terminal {
            terminal.resize();
        }
    }
}

impl Terminal {
    pub fn path(&self) -> String {
        format!("/dev/pts/{}", self.number)
    }

    /// The payload's end, three times.
    fn ends(&self) -> Result<[OwnedFd; 3]> {
        Ok([self.peer.try_clone()?, self.peer.try_clone()?, self.peer.try_clone()?])
    }

    fn engage(&mut self) -> Result<()> {
        self.raw = self.keyboard.as_ref().map(|keyboard| Raw::enable(keyboard.as_fd())).transpose()?;
        Ok(())
    }

    fn resize(&self) {
        if let Some(window) = &self.window {
            pty::copy_size(window.as_fd(), self.master.as_fd());
        }
    }
}

fn input(relay: &mut Relay, ours: BorrowedFd<'_>) -> Result<OwnedFd> {
    if allowed(ours)? == Sort::Bytes {
        return Ok(ours.try_clone_to_owned()?);
    }
    let (near, far) = io::pipe()?;
    socket::set_nonblocking(far.as_fd())?;
    relay.add(Flow::input(own_input(ours)?, far));
    Ok(near)
}

fn output(relay: &mut Relay, ours: BorrowedFd<'_>) -> Result<OwnedFd> {
    if allowed(ours)? == Sort::Bytes {
        return Ok(ours.try_clone_to_owned()?);
    }
    let (near, far) = io::pipe()?;
    socket::set_nonblocking(near.as_fd())?;
    relay.add(Flow::output(near, own_output(ours)?));
    Ok(far)
}

fn allowed(ours: BorrowedFd<'_>) -> Result<Sort> {
    match io::sort(ours)? {
        Sort::Directory => Err(Error::failed("it is a directory, and whoever is given that can leave the container")),
        sort => Ok(sort),
    }
}

fn own_input(ours: BorrowedFd<'_>) -> Result<OwnedFd> {
    own(ours, pty::reopen_input)
}

fn own_output(ours: BorrowedFd<'_>) -> Result<OwnedFd> {
    own(ours, pty::reopen_output)
}

/// A terminal is opened again: only so can it be made non-blocking for us alone.
fn own(ours: BorrowedFd<'_>, reopen: fn(BorrowedFd<'_>) -> Result<OwnedFd>) -> Result<OwnedFd> {
    match pty::is_terminal(ours).then(|| reopen(ours)) {
        Some(Ok(own)) => Ok(own),
        _ => Ok(ours.try_clone_to_owned()?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::io::pipe_of_files as pipe;
    use std::fs::File;
    use std::io::Read;

    fn caller<'a>(input: &'a impl AsFd, output: &'a impl AsFd, error: &'a impl AsFd) -> Caller<'a> {
        Caller { input: input.as_fd(), output: output.as_fd(), error: error.as_fd() }
    }

    #[test]
    fn pipes_are_handed_over_as_they_are() {
        let ((near, _), (_, far)) = (pipe().unwrap(), pipe().unwrap());
        let mut wires = Wires::files(caller(&near, &far, &far)).unwrap();
        let given = wires.take_files().unwrap();
        assert!(io::is_same(given[0].as_fd(), near.as_fd()));
        assert!(io::is_same(given[1].as_fd(), far.as_fd()));
        assert!(io::is_same(given[2].as_fd(), far.as_fd()));
        assert!(wires.take_files().is_none(), "no copy may stay");
    }

    #[test]
    fn a_file_is_not_handed_over_but_what_is_in_it() {
        let path = std::env::temp_dir().join(format!("sdme-terminal-{}", std::process::id()));
        std::fs::write(&path, "of the host").unwrap();
        let file = File::open(&path).unwrap();
        let mut wires = Wires::files(caller(&file, &file, &file)).unwrap();
        let [input, output, error] = wires.take_files().unwrap();
        for given in [&input, &output, &error] {
            assert_eq!(io::sort(given.as_fd()).unwrap(), Sort::Bytes);
        }
        let _ = wires.relay.step(&[], crate::sys::poll::Wait::at_most(std::time::Duration::from_millis(50)));
        let mut text = String::new();
        File::from(input).read_to_string(&mut text).unwrap();
        assert_eq!(text, "of the host");
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn devices_are_not_handed_over() {
        let null = File::options().read(true).write(true).open("/dev/null").unwrap();
        let mut wires = Wires::files(caller(&null, &null, &null)).unwrap();
        for given in wires.take_files().unwrap() {
            assert_eq!(io::sort(given.as_fd()).unwrap(), Sort::Bytes);
        }
    }

    #[test]
    fn a_directory_is_refused() {
        let (_, far) = pipe().unwrap();
        assert!(Wires::files(caller(&File::open("/").unwrap(), &far, &far)).is_err());
    }

    #[test]
    fn one_device_for_output_and_error_is_one_pipe() {
        let null = File::options().read(true).write(true).open("/dev/null").unwrap();
        let (near, _) = pipe().unwrap();
        let mut wires = Wires::files(caller(&near, &null, &null)).unwrap();
        let [_, output, error] = wires.take_files().unwrap();
        assert!(io::is_same(output.as_fd(), error.as_fd()));
    }

    #[test]
    fn the_end_of_a_device_is_the_end_of_the_payloads_input() {
        let null = File::open("/dev/null").unwrap();
        let (_, far) = pipe().unwrap();
        let mut wires = Wires::files(caller(&null, &far, &far)).unwrap();
        let [input, ..] = wires.take_files().unwrap();
        let _ = wires.relay.step(&[], crate::sys::poll::Wait::at_most(std::time::Duration::from_millis(50)));
        let mut text = Vec::new();
        assert_eq!(File::from(input).read_to_end(&mut text).unwrap(), 0);
    }
}
