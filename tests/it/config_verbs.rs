//! `woci config show`, `check`, `set` and `init`: what is shown and what is masked, what is found wrong, which bytes
//! change, and the way from an empty home to the first oci command.

use crate::looks;
use crate::world::World;
use crate::world::run::{Run, Running};
use serde_json::Value;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::time::Instant;

const MANAGER: &str = ".oci/woci_manager.ini";

/// A World without a session and without a manager config.
fn empty() -> World {
    let world = World::new();
    fs::remove_file(world.path(MANAGER)).expect("a World has one");
    world
}

/// A client that is registered at a simulated service.
struct Client {
    id: String,
    secret: String,
}

/// The clients of the provider and of the identity domain.
fn clients(world: &World) -> (Client, Client) {
    let (provider, domain) = (world.sim.provider.rules(), world.sim.domain.rules());
    let secret = provider.client_secret.clone().expect("the provider's client has one");
    let of_domain = Client { id: domain.client_id.clone(), secret: domain.client_secret.clone() };
    (Client { id: provider.client_id.clone(), secret }, of_domain)
}

fn setting(run: &Run, key: &str) -> Value {
    let document = run.json();
    let settings = document["settings"].as_array().expect("a list").clone();
    settings.into_iter().find(|one| one["key"] == key).unwrap_or_else(|| panic!("no {key} in {run}"))
}

#[test]
fn each_value_is_shown_with_its_source() {
    let world = World::new();
    world.write(
        MANAGER,
        "[COMMON]\nscope = openid\n  offline_access\nredirect_port = 9191\n\n[prod]\nissuer = https://idp.example.com\n\
         Auth_Client_ID = abc\nredirect_port = \nlog_level = loud\n",
    );
    world.write(".oci/config", "[prod]\nregion = uk-london-1\n");
    let show =
        |words: &[&str]| world.woci(words).args(&["config", "show"]).env("WOCI_SIGN_IN", "never").run().ok();
    let run = show(&["--auth-client-id", "def"]);
    let path = world.path(MANAGER).display().to_string();
    for (key, value, source, place) in [
        ("issuer", "https://idp.example.com", "section", format!("issuer in [prod] of {path}, line 7")),
        ("scope", "openid offline_access", "common", format!("scope in [COMMON] of {path}, line 2")),
        ("auth_client_id", "def", "flag", "--auth-client-id".into()),
        ("sign_in", "never", "variable", "WOCI_SIGN_IN".into()),
        ("log_level", "***", "section", format!("log_level in [prod] of {path}, line 10")),
    ] {
        let one = setting(&run, key);
        assert_eq!(
            (&one["value"], &one["source"], &one["place"]),
            (&value.into(), &source.into(), &place.into()),
            "{key}"
        );
    }
    let port = setting(&run, "redirect_port");
    assert_eq!(
        (&port["value"], &port["source"]),
        (&"8181".into(), &"default".into()),
        "an empty key hides [COMMON]"
    );
    // While a value is malformed, the settings are those of no session.
    assert_eq!(run.json()["session_from"], Value::Null);
    world.woci(&["config", "set", "--unset", "log_level"]).run().ok();
    let run = show(&[]);
    assert_eq!(run.json()["session_from"], "provider");
    assert_eq!(run.json()["missing"], serde_json::json!(["client_id", "client_secret"]));
    assert_eq!(setting(&run, "auth_client_id")["value"], "abc");
    let region = setting(&run, "region");
    assert_eq!((&region["value"], &region["source"]), (&"uk-london-1".into(), &"oci_config".into()));
    assert_eq!(setting(&run, "console_url")["applies"], false);
    let config = world.woci(&["config"]).env("WOCI_SIGN_IN", "never").run().ok();
    assert_eq!(config.stdout, run.stdout, "`woci config` alone shows it");
    assert_eq!(world.sim.total(), 0, "no request is made");
}

