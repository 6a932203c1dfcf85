//! A profile that is being set up: what is given, what a person is asked for, what the preset knows, and the section
//! that comes of it.

use std::path::Path;
use std::time::Duration;

use super::preset::{Preset, Trust, token_exchange_url};
use super::questions::Questions;
use super::set::check_text;
use crate::config::{
    AUTH_CLIENT_SECRET, CLIENT_SECRET, Config, DEFAULT, Edit, Effective, ProfileName, SetBy, change,
    check_value, named_by,
};
use crate::error::{ConfigFault, Error, Result};
use crate::host::Host;
use crate::oauth::discovery::{self, Document, Issuer};
use crate::oauth::http::{Client, Retry};
use crate::oci::config_file::ConfigFile;
use crate::oci::region;
use crate::options::{self, Flags, Kind, OPTIONS};
use crate::secret::Secret;

/// For the provider's document, its tries included: a person waits for it.
const DISCOVERY_LIMIT: Duration = Duration::from_secs(30);

/// What an option says about this run alone, or about where the files are.
const NOT_WRITTEN: [&str; 2] = ["config_file", "log_level"];

/// Gets the provider's document, and where its signing keys are.
type Discover<'a> = Box<dyn Fn(&Issuer, Retry) -> Result<(Document, Option<String>)> + 'a>;

/// What is known of the new profile so far.
pub struct Setup<'a> {
    config: &'a Config,
    host: &'a Host,
    flags: &'a Flags,
    is_forced: bool,
    /// What options, variables and `[COMMON]` say.
    given: Vec<Effective>,
    /// The keys of the section, in their order.
    written: Vec<(&'static str, Secret)>,
    discover: Discover<'a>,
    /// The provider's signing keys.
    keys: Option<String>,
    /// The OCI config has a region for the profile.
    region_of_oci: Option<String>,
}

