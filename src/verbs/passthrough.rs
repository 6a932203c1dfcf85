//! `oci` with a session: found on PATH first, then the session, then oci in woci's place.

use std::ffi::OsString;

use super::settings;
use crate::error::{Error, Result};
use crate::fresh::beside;
use crate::fresh::keeper::Keeper;
use crate::host::Host;
use crate::log;
use crate::oci::environment::OVERRIDING;
use crate::oci::program::{Program, find_oci};
use crate::options::Flags;
use crate::output::Output;
use crate::session::{Engine, Want};

pub fn run(host: &Host, flags: &Flags, words: Vec<OsString>, bare: bool) -> Result<Output> {
    let mut program = Program::new(find_oci(&host.env)?, &host.env);
    if bare {
        program.args(words);
        match program.exec()? {};
    }
    let settings = settings(host, flags)?;
    let mut engine = Engine::new(host, &settings, Want::VALID, None);
    let session = engine.ensure()?;
    engine.name_in_oci_config(&session)?;

    if settings.oci_config_from_manager {
        program.args(["--config-file".into(), settings.oci_config.clone().into()]);
    }
    if !flags.has("--profile") {
        program.args(["--profile".into(), settings.profile.as_str().into()]);
    }
    if !flags.has("--auth") {
        program.args(["--auth".into(), "security_token".into()]);
    }
    program.args(words);
    program.remove_variables(&OVERRIDING);
    program.remove_variables(settings.passphrase.variable.as_deref().as_slice());
    if !settings.auto_refresh {
        match program.exec()? {}
    }
    // A question while oci has the terminal would be one too many: it is put now, where this run was
    // asked to refresh, or never.
    let passphrase = match flags.has("--auto-refresh").then(|| engine.unlock()) {
        None => None,
        Some(Err(e @ Error::NoRefreshToken { .. })) => {
            log::warning(format_args!("{e}"));
            None
        }
        Some(unlocked) => unlocked?,
    };
    Ok(Output::Code(beside::run(&program, &mut Keeper::new(host, flags, passphrase))?))
}
