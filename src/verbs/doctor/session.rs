//! Checks of the stored session: its token, key and refresh token, where it came from and whose it is, the daemon, and
//! the clock by which all of this is judged.

use super::Finding;
use super::look::Look;
use crate::config::{About, Settings, SignIn};
use crate::error::Error;
use crate::fresh::daemon::Daemon;
use crate::oci::{Identity, Upst};
use crate::store::Contents;
use crate::store::refresh_token::{self, Kept};
use crate::time::UnixTime;

/// OCI refuses a request whose date is further from its own clock.
const LARGEST_DEVIATION: i64 = 300;
/// In seconds: a deviation that a person should know of.
pub const DEVIATION: i64 = 60;

pub fn token(look: &Look<'_>) -> Vec<Finding> {
    let (Some((settings, contents, engine)), Some(dir)) = (look.stored(), look.dir()) else {
        return Vec::new();
    };
    let why_person = engine.why_person(contents, look.now).ok().flatten().map(|it| it.why);
    let file = dir.token_file();
    let Some(upst) = &contents.upst else {
        if file.exists() {
            return vec![Finding::wrong(
                format!("{} holds no session token", file.display()),
                renews(look, why_person),
            )];
        }
        // That nothing is configured was said.
        if settings.session_from.is_none() && !engine.is_of_console(contents) {
            return Vec::new();
        }
        return vec![match why_person {
            None => Finding::good("no session token yet: the next run makes one"),
            Some(why) => needs_person(look, settings, "there is no session token", &why),
        }];
    };
    let exp = upst.exp();
    let left = exp.since(look.now);
    if left > 0 {
        // What keeps a provider's session from a renewal is said by the checks of its refresh token and origin.
        if engine.is_of_console(contents)
            && !contents.record.damaged
            && let Some(why) = why_person
        {
            let what = format!("token valid until {exp} ({}), and not renewed then: {why}", duration(left));
            return vec![Finding::doubtful(what, look.sign_in())];
        }
        let ends = upst.sess_exp().filter(|end| engine.is_of_console(contents) && *end <= exp);
        let last = ends.map_or("", |_| "; the session ends for good then");
        return vec![Finding::good(format!("token valid until {exp} ({}){last}", duration(left)))];
    }
    let expired = format!("the session token has expired at {exp}");
    vec![match why_person {
        None => Finding::good(format!("{expired}; the next run renews it")),
        Some(why) => needs_person(look, settings, &expired, &why),
    }]
}

/// A session that works again only after a sign-in.
fn needs_person(look: &Look<'_>, settings: &Settings, what: &str, why: &str) -> Finding {
    match settings.sign_in {
        SignIn::Auto => {
            Finding::doubtful(format!("{what}, and a person has to sign in: {why}"), look.sign_in())
        }
        SignIn::Never => Finding::wrong(
            format!("{what}, and a run may not open a browser (sign_in = never): {why}"),
            look.sign_in(),
        ),
    }
}

/// How a new session is made of what is stored.
fn renews(look: &Look<'_>, why_person: Option<String>) -> String {
    match why_person {
        None => format!("run {}", look.command("session refresh")),
        Some(_) => look.sign_in(),
    }
}

pub fn key(look: &Look<'_>) -> Vec<Finding> {
    let contents = match (&look.contents, &look.settings) {
        (Ok(contents), _) => contents,
        // The check of the settings says it.
        (Err(_), Err(_)) => return Vec::new(),
        (Err(e), Ok(_)) => return vec![Finding::error(e, &look.given)],
    };
    let why_person = look
        .stored()
        .and_then(|(_, contents, engine)| engine.why_person(contents, look.now).ok().flatten())
        .map(|it| it.why);
    let is_of = |upst: &Upst| contents.key.as_ref().is_some_and(|key| upst.is_bound_to(key.public()));
    let Contents { upst, key, key_file, .. } = contents;
    if let (Ok(section), Some((_, _, engine))) = (&look.section, look.stored())
        && let Err(e) = engine.refuse_encrypted_key(contents, section)
    {
        return vec![Finding::error(&e, &look.given)];
    }
    let path = key_file.display();
    let name = key_file.file_name().unwrap_or_default().display();
    vec![match (upst, key) {
        (None, None) => return Vec::new(),
        (Some(_), None) => {
            Finding::wrong(format!("there is no key {path} for the session token"), renews(look, why_person))
        }
        (Some(upst), Some(_)) if !is_of(upst) => Finding::wrong(
            format!("the session token is bound to another key than {path}"),
            renews(look, why_person),
        ),
        (Some(upst), Some(key)) if upst.names(key.public()) == Some(true) => {
            Finding::good(format!("the token is bound to the key {name}"))
        }
        (_, Some(_)) => Finding::good(format!("the key {name} can be read")),
    }]
}

