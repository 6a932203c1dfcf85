//! `woci config init`: sets up a profile from a preset and signs in. On a terminal, the person is asked for what no
//! option says. The document follows schemas/config-init.schema.json.

use std::io::{self, IsTerminal as _};
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::preset::{Preset, Trust, token_exchange_url};
use super::questions::Questions;
use super::set::check_text;
use crate::config::{Config, DEFAULT, Edit, Effective, ProfileName, SetBy, change, check_value};
use crate::error::{ConfigFault, Error, Given, Result};
use crate::host::{self, Host};
use crate::log;
use crate::oauth::discovery::{self, Issuer};
use crate::oauth::http::{Client, Retry};
use crate::oci::config_file::ConfigFile;
use crate::oci::region;
use crate::options::{self, Flags, Kind, OPTIONS};
use crate::output::{Output, Text};
use crate::secret::Secret;
use crate::session::{Engine, Session, Want};
use crate::verbs::{Invocation, settings};

/// For the provider's document, its tries included: a person waits for it.
const DISCOVERY_LIMIT: Duration = Duration::from_secs(30);

/// What an option says about this run alone, or about where the files are.
const NOT_WRITTEN: [&str; 2] = ["config_file", "log_level"];

/// The keys that give the secret of a client.
const CLIENT_SECRET: [&str; 4] =
    ["client_secret", "client_secret_file", "client_secret_env", "client_secret_command"];
const AUTH_CLIENT_SECRET: [&str; 4] =
    ["auth_client_secret", "auth_client_secret_file", "auth_client_secret_env", "auth_client_secret_command"];

pub fn run(host: &Host, invocation: Invocation) -> Result<Output> {
    let Invocation { flags, own, .. } = &invocation;
    let config = Config::find_or_new(host, flags)?;
    let path = config.place_to_write()?;
    let is_forced = own.has("--force");
    let named = own
        .get("--preset")
        .map(|word| Preset::named(word).map_err(|why| Error::BadValue { name: "--preset".into(), why }));
    let named = named.transpose()?;
    let mut setup = Setup::new(&config, host, flags, is_forced)?;

    let is_at_terminal = io::stdin().is_terminal();
    let mut questions = None;
    if is_at_terminal && named.is_none_or(|preset| !setup.missing(preset).is_empty()) {
        questions = Questions::open().ok();
    }
    let preset = match (named, &mut questions) {
        (Some(preset), _) => preset,
        (None, Some(questions)) => {
            questions.say(&format!("Where do you sign in?\n{}", Preset::list().trim_end()));
            questions.ask("Preset", Some(Preset::Console.word()), Preset::named)?
        }
        (None, None) => return Err(unanswered("", vec!["--preset".to_owned()])),
    };
    let profile = match &mut questions {
        Some(questions) if !setup.is_profile_named() => setup.ask_profile(questions, preset)?,
        _ => config.chosen(host, flags)?,
    };
    setup.obstacle(&profile).map_or(Ok(()), Err)?;
    setup.take_region_of_oci(&profile);
    let missing = setup.missing(preset);
    match &mut questions {
        Some(questions) => setup.ask(questions, preset)?,
        None if !missing.is_empty() => {
            let option = |key: &&str| options::find_key(key).map(|row| format!("{} ({key})", row.name));
            return Err(unanswered(preset.word(), missing.iter().filter_map(option).collect()));
        }
        None => setup.complete(preset)?,
    }

    setup.write(&path, &profile)?;
    let given = Given { profile: setup.profile_to_name(&profile), ..flags.given() };
    log::line(format_args!("Wrote [{profile}] of {}.", path.display()));
    let trust = setup.trust(preset);
    if let Some(trust) = &trust {
        let remark = trust.remark().map(|remark| format!("\n{remark}")).unwrap_or_default();
        log::line(format_args!(
            "\nAn administrator of the identity domain runs this once, unless the domain trusts the provider already:\n\n{}\n{remark}",
            trust.command()
        ));
    }
    let trust_command = trust.map(|trust| trust.command());
    if own.has("--no-sign-in") {
        return Ok(output(&path, &profile, preset, trust_command, None, &given));
    }
    if let Some(questions) = questions.as_mut().filter(|_| trust_command.is_some()) {
        let later = given.command("session authenticate", None);
        let question = format!("Press Enter to sign in now, or Ctrl-C to do it later with {later}");
        // A terminal that was closed (Ctrl-D) says the same as Ctrl-C.
        if questions.ask(&question, Some(""), |_| Ok(())).is_err() {
            return Ok(output(&path, &profile, preset, trust_command, None, &given));
        }
    }
    let session = sign_in(host, &setup.flags_for_sign_in(&profile)).inspect_err(|_| {
        log::line(format_args!(
            "The profile {profile} is set up, and nobody is signed in: {} tries again.",
            given.command("session authenticate", None)
        ));
    })?;
    Ok(output(&path, &profile, preset, trust_command, Some(&session), &given))
}