#[test]
fn no_secret_is_shown() {
    let world = World::new();
    let secrets =
        ["hunter2-argument", "hunter2-query-value", "hunter2-parameter", "hunter2-in-the-wrong-place"];
    secrets.iter().for_each(|secret| world.secret(secret));
    let [argument, query, parameter, misplaced] = secrets;
    let url = format!("{}?api_key={query}&prompt=login", world.sim.authorize_url());
    let command = format!("printf {argument}");
    let params = format!("ticket={parameter}");
    world.manager(&[(
        "DEFAULT",
        &world.settings_with(&[
            ("authz_base_url", Some(&url)),
            ("auth_client_secret", None),
            ("auth_client_secret_command", Some(&command)),
            ("refresh_token_passphrase_env", Some(misplaced)),
            ("refresh_token_passphrase_prompt", Some("true")),
            ("authz_params", Some(&params)),
        ]),
    )]);
    for verb in ["show", "check"] {
        for output in ["json", "text"] {
            // World looks for the secrets in all that is printed.
            let run = world.woci(&["config", verb, "--output", output]).run();
            assert!([0, 2].contains(&run.code()) && run.stdout.contains("DEFAULT"), "{run}");
        }
    }
    let run = world.woci(&["config", "show"]).run().ok();
    let shown = format!("{}?api_key=***&prompt=login", world.sim.authorize_url());
    for (key, value) in [
        ("client_secret", "***"),
        ("auth_client_secret_command", "printf …"),
        ("authz_base_url", &*shown),
        ("authz_params", "ticket=***"),
        ("refresh_token_passphrase_env", "***"),
    ] {
        assert_eq!(setting(&run, key)["value"], value, "{key}");
    }
    // Nor what was there before a change, and what is there now.
    for (key, value) in [("auth_client_secret_command", "printf other"), ("authz_params", "prompt=login")] {
        world.woci(&["config", "set", key, value]).run().ok();
    }
    let secret = world.sim.domain.rules().client_secret.clone();
    let run =
        world.woci(&["config", "set", "client_secret", "-"]).stdin(format!("{secret}\n")).run().ok().silent();
    assert_eq!((&run.json()["old"], &run.json()["new"]), (&"***".into(), &"***".into()));
    assert_eq!(run.json()["changed"], false);
}

/// What is written into the manager config, and what `config check` says of it.
#[test]
fn a_check_finds_each_fault_and_a_run_agrees() {
    let world = World::new();
    // A secret that holds ` #` is doubtful.
    world.sim.provider.rules().client_secret = None;
    let right = world.settings();
    world.manager(&[("DEFAULT", &right)]);
    let check = |code| world.woci(&["config", "check"]).run().exits(code).silent();
    let run = check(0);
    assert_eq!(
        (&run.json()["ok"], run.json()["findings"].as_array().map(Vec::len)),
        (&true.into(), Some(0)),
        "{run}"
    );
    let with =
        |changes: &[(&str, Option<&str>)]| world.manager(&[("DEFAULT", &world.settings_with(changes))]);
    // The section's own line comes first.
    let [last, one_more] = [1, 2].map(|more| format!("line {}", right.len() + more));
    for (changes, code, severity, found) in [
        (&[("redirect_port", Some("x"))][..], 2, "wrong", &["redirect_port in [DEFAULT]", &*last][..]),
        (&[("tokn_url", Some("x"))], 0, "doubtful", &["the key tokn_url", &*one_more]),
        (&[("client_id", None)], 2, "wrong", &["--client-id (client_id)"]),
        (&[("client_secret_env", Some("NONE"))], 2, "wrong", &["both client_secret and client_secret_env"]),
        (
            &[("client_secret", None), ("client_secret_env", Some("NONE"))],
            2,
            "wrong",
            &["the variable NONE is unset"],
        ),
        (
            &[("client_secret", None), ("client_secret_file", Some("none"))],
            2,
            "wrong",
            &["there is no such file"],
        ),
        (
            &[("subject_token_env", Some("T"))],
            2,
            "wrong",
            &["cannot use both authz_base_url and subject_token_env"],
        ),
        (&[("scope", Some("openid"))], 0, "doubtful", &["offline_access"]),
        (&[("region", Some("eu-frankfrt-1"))], 0, "doubtful", &["did you mean eu-frankfurt-1?"]),
    ] {
        with(changes);
        let run = check(code);
        let found_in = |one: &Value| {
            found.iter().all(|part| one["text"].as_str().is_some_and(|text| text.contains(part)))
        };
        let findings = run.json()["findings"].as_array().expect("a list").clone();
        let one =
            findings.iter().find(|one| found_in(one)).unwrap_or_else(|| panic!("no {found:?} in {run}"));
        assert_eq!(one["severity"], severity, "{run}");
        let text = world.woci(&["config", "check", "--output", "text"]).run().exits(code);
        assert!(text.stdout.contains(if severity == "wrong" { "Wrong" } else { "Doubtful" }), "{text}");
        // A run that needs a session ends with 2 where the check does.
        let sign_in = world.woci(&["session", "authenticate"]).run();
        assert_eq!(sign_in.code() == 2, code == 2, "{changes:?}\n{sign_in}");
    }
    // Two malformed values are found at once.
    with(&[("redirect_host", Some("x")), ("sign_in", Some("x"))]);
    assert_eq!(check(2).json()["findings"].as_array().map(Vec::len), Some(2));
    for (text, found) in [("[DEFAULT]\nkey\n", "line 2"), ("[a]\nregion = x\nregion = y\n", "line 3")] {
        world.write(MANAGER, text);
        check(2).prints(found);
        world.woci(&["--manager-config", MANAGER, "config", "check"]).run().exits(2).prints(found);
    }
    world.write(MANAGER, "[a]\n[b]\n");
    let run = check(2).prints("Could not determine profile name").prints("a, b");
    assert_eq!(run.json()["profile"], Value::Null);
}