pub fn refresh_token(look: &Look<'_>) -> Vec<Finding> {
    let (Some((settings, contents, engine)), Some(dir)) = (look.stored(), look.dir()) else {
        return Vec::new();
    };
    if look.is_workload() || engine.is_of_console(contents) || settings.session_from.is_none() {
        return Vec::new();
    }
    let file = dir.refresh_token_file();
    let path = file.display();
    let kept = match refresh_token::in_folder(&file) {
        Ok(Kept::Damaged(e)) => return vec![Finding::error(&e, &look.given)],
        Ok(kept) => kept,
        Err(e) => return vec![Finding::error(&e, &look.given)],
    };
    if let Some(keyring) = &settings.keyring {
        let setting = keyring.put.setting;
        return vec![match kept {
            Kept::Plain(_) => Finding::doubtful(
                format!("{path} holds a refresh token, and {setting} is set"),
                format!("run {}, which moves it", look.command("session refresh")),
            ),
            Kept::Encrypted | Kept::OfOlderTool => Finding::wrong(
                format!("{path} is encrypted, and beside {setting} there is no passphrase"),
                look.sign_in(),
            ),
            Kept::Nowhere | Kept::Damaged(_) | Kept::ByCommand => {
                Finding::good(format!("{setting} keeps the refresh token (not run here)"))
            }
        }];
    }
    let is_encrypted = settings.passphrase.prompt || settings.passphrase.otherwise.is_some();
    let refused = contents.record.refused.as_deref();
    vec![match kept {
        // Nobody has signed in, as the check of the token says.
        Kept::Nowhere if contents.upst.is_none() => return Vec::new(),
        Kept::Nowhere => Finding::doubtful(
            "there is no refresh token: each session, of an hour at most, needs a sign-in",
            {
                let sign_in = look.sign_in();
                let lacks = settings.warnings.iter().any(|warning| warning.about == About::Scope);
                match lacks {
                    true => format!("add offline_access to scope, then {sign_in}"),
                    false => format!(
                        "allow the client the grant refresh token at the provider (some also need authz_params = \
                     prompt=consent), then {sign_in}"
                    ),
                }
            },
        ),
        kept if kept.is_refused(refused) => {
            Finding::doubtful("the provider has refused the refresh token", look.sign_in())
        }
        Kept::Encrypted | Kept::OfOlderTool if !is_encrypted => {
            Finding::error(&Error::NoPassphraseSource { path: file.clone() }, &look.given)
        }
        Kept::Plain(_) if is_encrypted => Finding::good("the next renewal encrypts the refresh token"),
        Kept::Plain(_) => Finding::good("the refresh token is stored in plain text"),
        Kept::Encrypted => Finding::good("the refresh token is stored encrypted"),
        Kept::OfOlderTool => {
            Finding::good("the next renewal encrypts the refresh token anew: the older tool wrote it")
        }
        Kept::Damaged(_) | Kept::ByCommand => return Vec::new(),
    }]
}

/// What the session was made with, and what is configured now.
pub fn origin(look: &Look<'_>) -> Vec<Finding> {
    let Some((settings, contents, _)) = look.stored() else { return Vec::new() };
    let (record, origin) = (&contents.record, settings.origin());
    if contents.upst.is_none() && !record.damaged {
        return Vec::new();
    }
    vec![if record.damaged {
        let file = settings.session_folder.join("session.json");
        Finding::wrong(
            format!("{} is damaged, so the origin of the session is unknown", file.display()),
            look.sign_in(),
        )
    } else if let Some(change) = record.provider_change(origin.as_ref()) {
        Finding::doubtful(
            format!(
                "the session was made with another configuration ({change}), and the next run asks for a sign-in"
            ),
            format!("restore the setting, or {}", look.sign_in()),
        )
    } else if let Some(change) = record.exchange_change(origin.as_ref()) {
        Finding::doubtful(
            format!("the session was made with another configuration ({change}), and the next run renews it"),
            format!("run {}", look.command("session refresh")),
        )
    } else {
        Finding::good("the session was made with the present configuration")
    }]
}

/// Whose session it is.
pub fn identity(look: &Look<'_>) -> Vec<Finding> {
    let Some((settings, contents, _)) = look.stored() else { return Vec::new() };
    let Some(upst) = &contents.upst else { return Vec::new() };
    let expected = Identity { user: settings.expect_user.clone(), tenancy: settings.expect_tenancy.clone() };
    let is = upst.identity();
    vec![match is.meets(&expected) {
        true => Finding::good(format!("the session is of {is}")),
        false => Finding::wrong(
            format!("the session is of {is}, and the settings expect {}", expected.known()),
            format!("correct expect_user and expect_tenancy, or {} as the one they expect", look.sign_in()),
        ),
    }]
}