fn unanswered(preset: &'static str, names: Vec<String>) -> Error {
    Error::Config(ConfigFault::Unanswered { preset, names })
}

fn sign_in(host: &Host, flags: &Flags) -> Result<Session> {
    let settings = settings(host, flags)?;
    let mut engine = Engine::new(host, &settings, Want::SIGNED_IN, None);
    let mut session = engine.ensure()?;
    engine.hand_out(&mut session)?;
    Ok(session)
}

/// What is known of the new profile so far.
struct Setup<'a> {
    config: &'a Config,
    host: &'a Host,
    flags: &'a Flags,
    is_forced: bool,
    /// What options, variables and `[COMMON]` say.
    given: Vec<Effective>,
    /// The keys of the section, in their order.
    written: Vec<(&'static str, Secret)>,
    /// The provider's signing keys.
    keys: Option<String>,
    /// The OCI config has a region for the profile.
    region_of_oci: Option<String>,
}

impl<'a> Setup<'a> {
    /// # Errors
    /// A value that is given cannot be used.
    fn new(config: &'a Config, host: &'a Host, flags: &'a Flags, is_forced: bool) -> Result<Self> {
        let given = config.effective(None, host, flags)?;
        for Effective { fault, place, .. } in &given {
            if let (Some(why), Some(name)) = (fault, place) {
                return Err(Error::BadValue { name: name.clone(), why: why.clone() });
            }
        }
        let (written, keys, region_of_oci) = (Vec::new(), None, None);
        Ok(Self { config, host, flags, is_forced, given, written, keys, region_of_oci })
    }

    fn given(&self, key: &str) -> Option<&Effective> {
        self.given.iter().find(|one| one.key == key && one.value.is_some())
    }

    /// The value of a key, answered or given.
    fn value(&self, key: &str) -> Option<&str> {
        let written = self.written.iter().find(|(known, _)| *known == key).map(|(_, value)| value.expose());
        written.or_else(|| self.given(key)?.value.as_deref())
    }

    fn has(&self, key: &str) -> bool {
        match key {
            "issuer" => {
                self.value(key).is_some()
                    || (self.value("authz_base_url").is_some() && self.value("token_url").is_some())
            }
            "client_secret" => CLIENT_SECRET.iter().any(|key| self.value(key).is_some()),
            "auth_client_secret" => AUTH_CLIENT_SECRET.iter().any(|key| self.value(key).is_some()),
            "region" => self.value(key).or(self.region_of_oci.as_deref()).is_some(),
            _ => self.value(key).is_some(),
        }
    }