impl<'a> Setup<'a> {
    /// # Errors
    /// A value that is given cannot be used.
    pub fn new(config: &'a Config, host: &'a Host, flags: &'a Flags, is_forced: bool) -> Result<Self> {
        let given = config.effective(None, host, flags)?;
        for Effective { fault, place, .. } in &given {
            if let (Some(why), Some(name)) = (fault, place) {
                return Err(Error::BadValue { name: name.clone(), why: why.clone() });
            }
        }
        let discover: Discover<'a> = Box::new(move |issuer, retry| {
            let mut client = Client::new(host);
            client.begin(DISCOVERY_LIMIT);
            discovery::get_with_keys(&client, issuer, retry)
        });
        let (written, keys, region_of_oci) = (Vec::new(), None, None);
        Ok(Self { config, host, flags, is_forced, given, written, discover, keys, region_of_oci })
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
            "client_secret" => CLIENT_SECRET.all().any(|key| self.value(key).is_some()),
            "auth_client_secret" => AUTH_CLIENT_SECRET.all().any(|key| self.value(key).is_some()),
            "region" => self.value(key).or(self.region_of_oci.as_deref()).is_some(),
            _ => self.value(key).is_some(),
        }
    }

    pub fn missing(&self, preset: Preset) -> Vec<&'static str> {
        preset.required().iter().copied().filter(|key| !self.has(key)).collect()
    }

    pub fn is_profile_named(&self) -> bool {
        named_by(self.host, self.flags, "--profile").is_some()
    }

    /// Why a profile cannot be set up.
    pub fn obstacle(&self, profile: &ProfileName) -> Option<Error> {
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

    pub fn take_region_of_oci(&mut self, profile: &ProfileName) {
        let settings = self.config.settings_of(profile.clone(), self.host, self.flags).ok();
        let section = settings.and_then(|settings| {
            ConfigFile::read(self.host, &settings.oci_config).and_then(|file| file.section(profile)).ok()
        });
        self.region_of_oci = section
            .and_then(|section| section.region)
            .filter(|region| check_value(Kind::Region, region).is_ok());
    }

    pub fn ask_profile(&self, questions: &mut Questions, preset: Preset) -> Result<ProfileName> {
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
    pub fn ask(&mut self, questions: &mut Questions, preset: Preset) -> Result<()> {
        if preset != Preset::Console {
            if self.has("issuer") {
                self.complete_issuer(preset)?;
            } else {
                let (url, keys) = questions.ask(preset.issuer_question(), None, |answer| {
                    let url = preset.issuer(answer)?;
                    // A person who has mistyped it does not wait for a second try.
                    let keys = self.prove(preset, &url, Retry::Never).map_err(|e| e.say().fault())?;
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
    pub fn complete(&mut self, preset: Preset) -> Result<()> {
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
        let keys = self.prove(preset, &url, Retry::Unavailable)?;
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
    fn prove(&self, preset: Preset, url: &str, retry: Retry) -> Result<Option<String>> {
        let expected = self.value("issuer_expected").or(preset.issuer_expected()).map(str::to_owned);
        let issuer = Issuer { url: url.to_owned(), expected };
        let (document, keys) = (self.discover)(&issuer, retry)?;
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

    pub fn trust(&self, preset: Preset) -> Option<Trust<'_>> {
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

    pub fn write(&self, path: &Path, profile: &ProfileName) -> Result<()> {
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
    pub fn flags_for_sign_in(&self, profile: &ProfileName) -> Flags {
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
    pub fn profile_to_name(&self, profile: &ProfileName) -> Option<String> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Needs, ProviderNeeds, Settings};
    use crate::host::Env;
    use crate::testing::{Home, fixture};

    /// A sample of `fixtures/manager`, and what it suggests in place of its endpoints.
    struct Sample {
        home: Home,
        issuer: String,
        expected: Option<String>,
    }

    impl Sample {
        fn of(name: &str) -> Self {
            let text = String::from_utf8(fixture(&format!("manager/{name}.ini"))).unwrap();
            let commented = |key: &str| {
                let line = text.lines().find_map(|line| line.strip_prefix(&format!("#{key} = ")));
                line.map(str::to_owned)
            };
            let (issuer, expected) = (commented("issuer").unwrap(), commented("issuer_expected"));
            let home = Home::new();
            home.put(".oci/woci_manager.ini", &text);
            Self { home, issuer, expected }
        }
    }

    fn settings(home: &Home) -> Settings {
        let host = Host::of(home.root(), &[]);
        let flags = Flags::default();
        Config::find(&host, &flags).unwrap().profile(&host, &flags).unwrap()
    }

    fn needs(settings: &Settings, discover: impl FnOnce(&Issuer) -> Result<Document>) -> ProviderNeeds {
        match settings.needs(&Env::of(&[]), None, false, discover) {
            Ok(Needs::Provider(needs)) => *needs,
            _ => panic!("the settings are not those of a provider"),
        }
    }

    /// With the values of a sample as answers, each preset makes a section that signs in in the same way.
    #[test]
    fn a_preset_means_the_same_as_its_sample() {
        for (preset, name) in [
            (Preset::Oci, "oci-identity-domain"),
            (Preset::Okta, "okta"),
            (Preset::Entra, "entra"),
            (Preset::Keycloak, "keycloak"),
            (Preset::Issuer, "okta"),
        ] {
            let sample = Sample::of(name);
            let theirs = settings(&sample.home);
            let theirs_needs = needs(&theirs, |issuer| panic!("{} was asked for", issuer.url));
            let (provider, domain) = (&theirs_needs.provider, &theirs_needs.domain);
            let mut flags = Flags::default();
            let mut answer = |option, value: &str| flags.set(option, value.to_owned());
            answer("--profile", "prod");
            answer("--issuer", &sample.issuer);
            answer("--auth-client-id", &provider.client_id);
            if let Some(secret) = &provider.client_secret {
                answer("--auth-client-secret", secret.expose());
            }
            answer("--client-id", &domain.client_id);
            answer("--client-secret", domain.client_secret.expose());
            if preset != Preset::Oci {
                answer("--token-exchange-url", &domain.url);
            }
            answer("--region", theirs.region.as_deref().unwrap());
            if let Some((_, query)) = provider.authorization_url.split_once('?') {
                answer("--authz-params", query);
            }

            let document = Document {
                authorization_endpoint: provider.authorization_url.split('?').next().map(str::to_owned),
                token_endpoint: Some(provider.token_url.clone()),
                ..Document::default()
            };
            let discover = |issuer: &Issuer| {
                assert_eq!((&issuer.url, &issuer.expected), (&sample.issuer, &sample.expected), "{name}");
                Ok((document.clone(), None))
            };
            let home = Home::new();
            let host = Host::of(home.root(), &[]);
            let config = Config::find_or_new(&host, &flags).unwrap();
            let mut setup = Setup::new(&config, &host, &flags, false).unwrap();
            setup.discover = Box::new(|issuer, _| discover(issuer));
            assert_eq!(setup.missing(preset), Vec::<&str>::new(), "{name}");
            setup.complete(preset).unwrap();
            let path = config.place_to_write().unwrap();
            setup.write(&path, &ProfileName::new("prod").unwrap()).unwrap();

            let ours = settings(&home);
            let ours_needs = needs(&ours, |issuer| discover(issuer).map(|(document, _)| document));
            let facts = |settings: &Settings, needs: &ProviderNeeds| {
                let ProviderNeeds { provider, domain, .. } = needs;
                [
                    Some(provider.authorization_url.clone()),
                    Some(provider.token_url.clone()),
                    Some(provider.client_id.clone()),
                    provider.client_secret.as_ref().map(|secret| secret.expose().to_owned()),
                    Some(provider.scope.clone()),
                    Some(domain.url.clone()),
                    Some(domain.client_id.clone()),
                    Some(domain.client_secret.expose().to_owned()),
                    settings.region.clone(),
                    Some(format!("{:?}", settings.redirect.ports)),
                ]
            };
            assert_eq!(facts(&ours, &ours_needs), facts(&theirs, &theirs_needs), "{name}");
            // The warnings about secrets on the command line are about the answers.
            assert_eq!(ours.warnings, [], "{name}");
        }
    }
}