/// A renewal of a console session that has failed, if none has succeeded since.
pub fn renewal(look: &Look<'_>) -> Vec<Finding> {
    let console = look.contents().and_then(|contents| contents.record.console.as_ref());
    let Some(at) = console.and_then(|console| console.failed_renewal) else { return Vec::new() };
    vec![Finding::doubtful(
        format!("the last renewal, at {at}, failed; the token is used as it is, and a later run tries again"),
        format!("run {}, which says why", look.command("session refresh")),
    )]
}

/// A sign-in that a person left unfinished.
pub fn sign_in(look: &Look<'_>) -> Vec<Finding> {
    let failed = look.contents().and_then(|contents| contents.record.failed_sign_in.as_ref());
    let Some(failed) = failed else { return Vec::new() };
    let (at, how) = (failed.at, failed.how.word());
    vec![Finding::doubtful(
        format!(
            "the last sign-in, at {at}, was {how}; for 10 minutes after it, runs without a terminal ask for none"
        ),
        look.sign_in(),
    )]
}

pub fn daemon(look: &Look<'_>) -> Vec<Finding> {
    let Some(settings) = look.settings() else { return Vec::new() };
    let daemon = Daemon::of(settings);
    if let Some(pid) = daemon.older_tool() {
        return vec![Finding::wrong(
            format!(
                "process {pid} seems to be the older tool's daemon: both would spend the same refresh token"
            ),
            format!("run `kill {pid}`"),
        )];
    }
    let status = match daemon.status() {
        Ok(status) => status,
        Err(e) => return vec![Finding::error(&e, &look.given)],
    };
    let error = status.last_error.as_deref();
    if let (None, Some(process)) = (error, status.outdated()) {
        let remedy = format!("run `{}`", look.given.restart_daemon(None));
        return vec![Finding::doubtful(format!("the daemon is {process}"), remedy)];
    }
    vec![match (status.pid, error) {
        (Some(pid), None) => Finding::good(format!("the daemon runs (process {pid})")),
        (Some(pid), Some(error)) => Finding::doubtful(
            format!("the daemon runs (process {pid}), and its last renewal failed: {error}"),
            format!("see {}", daemon.log_file().display()),
        ),
        (None, None) => Finding::good("no daemon runs"),
        (None, Some(error)) => Finding::doubtful(
            format!("the daemon has ended: {error}"),
            format!("see {}; {} starts it again", daemon.log_file().display(), look.command("--daemon")),
        ),
    }]
}

/// A clock that is slow shows by what was issued in its future.
pub fn clock(look: &Look<'_>) -> Vec<Finding> {
    let issued = look.contents().and_then(|contents| contents.upst.as_ref()).and_then(Upst::iat);
    let Some(ahead) = issued.map(|iat| iat.since(look.now)) else { return Vec::new() };
    vec![if ahead <= DEVIATION {
        Finding::good("the clock is not behind the time at which the token was issued")
    } else {
        deviation(look.now, ahead, "the session token was issued")
    }]
}

/// A clock that is behind (positive) or ahead (negative) by some seconds.
pub fn deviation(now: UnixTime, behind: i64, by: &str) -> Finding {
    let direction = if behind > 0 { "behind" } else { "ahead" };
    let what = format!(
        "this machine's clock ({now}) is {} {direction} of the time when {by}",
        duration(behind.abs())
    );
    const REMEDY: &str = match cfg!(target_os = "macos") {
        true => "set the clock, for example with `sudo sntp -sS time.apple.com`",
        false => "set the clock, for example with `timedatectl set-ntp true`",
    };
    match behind.abs() > LARGEST_DEVIATION {
        true => {
            Finding::wrong(format!("{what}; OCI refuses requests that are more than 5 minutes off"), REMEDY)
        }
        false => Finding::doubtful(what, REMEDY),
    }
}

/// A number of seconds, in the largest unit that it has two of.
fn duration(seconds: i64) -> String {
    match seconds {
        ..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_said_in_a_unit_that_it_has_two_of() {
        let said = [0, 119, 120, 7_199, 7_200, 172_799, 172_800].map(duration);
        assert_eq!(said, ["0 s", "119 s", "2 min", "119 min", "2 h", "47 h", "2 days"]);
    }

    #[test]
    fn a_clock_that_is_far_off_is_wrong() {
        let now = UnixTime(1_795_467_600);
        for (behind, is_wrong, words) in
            [(61, false, "61 s behind"), (-300, false, "5 min ahead"), (301, true, "5 min behind")]
        {
            let found = deviation(now, behind, "it was so");
            assert_eq!(found.state == crate::verbs::doctor::State::Wrong, is_wrong);
            assert!(found.what.contains(words), "{}", found.what);
        }
    }
}