    fn missing(&self, preset: Preset) -> Vec<&'static str> {
        preset.required().iter().copied().filter(|key| !self.has(key)).collect()
    }

    fn is_profile_named(&self) -> bool {
        self.flags.has("--profile") || self.host.env.get("OCI_CLI_PROFILE").is_some()
    }

    /// Why a profile cannot be set up.
    fn obstacle(&self, profile: &ProfileName) -> Option<Error> {
        if self.config.has_section(profile.as_str()) && !self.is_forced {
            let path = self.config.place_to_write().ok()?;
            let profile = profile.to_string();
            return Some(Error::Config(ConfigFault::SectionExists { profile, path }));
        }
        // A section that is about to be replaced may be wrong.
        let settings = self.config.settings_of(profile.clone(), self.host, self.flags).ok()?;
        let oci_config = ConfigFile::read(self.host, &settings.oci_config);
        oci_config.and_then(|oci_config| oci_config.check(profile, false)).err()
    }

    fn take_region_of_oci(&mut self, profile: &ProfileName) {
        let settings = self.config.settings_of(profile.clone(), self.host, self.flags).ok();
        let section = settings.and_then(|settings| {
            ConfigFile::read(self.host, &settings.oci_config).and_then(|file| file.section(profile)).ok()
        });
        self.region_of_oci = section
            .and_then(|section| section.region)
            .filter(|region| check_value(Kind::Region, region).is_ok());
    }

    fn ask_profile(&self, questions: &mut Questions, preset: Preset) -> Result<ProfileName> {
        let is_free = |name: &ProfileName| self.obstacle(name).is_none();
        let usual = self.config.chosen(self.host, self.flags).or_else(|_| ProfileName::new(DEFAULT));
        let default = [usual, ProfileName::new(preset.word())].into_iter().flatten().find(is_free);
        questions.ask("Profile", default.as_ref().map(ProfileName::as_str), |answer| {
            let name = ProfileName::new(answer).map_err(|e| e.say().why)?;
            match self.obstacle(&name) {
                Some(e) => Err(e.say().why),
                None => Ok(name),
            }
        })
    }

    fn put(&mut self, key: &'static str, value: String) {
        self.written.retain(|(known, _)| *known != key);
        self.written.push((key, Secret::new(value)));
    }

    /// Asks for everything that is not given.
    fn ask(&mut self, questions: &mut Questions, preset: Preset) -> Result<()> {
        if preset != Preset::Console {
            if self.has("issuer") {
                self.complete_issuer(preset)?;
            } else {
                let (url, keys) = questions.ask(preset.issuer_question(), None, |answer| {
                    let url = preset.issuer(answer)?;
                    let keys = self.prove(preset, &url).map_err(|e| e.say()).map_err(|said| said.why)?;
                    Ok((url, keys))
                })?;
                self.take_issuer(preset, url, keys);
            }
            questions.say(&format!(
                "The authorization client, registered {} with the redirect URI {}:",
                if preset == Preset::Oci { "in the domain" } else { "at the provider" },
                self.redirect_uri(),
            ));
            self.ask_text(questions, "  Client ID", "auth_client_id")?;
            if preset.has_client_secret() && !self.has("auth_client_secret") {
                let secret = questions.secret_or_none("  Client secret, empty for a public client", true)?;
                self.written.extend(secret.map(|secret| ("auth_client_secret", secret)));
            }
            self.complete_scope(preset);
            if preset == Preset::Entra {
                let scope = self.value("scope").unwrap_or_default().to_owned();
                let row = options::find_key("scope").expect("the table has it");
                let scope = questions.ask("  Scope", Some(&scope), |answer| {
                    check_text(row, answer).map(|()| answer.to_owned())
                })?;
                self.put("scope", scope);
            }
            questions.say("The exchange client, registered in the OCI identity domain:");
            if preset != Preset::Oci && !self.has("token_exchange_url") {
                let url = questions.ask("  Domain URL", None, token_exchange_url)?;
                self.put("token_exchange_url", url);
            }
            self.ask_text(questions, "  Client ID", "client_id")?;
            if !self.has("client_secret") {
                let secret = questions.secret("  Client secret")?;
                self.written.push(("client_secret", secret));
            }
        }
        if !self.has("region") {
            let host = self.host;
            let mut doubted = String::new();
            let region = questions.ask("Region, such as eu-frankfurt-1", None, |answer| {
                check_value(Kind::Region, answer)?;
                match region::doubt(host, answer).filter(|_| doubted != answer) {
                    Some(doubt) => {
                        answer.clone_into(&mut doubted);
                        Err(format!("{doubt}; type it again if it is right"))
                    }
                    None => Ok(answer.to_owned()),
                }
            })?;
            self.put("region", region);
        }
        self.complete(preset)
    }

    fn ask_text(&mut self, questions: &mut Questions, question: &str, key: &'static str) -> Result<()> {
        if self.has(key) {
            return Ok(());
        }
        let row = options::find_key(key).expect("the table has it");
        let text =
            questions.ask(question, None, |answer| check_text(row, answer).map(|()| answer.to_owned()))?;
        self.put(key, text);
        Ok(())
    }

    /// Adds what the preset knows and what the options say.
    fn complete(&mut self, preset: Preset) -> Result<()> {
        if preset == Preset::Console {
            self.put("session_from", "console".to_owned());
        } else {
            self.complete_issuer(preset)?;
            self.complete_scope(preset);
            if let Some(text) = self.value("token_exchange_url").map(str::to_owned) {
                let name = "--token-exchange-url".to_owned();
                let url = token_exchange_url(&text).map_err(|why| Error::BadValue { name, why })?;
                if url != text || self.is_given_here("token_exchange_url") {
                    self.put("token_exchange_url", url);
                }
            }
        }
        for row in OPTIONS {
            let Some(key) = row.key.filter(|key| !NOT_WRITTEN.contains(key) && self.is_given_here(key))
            else {
                continue;
            };
            if self.written.iter().any(|(known, _)| *known == key) {
                continue;
            }
            let Some(text) = self.value(key).map(str::to_owned) else { continue };
            let text = match row.kind {
                Kind::Path if !text.starts_with('~') => {
                    self.host.absolute(Path::new(&text))?.to_string_lossy().into_owned()
                }
                _ => text,
            };
            let why = check_text(row, &text);
            why.map_err(|why| Error::BadValue { name: row.name.to_owned(), why })?;
            self.put(key, text);
        }
        let place = |key: &str| OPTIONS.iter().position(|row| row.key == Some(key));
        self.written.sort_by_key(|(key, _)| {
            ORDER.iter().position(|known| known == key).map_or((1, place(key)), |n| (0, Some(n)))
        });
        Ok(())
    }

    /// An option of this run says it. A variable of this shell is no answer for the time to come, but for the region,
    /// which a person would be asked for.
    fn is_given_here(&self, key: &str) -> bool {
        let is_answer = |set_by| set_by == SetBy::Flag || (set_by == SetBy::Variable && key == "region");
        self.given(key).is_some_and(|one| is_answer(one.set_by))
    }

    /// Takes the issuer of an option or of `[COMMON]`.
    fn complete_issuer(&mut self, preset: Preset) -> Result<()> {
        let is_done = self.written.iter().any(|(key, _)| *key == "issuer");
        let Some(text) = self.value("issuer").filter(|_| !is_done).map(str::to_owned) else { return Ok(()) };
        let name = self.given("issuer").and_then(|one| one.place.clone()).unwrap_or_default();
        let url = preset.issuer(&text).map_err(|why| Error::BadValue { name, why })?;
        let keys = self.prove(preset, &url)?;
        self.take_issuer(preset, url, keys);
        Ok(())
    }

    fn take_issuer(&mut self, preset: Preset, url: String, keys: Option<String>) {
        self.keys = keys;
        self.put("issuer", url);
        if let Some(name) = preset.issuer_expected().filter(|_| !self.has("issuer_expected")) {
            self.put("issuer_expected", name.to_owned());
        }
    }

    fn complete_scope(&mut self, preset: Preset) {
        if !self.has("scope") {
            let scope = preset.scope(self.value("auth_client_id").unwrap_or_default());
            self.put("scope", scope);
        }
    }

    /// Reads the provider's document. Returns where the provider's signing keys are.
    fn prove(&self, preset: Preset, url: &str) -> Result<Option<String>> {
        let expected = self.value("issuer_expected").or(preset.issuer_expected()).map(str::to_owned);
        let issuer = Issuer { url: url.to_owned(), expected };
        let mut client = Client::new(self.host);
        client.begin(DISCOVERY_LIMIT);
        let (document, keys) = discovery::get_with_keys(&client, &issuer, Retry::Unavailable)?;
        let lacks = |why: &str| Error::Discovery { url: issuer.document_url(), why: why.to_owned() };
        document.authorization_endpoint.ok_or_else(|| lacks("it has no authorization_endpoint"))?;
        document.token_endpoint.ok_or_else(|| lacks("it has no token_endpoint"))?;
        Ok(keys)
    }

    /// The first redirect URI that a sign-in may use.
    fn redirect_uri(&self) -> String {
        let or_default = |key: &'static str| {
            self.value(key).or_else(|| options::find_key(key)?.default).unwrap_or_default().to_owned()
        };
        let ports = or_default("redirect_port");
        let port = ports.split(',').next().unwrap_or_default().trim();
        format!("http://{}:{port}{}", or_default("redirect_host"), or_default("redirect_path"))
    }

    fn trust(&self, preset: Preset) -> Option<Trust<'_>> {
        let issuer = self.value("issuer").filter(|_| preset != Preset::Console)?;
        Some(Trust {
            preset,
            domain: self.value("token_exchange_url").unwrap_or(issuer),
            issuer,
            issuer_name: self.value("issuer_expected").unwrap_or(issuer),
            keys: self.keys.as_deref(),
            auth_client_id: self.value("auth_client_id")?,
            client_id: self.value("client_id")?,
        })
    }

    fn write(&self, path: &Path, profile: &ProfileName) -> Result<()> {
        let is_written = |key: &str| self.written.iter().any(|(known, _)| *known == key);
        let others =
            OPTIONS.iter().filter_map(|row| row.key).filter(|key| self.is_forced && !is_written(key));
        let set = self.written.iter().map(|(key, value)| (*key, Some(value.expose())));
        let edits: Vec<Edit<'_>> = set.chain(others.map(|key| (key, None))).collect();
        let may = |had_section: bool| match had_section && !self.is_forced {
            true => Err(Error::Config(ConfigFault::SectionExists {
                profile: profile.to_string(),
                path: path.to_owned(),
            })),
            false => Ok(()),
        };
        change(path, profile.as_str(), &edits, may).map(drop)
    }

    /// The options of this run that the section does not hold.
    fn flags_for_sign_in(&self, profile: &ProfileName) -> Flags {
        let mut flags = Flags::default();
        for (name, value) in self.flags.iter() {
            let key = options::find(name).and_then(|row| row.key);
            if key.is_none_or(|key| NOT_WRITTEN.contains(&key)) {
                flags.set(name, value.to_owned());
            }
        }
        flags.set("--profile", profile.to_string());
        flags
    }

    /// The profile, if a command has to name it.
    fn profile_to_name(&self, profile: &ProfileName) -> Option<String> {
        let mut unnamed = Flags::default();
        self.flags
            .iter()
            .filter(|(name, _)| *name != "--profile")
            .for_each(|(name, value)| unnamed.set(name, value.to_owned()));
        let chosen = Config::find(self.host, &unnamed).and_then(|config| config.chosen(self.host, &unnamed));
        (chosen.ok().as_ref() != Some(profile)).then(|| profile.to_string())
    }
}