#[test]
fn the_oci_config_is_checked_too() {
    let world = World::new();
    for (text, found) in [
        ("[DEFAULT]\nuser = ocid1.user.oc1..ada\n", "it holds an API key"),
        ("[DEFAULT]\nuser\n", "line 2"),
        ("[DEFAULT]\nregion = a\nregion = b\nlog_requests = a\nlog_requests = b\n", "line 5"),
    ] {
        world.write(".oci/config", text);
        world.woci(&["config", "check"]).run().exits(2).silent().prints(found);
        world.woci(&["session", "authenticate"]).run().fails(2);
    }
    world.write(".oci/config", "");
    let mut settings = world.settings();
    settings.push(("region".into(), String::new()));
    world.manager(&[("prod", &world.settings())]);
    world.woci(&["--profile", "porod", "config", "check"]).run().exits(2).prints("prod");
    world.woci(&["config", "check"]).run().ok();
}

#[test]
fn readers_leave_nothing_behind() {
    let world = empty();
    world.write(".oci/config", "");
    for words in [&["config"][..], &["config", "show"], &["config", "check"]] {
        let code = world.woci(words).run().code();
        assert_eq!(code, if words.ends_with(&["check"]) { 2 } else { 0 }, "{words:?}");
    }
    let names = fs::read_dir(world.path(".oci"))
        .expect("it is there")
        .map(|entry| entry.expect("an entry").file_name());
    assert_eq!(names.collect::<Vec<_>>(), ["config"]);
}

