//! Any program with a session: it gets the variables of `woci env`, and runs as an oci command does.

use super::env::{Variables, variables};
use super::{Invocation, passthrough, settings};
use crate::error::{Error, Result};
use crate::host::Host;
use crate::oci::program::Program;
use crate::output::Output;
use crate::session::{Engine, Want};

pub fn run(host: &Host, invocation: Invocation) -> Result<Output> {
    let Invocation { verb, flags, words, .. } = invocation;
    let mut words = words.into_iter();
    let name = words.next().ok_or(Error::ProgramNotNamed { verb: verb.name })?;
    let mut program = Program::named(&name, &host.env)?;
    program.args(words);
    let settings = settings(host, &flags)?;
    let mut engine = Engine::new(host, &settings, Want::VALID, None);
    let mut session = engine.ensure()?;
    engine.hand_out(&mut session)?;

    let Variables { set, unset } = variables(&settings, &session);
    program.remove_variables(&unset);
    let secrets: Vec<&str> = settings.secret_variables.iter().map(String::as_str).collect();
    program.remove_variables(&secrets);
    program.set_variables(set.into_iter().map(|(name, value)| (name, value.into())));
    passthrough::start(host, &flags, &settings, &mut engine, &session, &program)
}
