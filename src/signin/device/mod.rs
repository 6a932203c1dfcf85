//! The sign-in by a code (RFC 8628): woci shows a code and the address of a page of the provider's, the person types
//! the code there in any browser, and woci asks the provider until that is done. Needs no browser, port or terminal
//! here.

mod qr;

use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::host::Host;
use crate::log;
use crate::oauth::device::{self, DeviceCode, Poll};
use crate::oauth::http::Client;
use crate::oauth::{Provider, Tokens};
use crate::signin::Step;

pub struct Plan {
    /// The provider's device authorization endpoint.
    pub url: String,
    /// Another way could be chosen, since a person is at the terminal.
    pub may_paste: bool,
}

/// `slow_down` makes the interval longer by this for good (RFC 8628 section 3.5).
const SLOWER: Duration = Duration::from_secs(5);

/// Shows the code and waits until the person has typed it. `step` is called before the first request that may bring
/// tokens, and when they have come.
pub fn ask<'a>(
    host: &'a Host,
    plan: &Plan,
    provider: &Provider,
    client: &mut Client<'a>,
    mut step: impl FnMut(&mut Client<'a>, Step) -> Result<()>,
) -> Result<Tokens> {
    let code = device::authorize(client, provider, &plan.url)?;
    let end = Instant::now() + code.life;
    step(client, Step::RedeemsWithin(code.life))?;
    show(host, plan, &code);
    let tokens = wait(code.interval, end, || device::poll(client, provider, &code), thread::sleep)?
        .ok_or(Error::Unanswered { minutes: code.life.as_secs().div_ceil(60) })?;
    step(client, Step::Redeems)?;
    Ok(tokens)
}

/// Polls until there are tokens. None if the code has expired before.
fn wait(
    mut interval: Duration,
    end: Instant,
    mut poll: impl FnMut() -> Result<Poll>,
    sleep: impl Fn(Duration),
) -> Result<Option<Tokens>> {
    let mut failure = None;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if interval >= left {
            sleep(left);
            return failure.map_or(Ok(None), Err);
        }
        sleep(interval);
        failure = None;
        match poll()? {
            Poll::Tokens(tokens) => return Ok(Some(tokens)),
            Poll::Expired => return Ok(None),
            Poll::Pending => {}
            Poll::SlowDown => interval += SLOWER,
            // Asks less often too (RFC 8628 section 3.5).
            Poll::NotNow(e) => {
                log::debug(format_args!("{e}"));
                interval += SLOWER;
                failure = Some(e);
            }
        }
    }
}

fn show(host: &Host, plan: &Plan, code: &DeviceCode) {
    let DeviceCode { user_code, verification_uri, complete_uri, life, .. } = code;
    log::line(format_args!("Open this page in a browser on any machine:\n    {verification_uri}"));
    log::line(format_args!("and enter this code there:\n    {user_code}"));
    if let Some(picture) = qr::picture(&host.env, complete_uri.as_deref().unwrap_or(verification_uri)) {
        let what = if complete_uri.is_some() { "page with the code in it" } else { "page" };
        log::line(format_args!("Or scan this, which opens the {what}:\n{picture}"));
    }
    if plan.may_paste {
        log::line(format_args!(
            "If that does not work, press Ctrl-C and add --sign-in-with paste: you then open a URL in any browser, and paste \
             the address of the last page here."
        ));
    }
    log::info(format_args!("Waiting for you to sign in, {} minutes at most", life.as_secs().div_ceil(60)));
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::secret::Secret;

    fn tokens() -> Poll {
        Poll::Tokens(Tokens { access_token: Ok(Secret::new("a".into())), refresh_token: None })
    }

    fn unreachable() -> Error {
        Error::Unreachable {
            what: "token endpoint",
            url: "https://a.example".into(),
            why: "it is down".into(),
            is_sent: false,
        }
    }

    /// Whether tokens came, and the seconds before each poll.
    fn run(polls: Vec<Result<Poll>>, life: u64) -> (Result<bool>, Vec<u64>) {
        let slept = RefCell::new(Vec::new());
        let mut polls = polls.into_iter();
        let end = Instant::now() + Duration::from_secs(life);
        let sleep = |time: Duration| slept.borrow_mut().push(time.as_secs());
        let ended = wait(Duration::from_secs(5), end, || polls.next().expect("a poll too many"), sleep);
        (ended.map(|tokens| tokens.is_some()), slept.into_inner())
    }

    #[test]
    fn it_is_asked_until_there_are_tokens_and_ever_slower_if_told_so() {
        let polls =
            vec![Ok(Poll::Pending), Ok(Poll::SlowDown), Ok(Poll::Pending), Ok(Poll::SlowDown), Ok(tokens())];
        assert_eq!(run(polls, 600), (Ok(true), vec![5, 5, 10, 10, 15]));
    }

    #[test]
    fn a_connection_that_fails_is_tried_again() {
        let polls = vec![Ok(Poll::NotNow(unreachable())), Ok(Poll::Pending), Ok(tokens())];
        assert_eq!(run(polls, 600), (Ok(true), vec![5, 10, 10]));
    }

    #[test]
    fn a_code_that_has_expired_or_a_denial_ends_it() {
        assert_eq!(run(vec![Ok(Poll::Pending), Ok(Poll::Expired)], 600), (Ok(false), vec![5, 5]));
        let denied = Error::Denied { error: "access_denied".into(), description: None };
        assert_eq!(run(vec![Err(denied.clone())], 600), (Err(denied), vec![5]));
        // Nothing is asked after the end of the code's life; what failed last is said.
        assert_eq!(run(vec![], 5).0, Ok(false));
        assert_eq!(run(vec![Ok(Poll::NotNow(unreachable()))], 8).0, Err(unreachable()));
    }
}
