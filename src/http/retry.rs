//! Which failures are worth another attempt, how many, and after how long. Pure.

use crate::error::Error;
use crate::http::head::Head;
use crate::text::time;
use std::time::Duration;

/// The longest that one waits between attempts by oneself.
const DELAY_MAX: Duration = Duration::from_secs(30);
/// The longest that a server's Retry-After is obeyed; past it the user is told instead.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(300);
/// So many bytes after a failure the next one counts as the first again.
const PROGRESS: u64 = 1 << 20;

/// Why an attempt did not do.
#[derive(Debug)]
pub enum Failure {
    /// It may do next time, after at least so long.
    Passing(Error, Duration),
    Final(Error),
}

pub type Attempt<T> = std::result::Result<T, Failure>;

impl Failure {
    pub fn passing(error: impl Into<Error>) -> Failure {
        Failure::Passing(error.into(), Duration::ZERO)
    }

    pub fn context(self, text: impl Into<String>) -> Failure {
        match self {
            Failure::Passing(error, after) => Failure::Passing(error.context(text), after),
            Failure::Final(error) => Failure::Final(error.context(text)),
        }
    }

    /// Of an answer that is neither the file nor a redirect. `now` in seconds after 1970.
    pub fn of_status(head: &Head, now: u64) -> Failure {
        let error = Error::failed(format!("the server answered {}", head.status_text()));
        if !matches!(head.status, 429 | 500 | 502 | 503 | 504) {
            return Failure::Final(error);
        }
        match retry_after(head, now).unwrap_or_default() {
            wait if wait > RETRY_AFTER_MAX => {
                Failure::Final(error.context(format!("asked to come again in {} s", wait.as_secs())))
            }
            wait => Failure::Passing(error, wait),
        }
    }
}

/// An error that stays one however often it is tried.
impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Final(error)
    }
}

/// Seconds, or a date.
fn retry_after(head: &Head, now: u64) -> Option<Duration> {
    let text = head.field("retry-after")?;
    let seconds = text.parse().ok().or_else(|| Some(time::parse_http_date(text)?.saturating_sub(now)));
    seconds.map(Duration::from_secs)
}

/// What is left of the attempts for one file.
#[derive(Debug)]
pub struct Tries {
    most: u32,
    base: Duration,
    /// Failures in a row.
    failed: u32,
    /// Where in the file the last one was.
    at: u64,
}

impl Tries {
    /// At most `most` attempts more after a failure, the first of them after `base`.
    pub fn new(most: u32, base: Duration) -> Tries {
        Tries { most, base, failed: 0, at: 0 }
    }

    /// After how long to try again; or the error with which it ends.
    pub fn again(&mut self, failure: Failure, at: u64) -> Result<(Duration, Error), Error> {
        let (error, least) = match failure {
            Failure::Final(error) => return Err(error),
            Failure::Passing(error, least) => (error, least),
        };
        if at.saturating_sub(self.at) >= PROGRESS {
            self.failed = 0;
        }
        if self.failed >= self.most {
            let times = self.most + 1;
            return Err(if times == 1 { error } else { error.context(format!("tried {times} times")) });
        }
        let delay = self.base.saturating_mul(1 << self.failed.min(16)).min(DELAY_MAX);
        self.failed += 1;
        self.at = at;
        Ok((delay.max(least), error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(status: u16, fields: &str) -> Failure {
        Failure::of_status(&Head::parse(format!("HTTP/1.1 {status} x\n{fields}\n").as_bytes()).unwrap(), 784_111_770)
    }

    fn wait(status: u16, fields: &str) -> Option<u64> {
        match failure(status, fields) {
            Failure::Passing(_, wait) => Some(wait.as_secs()),
            Failure::Final(_) => None,
        }
    }

    #[test]
    fn servers_in_trouble_are_asked_again() {
        assert_eq!(wait(503, ""), Some(0));
        assert_eq!(wait(429, "Retry-After: 7\n"), Some(7));
        assert_eq!(wait(503, "Retry-After: Sun, 06 Nov 1994 08:49:37 GMT\n"), Some(7));
        assert_eq!(wait(503, "Retry-After: Sun, 06 Nov 1994 08:00:00 GMT\n"), Some(0));
        assert_eq!(wait(503, "Retry-After: soon\n"), Some(0));
        assert_eq!(wait(503, "Retry-After: 86400\n"), None);
        for status in [400, 401, 403, 404, 407, 410, 451, 501, 505] {
            assert_eq!(wait(status, ""), None, "{status}");
        }
    }

    #[test]
    fn delays_double_and_end() {
        let mut tries = Tries::new(3, Duration::from_secs(10));
        let mut next = |at| tries.again(failure(503, ""), at).map(|(delay, _)| delay.as_secs()).ok();
        assert_eq!([next(0), next(0), next(9), next(9)], [Some(10), Some(20), Some(30), None]);
        assert_eq!(next(PROGRESS + 9), Some(10), "what has come counts");
        assert!(tries.again(failure(404, ""), 0).is_err());
        assert!(Tries::new(0, Duration::ZERO).again(failure(503, ""), 0).is_err());
    }
}
