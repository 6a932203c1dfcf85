//! The page that the person waits for after the answer: it is sent when the sign-in has ended, so that it
//! can say how.

use std::sync::mpsc::{self, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::listener::OpenPage;
use super::page::Page;

/// A person looks at an empty page no longer than this.
const LIMIT: Duration = Duration::from_secs(20);

/// What the person's browser waits for, if it does. Dropped without an end, it says that the terminal
/// knows more.
#[derive(Default)]
pub struct Reply(Option<(Sender<Page>, JoinHandle<()>)>);

impl Reply {
    pub(super) fn hold(open: OpenPage) -> Self {
        Self::hold_for(LIMIT, open)
    }

    fn hold_for(limit: Duration, open: OpenPage) -> Self {
        let (end, ended) = mpsc::channel();
        let thread = thread::Builder::new().spawn(move || {
            let mut open = open;
            if let Ok(page) = ended.recv_timeout(limit) {
                open.page = page;
            }
        });
        // Where the system refuses a thread, the page that sends the person to the terminal is sent by now.
        Self(thread.ok().map(|thread| (end, thread)))
    }

    /// Sends this page, unless the person was sent to the terminal already.
    pub fn end(self, page: Page) {
        if let Some((end, _)) = &self.0 {
            let _ = end.send(page);
        }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if let Some((end, thread)) = self.0.take() {
            drop(end);
            // The page is on its way before woci ends or becomes another program.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpStream;

    use super::super::listener::{Listener, Port};
    use super::super::page;
    use super::super::request::Accepts;
    use super::*;
    use crate::host::Host;
    use crate::testing::Home;

    const LONG: Duration = Duration::from_secs(600);

    /// An answer to a sign-in, and the person's end of its connection.
    fn answered() -> (OpenPage, TcpStream) {
        let port = Port { number: 0, is_localhost: false, accepts: Accepts::Gets, is_the_only_one: false };
        let mut listener = Listener::bind(&Host::of_this_process(), Home::new().root(), &port).unwrap();
        let mut person = TcpStream::connect(("127.0.0.1", listener.port())).unwrap();
        person.write_all(b"GET /callback?code=C0DE&state=S HTTP/1.1\r\n\r\n").unwrap();
        loop {
            if let Some(arrived) = listener.next() {
                return (listener.close(arrived), person);
            }
        }
    }

    fn text(mut person: TcpStream) -> String {
        let mut text = String::new();
        person.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn the_page_says_how_it_ended() {
        let (page, person) = answered();
        Reply::hold_for(LONG, page).end(page::signed_in("prod", None, "noon"));
        assert!(text(person).contains("You are signed in"));
    }

    #[test]
    fn after_a_while_the_page_points_to_the_terminal() {
        let (page, person) = answered();
        let reply = Reply::hold_for(Duration::ZERO, page);
        assert!(text(person).contains("continues in your terminal"));
        reply.end(page::signed_in("prod", None, "noon"));
    }

    #[test]
    fn a_reply_without_an_end_points_to_the_terminal() {
        let (page, person) = answered();
        drop(Reply::hold_for(LONG, page));
        assert!(text(person).contains("continues in your terminal"));
    }
}
