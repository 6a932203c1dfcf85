//! The four steps: what is there, the lock and a second look, a refresh, a person.

use super::{Engine, Session, Wanted, ask, renew};
use crate::error::Result;
use crate::log;
use crate::oci::Upst;

impl Engine<'_> {
    /// A session as it is wanted.
    ///
    /// # Errors
    /// Whatever kept it from being had; the stored session is then as good as before.
    pub fn ensure(&mut self) -> Result<Session> {
        if self.want.upst == Wanted::Valid
            && let Some(session) = self.usable(self.look()?)
        {
            return Ok(session);
        }
        self.obtain()
    }

    /// Apart from the first step, which most runs end with: they need none of its room on the stack.
    #[inline(never)]
    fn obtain(&mut self) -> Result<Session> {
        let want = self.want.upst;
        let seen = match want {
            Wanted::Newer => self.look()?.upst.map(|upst| upst.token().clone()),
            Wanted::Valid | Wanted::SignedIn => None,
        };
        if want == Wanted::Valid {
            ask::refuse_at_once(self, &self.look()?.record)?;
        }

        let locked = self.dir.lock()?;
        let found = self.look()?;
        let is_new = found.upst.as_ref().map(Upst::token) != seen.as_ref();
        let may_be_used = match want {
            Wanted::Valid => true,
            Wanted::Newer => is_new,
            Wanted::SignedIn => false,
        };
        if may_be_used && let Some(session) = self.usable(self.look()?) {
            log::debug(format_args!("Another process has just made a session"));
            return Ok(session);
        }
        if want == Wanted::Valid {
            // Those who waited for a sign-in that nobody answered.
            ask::refuse_at_once(self, &found.record)?;
        }

        for warning in &self.settings.warnings {
            log::warning(format_args!("{warning}"));
        }
        let renewal = self.settings.renewal()?;
        // Before a token is spent or a person is asked for what could then not be named there.
        self.check_oci_config()?;
        let why = match want {
            Wanted::SignedIn => "it was asked for".into(),
            Wanted::Valid | Wanted::Newer => match renew::renew(self, &locked, &found, &renewal)? {
                renew::Outcome::Renewed(session) => return Ok(*session),
                renew::Outcome::NeedsPerson { why } => why,
            },
        };
        // A refusal has just been written down, perhaps.
        let found = self.look()?;
        ask::sign_in(self, &locked, found, &renewal, &why)
    }
}