/// The texts before and after a change: all other bytes stay.
#[test]
fn a_change_keeps_every_other_byte() {
    let world = World::new();
    for (words, before, after) in [
        (
            &["region", "uk-london-1"][..],
            "# mine\r\n[prod]\r\n; why\r\nRegion : us-ashburn-1 \r\nscope = openid\r\n  offline_access\r\n\r\n[b]\r\nregion = x-y\r\n",
            "# mine\r\n[prod]\r\n; why\r\nRegion : uk-london-1 \r\nscope = openid\r\n  offline_access\r\n\r\n[b]\r\nregion = x-y\r\n",
        ),
        (&["region", "uk-london-1"], "[prod]\nscope = a", "[prod]\nscope = a\nregion = uk-london-1"),
        (
            &["scope", "openid"],
            "[prod]\n  scope = a\n    b\n# c\n    d\n  region = e\n",
            "[prod]\n  scope = openid\n# c\n  region = e\n",
        ),
        (&["--unset", "scope"], "[prod]\nscope = a\n  b\nregion = c\n", "[prod]\nregion = c\n"),
        (&["--unset", "scope"], "[prod]\nregion = c", "[prod]\nregion = c"),
        (
            &["scope", ""],
            "[COMMON]\nscope = a\n[prod]\nscope = b\n",
            "[COMMON]\nscope = a\n[prod]\nscope = \n",
        ),
        (
            &["--common", "scope", "c"],
            "[COMMON]\nscope = a\n[prod]\nscope = b\n",
            "[COMMON]\nscope = c\n[prod]\nscope = b\n",
        ),
        (&["client_id", "a;b #c 100% = x"], "[prod]\n", "[prod]\nclient_id = a;b #c 100% = x\n"),
        (&["client_id", "x"], "[a]\nclient_id = y\n", "[a]\nclient_id = y\n\n[prod]\nclient_id = x\n"),
        (&["client_id", "y"], "[prod]\nclient_id = y\n", "[prod]\nclient_id = y\n"),
    ] {
        world.write(MANAGER, before);
        fs::set_permissions(world.path(MANAGER), fs::Permissions::from_mode(0o640)).expect("it is ours");
        let run = world.woci(&["--profile", "prod", "config", "set"]).args(words).run().ok();
        assert_eq!(world.read(MANAGER), after, "{words:?}");
        assert_eq!(fs::metadata(world.path(MANAGER)).expect("it is there").mode() & 0o777, 0o640);
        assert_eq!(run.json()["changed"], before != after, "{run}");
        // What was set is read back as it was given.
        if let [key, value] = words
            && !key.starts_with("--")
        {
            let shown = setting(&world.woci(&["--profile", "prod", "config"]).run().ok(), key);
            assert_eq!(shown["value"].as_str().unwrap_or_default(), *value, "{words:?}");
        }
    }
}

#[test]
fn what_cannot_be_set_changes_nothing() {
    let world = World::new();
    let text = "[prod]\nregion = us-ashburn-1\n";
    world.write(MANAGER, text);
    for (words, says) in [
        (&["tokn_url", "https://a.example"][..], "use token_url"),
        (&["--", "--client-ids", "x"], "use client_id"),
        (&["profile_name", "x"], "no such key"),
        (&["redirect_port", "70000"], "from 1 to 65535"),
        (&["token_url", "http://a.example"], "use https"),
        (&["scope", "openid\noffline_access"], "line break"),
        (&["client_id", " x"], "begins or ends with a blank"),
        (&["client_id", "a\u{7}b"], "control character"),
        (&["auto_refresh", "maybe"], "true, false"),
        (&["region"], "it needs KEY and VALUE"),
        (&[], "it needs KEY and VALUE"),
        (&["scope", "openid", "offline_access"], "nothing more"),
        (&["--unset", "region", "x"], "it takes KEY and nothing more"),
    ] {
        world.woci(&["config", "set"]).args(words).run().fails(2).says(says);
    }
    for (stdin, says) in
        [("", "stdin holds nothing"), ("a\nb\n", "more than one line"), ("a\u{1b}b\n", "a control character")]
    {
        world.woci(&["config", "set", "client_secret", "-"]).stdin(stdin).run().fails(2).says(says);
    }
    assert_eq!(world.read(MANAGER), text);
    for broken in ["[prod]\nregion = a-b\nregion = c-d\n", "[prod]\n[prod]\n", "region = a-b\n"] {
        world.write(MANAGER, broken);
        world.woci(&["config", "set", "region", "us-ashburn-1"]).run().fails(2).says("line ");
        assert_eq!(world.read(MANAGER), broken);
    }
    world.woci(&["config", "show", "region"]).run().fails(2);
    world.woci(&["config", "shwo"]).run().fails(2).says("show, check, set and init");
}

