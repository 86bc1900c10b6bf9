//! Threads that do what they are given, as many as there is work for, up to a number.

use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

type Job = Box<dyn FnOnce() + Send>;

/// The threads end when this is dropped, each with the job it is in.
pub struct Workers {
    jobs: Sender<Job>,
    waiting: Arc<Mutex<Receiver<Job>>>,
    most: usize,
    started: usize,
}

impl Workers {
    pub fn new(most: usize) -> Workers {
        let (jobs, waiting) = channel();
        Workers { jobs, waiting: Arc::new(Mutex::new(waiting)), most, started: 0 }
    }

    /// Does it on one of the threads, after what was given before. Errors: no thread can be had.
    pub fn run(&mut self, job: impl FnOnce() + Send + 'static) -> io::Result<()> {
        if self.started < self.most.max(1) {
            let waiting = self.waiting.clone();
            thread::Builder::new().name("decoder".into()).spawn(move || work(&waiting))?;
            self.started += 1;
        }
        self.jobs.send(Box::new(job)).map_err(|_| io::Error::other("the threads of the decoder are gone"))
    }
}

fn work(waiting: &Mutex<Receiver<Job>>) {
    loop {
        // Whoever waits holds the lock; a job is done without it.
        let job = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match job {
            Ok(job) => job(),
            Err(_) => return,
        }
    }
}