/// The order in which a new section has its keys, as the samples in fixtures/manager have it.
const ORDER: [&str; 10] = [
    "session_from",
    "issuer",
    "issuer_expected",
    "auth_client_id",
    "auth_client_secret",
    "scope",
    "token_exchange_url",
    "client_id",
    "client_secret",
    "region",
];

fn output(
    path: &Path,
    profile: &ProfileName,
    preset: Preset,
    trust_command: Option<String>,
    session: Option<&Session>,
    given: &Given,
) -> Output {
    let signed_in = session.map(|session| {
        let Session { upst, region, .. } = session;
        json!({
            "user": upst.sub(),
            "tenancy": upst.tenant(),
            "region": region,
            "expiration": upst.exp().to_string(),
        })
    });
    let unknown = "unknown";
    let mut fields = vec![
        ("Profile", profile.to_string()),
        ("Preset", preset.word().to_owned()),
        ("Manager config", path.display().to_string()),
    ];
    if let Some(Session { upst, region, .. }) = session {
        let minutes = upst.exp().since(host::now()) / 60;
        fields.extend([
            ("User", upst.sub().unwrap_or(unknown).to_owned()),
            ("Tenancy", upst.tenant().unwrap_or(unknown).to_owned()),
            ("Region", region.as_deref().unwrap_or(unknown).to_owned()),
            ("Valid", format!("until {} ({minutes} min)", upst.exp())),
        ]);
    }
    let next = match session {
        Some(_) => format!("Next: {} runs oci with this session.", given.command("iam region list", None)),
        None => format!("Next: {} signs in.", given.command("session authenticate", None)),
    };
    let document = vec![
        ("profile", profile.as_str().into()),
        ("preset", preset.word().into()),
        ("manager_config", path.to_string_lossy().into()),
        ("trust_command", trust_command.into()),
        ("session", signed_in.map_or(Value::Null, Value::from)),
    ];
    let fields = fields.into_iter().map(|(name, value)| (name, value.into()));
    Output::Document { document, text: Text::default().fields(fields).paragraph(next), code: 0 }
}