#[test]
fn a_new_file_is_private_and_a_link_is_followed() {
    let world = empty();
    let run = world.woci(&["config", "set", "region", "us-ashburn-1"]).run().ok().silent();
    assert_eq!(run.json()["manager_config"], world.path(MANAGER).display().to_string());
    assert_eq!(world.read(MANAGER), "[DEFAULT]\nregion = us-ashburn-1\n");
    assert_eq!(fs::metadata(world.path(MANAGER)).expect("it was made").mode() & 0o777, 0o600);
    let named = ["--manager-config", "team/m.ini", "--profile", "prod", "config", "set"];
    world.woci(&named).args(&["client_secret", "-"]).stdin("a secret of the team").run().ok().silent();
    world.secret("a secret of the team");
    assert_eq!(world.read("team/m.ini"), "[prod]\nclient_secret = a secret of the team\n");
    assert_eq!(fs::metadata(world.path("team")).expect("it was made").mode() & 0o777, 0o700);
    fs::remove_file(world.path(MANAGER)).expect("it is there");
    symlink("../team/m.ini", world.path(MANAGER)).expect("a new name");
    world.woci(&["config", "set", "region", "us-ashburn-1"]).run().ok();
    assert!(fs::symlink_metadata(world.path(MANAGER)).expect("it is there").is_symlink());
    assert!(world.read("team/m.ini").ends_with("\nregion = us-ashburn-1\n"));
}

#[test]
fn a_secret_among_the_arguments_and_an_open_file_are_warned_of() {
    let world = World::new();
    world.write(MANAGER, "[prod]\n");
    fs::set_permissions(world.path(MANAGER), fs::Permissions::from_mode(0o644)).expect("it is ours");
    let secret = world.sim.domain.rules().client_secret.clone();
    let run = world.woci(&["config", "set", "client_secret", &secret]).run().ok();
    run.says("every user of the machine can read it: set client_secret_file, client_secret_env or client_secret_command")
        .says("chmod go-rwx");
    // What contradicts another setting is told at once.
    world
        .woci(&["config", "set", "client_secret_env", "SECRET"])
        .run()
        .ok()
        .says("both client_secret and client_secret_env");
    world.woci(&["config", "set", "--unset", "client_secret"]).run().ok();
    world.woci(&["config", "set", "scope", "\"openid\""]).run().ok().says("begins and ends with quotes");
}

#[test]
fn many_changes_at_once_all_arrive() {
    let world = empty();
    let keys = ["client_id", "auth_client_id", "scope", "login_hint", "res_type", "subject_token_audience"];
    let runs: Vec<Running<'_>> =
        keys.iter().map(|key| world.woci(&["config", "set", key, key]).start()).collect();
    runs.into_iter().for_each(|run| drop(run.finish().ok()));
    let text = world.read(MANAGER);
    for key in keys {
        assert!(text.contains(&format!("{key} = {key}\n")), "{key} is lost:\n{text}");
    }
}

#[test]
fn a_person_is_asked_for_a_value() {
    let world = empty();
    let secret = world.sim.domain.rules().client_secret.clone();
    let mut woci = world.woci(&["config", "set", "client_secret", "-"]).terminal().start();
    woci.says("client_secret (not shown): ");
    woci.types(&format!("{secret}\n"));
    woci.finish().ok();
    assert_eq!(world.read(MANAGER), format!("[DEFAULT]\nclient_secret = {secret}\n"));
    let mut woci = world.woci(&["config", "set", "region", "-"]).terminal().start();
    woci.says("region: ");
    woci.types("not a region\n");
    woci.says("That cannot be used");
    woci.types("us-ashburn-1\n");
    woci.finish().ok();
    assert!(world.read(MANAGER).ends_with("region = us-ashburn-1\n"));
}

/// Types an answer at each question, and returns how many there were.
fn answer(woci: &mut Running<'_>, answers: &[(&str, &str)]) -> usize {
    let mut asked: Vec<&str> = Vec::new();
    for (question, typed) in answers {
        asked.push(question);
        woci.says_times(question, asked.iter().filter(|other| other.contains(question)).count());
        woci.types(&format!("{typed}\n"));
    }
    answers.len()
}

/// The options that lead a console session to the simulator.
fn to_simulator(world: &World) -> Vec<String> {
    let settings = world.console_settings().into_iter().filter(|(key, _)| key != "region");
    settings.flat_map(|(key, value)| [format!("--{}", key.replace('_', "-")), value]).collect()
}

fn as_words(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

#[test]
fn from_an_empty_home_to_the_first_command_with_a_console_session() {
    let world = empty();
    let started = Instant::now();
    let mut woci = world.woci(&["config", "init"]).args(&as_words(&to_simulator(&world))).screen().start();
    let steps = answer(
        &mut woci,
        &[
            ("Preset [console]: ", ""),
            ("Profile [DEFAULT]: ", "a/b"),
            ("a name consists of", ""),
            ("Region, such as eu-frankfurt-1: ", "eu-frankfrt-1"),
            ("did you mean eu-frankfurt-1?", "eu-frankfurt-1"),
        ],
    );
    let run = woci.finish().ok().says("Next: `woci iam region list`");
    assert!(!run.stderr.contains("identity-propagation-trust"), "{run}");
    let oci = world.woci(&["iam", "region", "list"]).run().ok();
    eprintln!("console: {steps} answers, {:.1} s", started.elapsed().as_secs_f32());
    assert_eq!(oci.json()["argv"].as_array().map(|argv| argv.len() >= 3), Some(true), "{oci}");
    assert_eq!(world.sim.console.issued().len(), 1);
    let section = world.read(MANAGER);
    assert!(
        section.starts_with("[DEFAULT]\nsession_from = console\nregion = eu-frankfurt-1\nconsole_url = "),
        "{section}"
    );
    world.woci(&["config", "check"]).run().ok();
}

#[test]
fn from_an_empty_home_to_the_first_command_with_a_provider() {
    let world = empty();
    let (provider, domain) = clients(&world);
    let started = Instant::now();
    let port = world.redirect_port().to_string();
    let mut woci = world.woci(&["config", "init", "--redirect-port", &port]).screen().start();
    let issuer = world.sim.provider.issuer();
    let secret = &provider.secret;
    let steps = answer(
        &mut woci,
        &[
            ("Preset [console]: ", "issuer"),
            ("Profile [DEFAULT]: ", "prod"),
            ("Issuer URL: ", &format!("{issuer}/nowhere")),
            ("That cannot be used", &issuer),
            (&format!("http://127.0.0.1:{port}/callback:\r\n  Client ID: "), &provider.id),
            ("  Client secret, empty for a public client (not shown): ", secret),
            ("  Domain URL: ", &world.sim.exchange_url()),
            ("identity domain:\r\n  Domain URL: ", ""),
        ][..7],
    ) + answer(
        &mut woci,
        &[
            (&*format!("{}\r\n  Client ID: ", world.sim.exchange_url()), &*domain.id),
            ("  Client secret (not shown): ", &domain.secret),
            ("Region, such as eu-frankfurt-1: ", "us-ashburn-1"),
            ("Press Enter to sign in now", ""),
        ],
    );
    let run =
        woci.finish().ok().says("identity-propagation-trust create").says(&format!("'[\"{}\"]'", domain.id));
    assert!(run.stderr.contains("Next: `woci iam region list`"), "the only profile needs no name: {run}");
    world.woci(&["iam", "region", "list"]).run().ok();
    eprintln!("provider: {steps} answers, {:.1} s", started.elapsed().as_secs_f32());
    let expected = format!(
        "[prod]\nissuer = {issuer}\nauth_client_id = {}\nauth_client_secret = {secret}\nscope = openid offline_access\n\
         token_exchange_url = {}\nclient_id = {}\nclient_secret = {}\nregion = us-ashburn-1\nredirect_port = {port}\n",
        provider.id,
        world.sim.exchange_url(),
        domain.id,
        domain.secret
    );
    assert_eq!(world.read(MANAGER), expected);
    world.woci(&["config", "check"]).run().ok().silent();
}

#[test]
fn options_are_enough_without_a_terminal() {
    let world = empty();
    world.woci(&["config", "init"]).run().fails(2).says("it needs --preset");
    world.woci(&["config", "init", "--preset", "x"]).run().fails(2).says("none of console, oci");
    world.woci(&["config", "init", "--preset", "console"]).run().fails(2).says("--region (region)");
    let run = world.woci(&["config", "init", "--preset", "okta", "--client-id", "x"]).run().fails(2);
    run.says(
        "it needs --issuer (issuer), --auth-client-id (auth_client_id), --token-exchange-url (token_exchange_url), \
         --client-secret (client_secret), --region (region)",
    );
    assert!(!world.path(".oci/.woci-config.lock").exists(), "nothing was made");

    let (provider, domain) = clients(&world);
    world.sim.provider.rules().discovery.path = "/oauth2/default".into();
    let host = world.sim.provider.issuer().replace("/oauth2/default", "");
    world.write(".oci/secret", &domain.secret);
    let (port, exchange) = (world.redirect_port().to_string(), world.sim.exchange_url());
    let words = [
        "--profile",
        "prod",
        "config",
        "init",
        "--preset",
        "okta",
        "--issuer",
        &host,
        "--auth-client-id",
        &provider.id,
        "--auth-client-secret-env",
        "AUTH_SECRET",
        "--token-exchange-url",
        &exchange,
        "--client-id",
        &domain.id,
        "--client-secret-file",
        ".oci/secret",
        "--region",
        "us-ashburn-1",
        "--redirect-port",
        &port,
    ];
    let secret = &provider.secret;
    let init = |more: &[&str]| world.woci(&words).args(more).env("AUTH_SECRET", secret).run();
    let run = init(&[]).ok();
    let document = run.json();
    let command = document["trust_command"].as_str().expect("there is a trust").to_owned();
    assert!(command.contains(&format!("--issuer {host}/oauth2/default ")), "{command}");
    assert!(
        document["session"]["user"].is_string() && document["session"].get("security_token").is_none(),
        "{run}"
    );
    let section = world.read(MANAGER);
    for line in [
        format!("issuer = {host}/oauth2/default\n"),
        "auth_client_secret_env = AUTH_SECRET\n".into(),
        format!("client_secret_file = {}\n", world.path(".oci/secret").display()),
    ] {
        assert!(section.contains(&line), "no {line} in {section}");
    }
    assert!(!section.contains(secret) && !section.contains(&domain.secret), "{section}");
    // A second time, nothing is overwritten but by request.
    init(&[]).fails(2).says("--force").says("--profile");
    assert_eq!(world.read(MANAGER), section);
    world.write(MANAGER, format!("# kept\n{section}login_hint = ada\n[other]\nlogin_hint = bob\n"));
    assert_eq!(init(&["--force", "--no-sign-in"]).ok().json()["session"], Value::Null);
    assert_eq!(world.read(MANAGER), format!("# kept\n{section}[other]\nlogin_hint = bob\n"));
}

#[test]
fn what_is_refused_leaves_no_section() {
    let world = empty();
    let issuer = world.sim.provider.issuer();
    let exchange = world.sim.exchange_url();
    let words = [
        "config",
        "init",
        "--preset",
        "issuer",
        "--auth-client-id",
        "a",
        "--token-exchange-url",
        &exchange,
        "--client-id",
        "c",
        "--client-secret-env",
        "S",
        "--region",
        "us-ashburn-1",
        "--no-sign-in",
        "--issuer",
    ];
    let other = format!("{issuer}/other");
    world.woci(&words).arg(&other).run().fails(1).says("discovery document");
    world.sim.provider.rules().discovery.members = vec![("token_endpoint", Value::Null)];
    world.woci(&words).arg(&issuer).run().fails(1).says("it has no token_endpoint");
    world.woci(&words).arg("http://idp.example.com").run().fails(2).says("--issuer");
    // A working login is not touched.
    world.write(".oci/config", "[DEFAULT]\nuser = ocid1.user.oc1..ada\nkey_file = /a\n");
    world.sim.provider.rules().discovery.members.clear();
    world.woci(&words).arg(&issuer).run().fails(2).says("it holds an API key");
    assert!(!world.path(MANAGER).exists());
    // On a terminal, another name is offered in its place.
    let mut woci = world.woci(&["config", "init", "--no-sign-in"]).terminal().start();
    answer(
        &mut woci,
        &[
            ("Preset [console]: ", "1"),
            ("Profile [console]: ", "DEFAULT"),
            ("it holds an API key", ""),
            ("Region", "us-ashburn-1"),
        ],
    );
    let run = woci.finish().ok();
    assert_eq!(run.json()["profile"], "console");
    assert_eq!(world.read(MANAGER), "[console]\nsession_from = console\nregion = us-ashburn-1\n");
}

#[test]
fn an_interrupted_set_up_writes_nothing() {
    let world = empty();
    let issuer = world.sim.provider.issuer();
    let at_secret = || {
        let mut woci = world.woci(&["config", "init", "--issuer", &issuer]).terminal().start();
        answer(
            &mut woci,
            &[("Preset [console]: ", "issuer"), ("Profile [DEFAULT]: ", ""), ("  Client ID: ", "a")],
        );
        woci.says("(not shown): ");
        woci
    };
    let mut woci = at_secret();
    woci.types("\u{3}");
    woci.finish().exits(130);
    let mut woci = at_secret();
    answer(&mut woci, &[("(not shown): ", "")]);
    woci.says("Domain URL: ");
    woci.types("\u{4}");
    woci.finish().exits(2).says("`Domain URL`: the terminal gave none");
    assert!(!world.path(MANAGER).exists() && !world.path(".oci/.woci-config.lock").exists());
}

#[test]
fn a_failed_sign_in_says_how_to_go_on() {
    let world = empty();
    let words = ["--profile", "quick", "config", "init", "--preset", "console", "--region", "us-ashburn-1"];
    let taken = TcpListener::bind(("127.0.0.1", world.redirect_port())).expect("a World's port is free");
    let run = world.woci(&words).args(&as_words(&to_simulator(&world))).run().fails(1);
    run.says("nobody is signed in: `woci session authenticate` tries again");
    drop(taken);
    world.woci(&["session", "authenticate"]).run().ok();
}

const SHOWN: &str = "\
[COMMON]
scope = openid offline_access
redirect_port = 8181,8182

[prod]
issuer = https://idp.example.com/oauth2/default
auth_client_id = 0oa1b2c3d4
auth_client_secret_command = pass show woci/auth
client_id = c7d9e1f30a2b
client_secret = idcscs-9e7c5a31
console_url = https://login.eu-frankfurt-1.oraclecloud.com
region = us-ashburn-1
";

#[test]
fn looks_of_show_check_set_and_init() {
    let world = World::new();
    looks::check(&world, "config-show", &["--profile", "prod", "config", "show"], || {
        world.write(MANAGER, SHOWN)
    });
    looks::check(&world, "config-check", &["config", "check"], || world.write(MANAGER, SHOWN));
    let missing = SHOWN.replace("issuer = ", "tokn_url = ").replace("8181,8182", "0,1");
    looks::check(&world, "config-check-wrong", &["config", "check"], || world.write(MANAGER, &missing));
    looks::check(&world, "config-show-wrong", &["config"], || world.write(MANAGER, &missing));
    let set = ["config", "set", "client_secret", "a secret for a test"];
    looks::check(&world, "config-set", &set, || world.write(MANAGER, SHOWN));
    let init = [
        "--profile",
        "quick",
        "config",
        "init",
        "--preset",
        "console",
        "--region",
        "us-ashburn-1",
        "--no-sign-in",
    ];
    looks::check(&world, "config-init", &init, || world.write(MANAGER, SHOWN));
    looks::check(&world, "config-show-nothing", &["config"], || drop(fs::remove_file(world.path(MANAGER))));
    looks::check(&world, "config-check-nothing", &["config", "check"], || ());
}
