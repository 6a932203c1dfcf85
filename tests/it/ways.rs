//! The ways to the person without a browser of this machine: pasting at a terminal, a device code, and which way is
//! chosen where.

use crate::sim::faults::{Fault, Grant};
use crate::sim::{http, person};
use crate::world::World;
use crate::world::run::{Run, Running, Woci};
use serde_json::json;
use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

const SSH: (&str, &str) = ("SSH_CONNECTION", "192.0.2.7 50000 192.0.2.9 22");

/// A run at a terminal of another machine, which has no browser for the person.
fn remote<'w>(world: &'w World, words: &[&str]) -> Woci<'w> {
    world.woci(words).env("BROWSER", "").env(SSH.0, SSH.1).env("USER", "ada").terminal()
}

fn pasting(world: &World) -> Running<'_> {
    let woci = world.woci(&["--sign-in-with", "paste"]).terminal().start();
    woci.says("paste it here");
    woci
}

/// Signs in at the provider, and returns the address of the page that does not load.
fn last_page(woci: &Running<'_>) -> String {
    let page = person::get(&woci.auth_url(), "").expect("the provider answers");
    http::value(&page.headers, "location").expect("a redirect").to_owned()
}

/// Signs in at the provider and pastes the address.
fn pastes(mut woci: Running<'_>) {
    woci.says("paste it here");
    let address = last_page(&woci);
    woci.types(&format!("{address}\n"));
    is_signed_in(woci.finish());
}

fn parameter(address: &str, name: &str) -> String {
    let (_, query) = address.split_once('?').expect("a query");
    http::value(&http::decode_form(query).expect("a form"), name).expect("it is there").to_owned()
}

fn is_signed_in(run: Run) -> Run {
    let run = run.ok();
    assert_eq!(run.json()["source"], "authenticated");
    run
}

// Pasting.

#[test]
fn the_address_or_the_code_of_the_last_page_is_pasted() {
    for form in ["{}\n", "  {}\r", "\u{1b}[200~{}\u{1b}[201~"] {
        for only_code in [false, true] {
            let world = World::new();
            let mut woci = pasting(&world);
            let address = last_page(&woci);
            world.secret(&parameter(&address, "code"));
            let text = if only_code { parameter(&address, "code") } else { address };
            woci.types(&form.replace("{}", &text));
            let run = is_signed_in(woci.finish());
            assert!(!run.stderr.contains(&text), "{run}");
            assert_eq!((world.sign_ins(), world.sim.count(Grant::Code)), (1, 1));
            world.browsers(0);
        }
    }
}

#[test]
fn a_wrong_paste_costs_nothing_and_is_asked_for_again() {
    let world = World::new();
    let mut woci = pasting(&world);
    let address = last_page(&woci);
    let (code, state) = (parameter(&address, "code"), parameter(&address, "state"));
    world.secret(&code);
    let uri = address.split('?').next().expect("an address");
    let half = format!("{uri}?state={state}&code={}\n{}", &code[..9], &code[9..]);
    let pastes = [
        ("rm -rf canary-typed\n".to_owned(), "it is neither the address"),
        (format!("{uri}?code={code}&state=canary-of-another\n"), "it belongs to another sign-in"),
        (format!("{uri}?error=access_denied&state=canary-of-another\n"), "it belongs to another sign-in"),
        (format!("{uri}?code={code}&code=canary-twice&state={state}\n"), "it has a parameter twice"),
        (format!("{}\n", woci.auth_url()), "it is neither the address"),
        (format!("{half}\n"), "it has more than one line"),
        (format!("{}\n", "canary-long".repeat(4000)), "it is longer than any address"),
    ];
    for (nth, (text, why)) in pastes.iter().enumerate() {
        woci.types(text);
        woci.says_times("Cannot use what was pasted", nth + 1);
        woci.says(why);
    }
    assert_eq!(world.sim.count(Grant::Code), 0);
    woci.types(&format!("{address}\n"));
    let run = is_signed_in(woci.finish());
    assert!(!run.stderr.contains("canary"), "{run}");
}

#[test]
fn a_pasted_denial_ends_the_sign_in() {
    let world = World::new();
    world.sim.provider.rules().person = crate::sim::provider::Person::denies();
    let mut woci = pasting(&world);
    let address = last_page(&woci);
    woci.types(&format!("{address}\n"));
    woci.finish().fails(1).says("access_denied");
}

/// RFC 9207: the code of another provider's answer is not sent to this one.
#[test]
fn a_pasted_address_that_names_another_issuer_is_refused() {
    let world = World::new();
    let issuer = world.sim.provider.issuer();
    world.sim.provider.rules().iss = Some(issuer.clone());
    let with_issuer = [("authz_base_url", None), ("token_url", None), ("issuer", Some(&*issuer))];
    world.manager(&[("DEFAULT", &world.settings_with(&with_issuer))]);
    for other in [Some("https://evil.example"), None] {
        let mut woci = pasting(&world);
        let address = last_page(&woci);
        let own = parameter(&address, "iss");
        assert_eq!(own, issuer);
        let (before, _) = address.split_once("&iss=").expect("the last parameter");
        let iss = other.map_or(String::new(), |other| format!("&iss={other}"));
        woci.types(&format!("{before}{iss}\n"));
        let run = woci.finish().exits(1);
        run.says(other.unwrap_or("no issuer"));
        assert_eq!(world.sim.count(Grant::Code), 0);
    }
}

#[test]
fn whichever_comes_first_ends_the_sign_in_the_page_or_the_paste() {
    let world = World::new();
    let woci = pasting(&world);
    let pages = person::follow(&woci.auth_url(), &[]);
    assert!(pages.last().is_some_and(|page| page.body.contains("You are signed in")));
    is_signed_in(woci.finish());

    let woci = world.woci(&["session", "authenticate", "--sign-in-with", "paste"]).terminal().start();
    pastes(woci);
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, world.redirect_port())).is_err(), "the port is closed");
}

#[test]
fn two_people_on_one_host_do_not_exclude_each_other() {
    let world = World::new();
    let settings = world.settings();
    world.manager(&["a", "b"].map(|name| (name, &*settings)));
    let start = |profile: &str| {
        let words = ["session", "authenticate", "--profile", profile, "--sign-in-with", "paste"];
        let woci = world.woci(&words).terminal().start();
        woci.says("paste it here");
        woci
    };
    let (mut first, mut second) = (start("a"), start("b"));
    second.says("only pasting ends this sign-in");
    for woci in [&mut second, &mut first] {
        let address = last_page(woci);
        woci.types(&format!("{address}\n"));
    }
    is_signed_in(second.finish());
    is_signed_in(first.finish());

    // Another person's program has the port.
    let _taken = TcpListener::bind((Ipv4Addr::LOCALHOST, world.redirect_port())).expect("a free port");
    let mut third = start("a");
    let said = third.says("only pasting ends this sign-in");
    assert!(!said.contains("ssh -L"), "{said}");
    let address = last_page(&third);
    third.types(&format!("{address}\n"));
    third.finish().ok();
}

#[test]
fn without_a_terminal_pasting_ends_at_once_with_the_command_to_run() {
    let world = World::new();
    let command = |way: &str| format!("`woci session authenticate --profile DEFAULT --sign-in-with {way}`");
    let fails = |other: &str| {
        for words in [&[][..], &["session", "authenticate"], &["os"]] {
            let run = world.woci(&["--sign-in-with", "paste"]).args(words).run().fails(1);
            let run =
                run.says("there is no terminal to paste at").says(&command("paste")).says(&command(other));
            assert!(!run.stderr.contains("Auth URL"), "{run}");
        }
    };
    fails("browser");
    world.with_device(&[]);
    fails("device");
    let console = World::console();
    let words = ["--sign-in-with", "paste", "session", "authenticate"];
    console.woci(&words).run().fails(1).says("no terminal to paste at").says(&command("browser"));
    assert_eq!((world.sim.total(), console.sim.total()), (0, 0));
}

#[test]
fn ctrl_c_while_woci_waits_for_a_paste_shows_typing_again() {
    let world = World::new();
    let mut shell = world
        .shell("trap : INT; woci --sign-in-with paste; echo \"ended $?\" >&2; stty -a >&2; read -r line; echo \"next: $line\" >&2")
        .terminal()
        .start();
    shell.says("paste it here");
    shell.types("half-a-code\u{3}");
    let said = shell.says("ended 130");
    assert!(!said.contains("half-a-code"), "{said}");
    shell.says("icanon");
    shell.types("\n");
    let run = shell.finish().ok();
    assert!(run.stderr.contains(" echo ") && !run.stderr.contains("half-a-code"), "{run}");
}

#[test]
fn a_console_session_is_signed_in_for_by_pasting_alone() {
    let world = World::console();
    let woci = world.woci(&["session", "authenticate", "--sign-in-with", "paste"]).terminal().start();
    pastes(woci);
    world.browsers(0);
    let words = ["session", "authenticate", "--sign-in-with", "device"];
    world.woci(&words).run().fails(2).says("sign_in_with").says("browser and paste");
}

/// [COMMON] is for the profiles of a provider too.
#[test]
fn device_codes_for_all_profiles_leave_a_console_session_its_browser() {
    let world = World::console();
    let common = [("sign_in_with".to_owned(), "device".to_owned())];
    world.manager(&[("COMMON", &common), ("DEFAULT", &world.console_settings())]);
    let run = world.woci(&["session", "authenticate", "--log-level", "DEBUG"]).run();
    is_signed_in(run).says("sign_in_with = device in [COMMON] is not used");
    world.browsers(1);
    let own = [world.console_settings(), common.to_vec()].concat();
    world.manager(&[("DEFAULT", &own)]);
    world.woci(&["session", "authenticate"]).run().fails(2).says("sign_in_with for a console session");
}

/// A port of any number in [COMMON] is for the providers. Another program may have Oracle's port while this test runs.
#[test]
fn any_port_for_all_profiles_leaves_a_console_session_oracles_port() {
    let world = World::console();
    let common = [("redirect_port".to_owned(), "0".to_owned())];
    let own: Vec<_> =
        world.console_settings().into_iter().filter(|(key, _)| key != "redirect_port").collect();
    world.manager(&[("COMMON", &common), ("DEFAULT", &own)]);
    let _taken = std::net::TcpListener::bind("127.0.0.1:8181");
    world.woci(&["session", "authenticate"]).run().fails(1).says("cannot listen on 127.0.0.1:8181");
}

// The choice.

/// On a jump host, a person who has read nothing is told the two ways that work there.
#[test]
fn at_a_remote_terminal_pasting_is_asked_for_and_the_message_names_the_ways() {
    let world = World::new();
    let mut woci = remote(&world, &[]).start();
    let port = world.redirect_port();
    let said = woci.says(&format!("ssh -L {port}:127.0.0.1:{port} ada@192.0.2.9"));
    assert!(said.contains("paste it here") && said.contains("--sign-in-with browser)"), "{said}");
    let address = last_page(&woci);
    woci.types(&format!("{address}\n"));
    is_signed_in(woci.finish());
}

/// Puts the opener of a display on PATH. A process of its own writes it: this one must not have it open for writing when
/// woci starts it.
fn put_opener(world: &World) {
    let install = r#"printf '#!/bin/sh\nexec browser "$@"\n' >bin/xdg-open && chmod 755 bin/xdg-open"#;
    world.shell(install).run().ok();
}

#[test]
fn where_no_browser_can_be_the_person_s_none_is_opened() {
    for (name, value) in [
        ("SSH_CONNECTION", "192.0.2.7 50000 192.0.2.9 22"),
        ("KUBERNETES_SERVICE_HOST", "10.0.0.1"),
        ("LANG", "C"),
    ] {
        let world = World::new();
        let mut woci = world.woci(&[]).env("BROWSER", "").env(name, value);
        // The opener of a display, which would open the wrong browser. In the last place there is no display.
        put_opener(&world);
        if name != "LANG" {
            woci = woci.env("DISPLAY", ":9");
        }
        let woci = woci.terminal().start();
        pastes(woci);
        world.browsers(0);
    }
}

/// In a root without the marks of a container, and in one with each of them: this machine may be a container itself.
#[test]
fn in_a_container_the_browser_of_the_display_is_not_opened() {
    for mark in ["", "/.dockerenv", "/run/.containerenv"] {
        let world = World::new();
        put_opener(&world);
        world.write(
            "in-root",
            "root=$HOME/root; mkdir \"$root\"; mount -t tmpfs none \"$root\" || exit 77
             for entry in /*; do
               if [ -L \"$entry\" ]; then cp -P \"$entry\" \"$root\"
               elif [ -d \"$entry\" ] && [ \"$entry\" != /run ]; then
                 mkdir \"$root$entry\"; mount --rbind \"$entry\" \"$root$entry\" || exit 77
               fi
             done
             mkdir \"$root/run\"; [ -z \"$1\" ] || : >\"$root$1\"
             exec /usr/sbin/chroot \"$root\" woci\n",
        );
        let woci = world.shell(&format!("exec unshare -m sh in-root '{mark}'"));
        let woci = woci.env("BROWSER", "").env("DISPLAY", ":9").terminal().start();
        if mark.is_empty() {
            let run = woci.finish();
            if run.code() == 77 || run.stderr.contains("unshare: ") {
                eprintln!("skipped: a root of its own needs root: {}", run.stderr.trim());
                return;
            }
            is_signed_in(run);
            world.browsers(1);
            continue;
        }
        pastes(woci);
        world.browsers(0);
    }
}

/// A remote editor sets `$BROWSER` to a program that opens the person's own.
#[test]
fn a_browser_that_was_named_is_opened_and_pasting_works_beside_it() {
    for woci in [&[][..], &["--sign-in-with", "browser"]] {
        let world = World::new();
        let woci = world.woci(woci).env(SSH.0, SSH.1).browser("nothing").terminal();
        let mut woci = woci.start();
        woci.says("paste it here");
        let address = last_page(&woci);
        woci.types(&format!("{address}\n"));
        is_signed_in(woci.finish());
        assert_eq!(world.browsers(1)[0]["pages"].as_array().map(Vec::len), Some(0));
    }
}

#[test]
fn where_a_browser_was_tried_and_failed_pasting_is_asked_for() {
    let world = World::new();
    let woci = world.woci(&[]).browser("fails").terminal().start();
    woci.says("No browser could be opened");
    pastes(woci);
}

#[test]
fn without_browser_terminal_and_person_the_choice_ends_at_once() {
    let world = World::new();
    let run = world.woci(&[]).env("BROWSER", "").env(SSH.0, SSH.1).run().fails(1);
    run.says("Auth URL: ").says("no browser opens here, and there is no terminal");
    // Who asks for a sign-in waits for it.
    let woci = world.woci(&["session", "authenticate"]).env("BROWSER", "").env(SSH.0, SSH.1).start();
    woci.says("open the URL above yourself");
    person::follow(&woci.auth_url(), &[]);
    is_signed_in(woci.finish());
}

// Device codes.

impl World {
    /// The manager config of a provider with a device authorization endpoint.
    fn with_device(&self, changes: &[(&str, Option<&str>)]) {
        let url = self.sim.device_url();
        let changes = [&[("device_url", Some(&*url))], changes].concat();
        self.manager(&[("DEFAULT", &self.settings_with(&changes))]);
    }
}

/// A World whose provider has a device authorization endpoint.
fn device_world() -> World {
    let world = World::new();
    world.with_device(&[]);
    world
}

/// The code that is shown.
fn user_code(woci: &Running<'_>) -> String {
    let said = woci.says("Waiting for you to sign in");
    let (_, code) = said.split_once("enter this code there:").expect("a code");
    code.lines().nth(1).expect("a line").trim().to_owned()
}

/// The person types the code on the page that is shown.
fn type_code(world: &World, woci: &Running<'_>, headers: &str) {
    let code = user_code(woci);
    let page = person::get(&format!("{}?user_code={code}", world.sim.device_url()), headers);
    assert_eq!(page.expect("the provider answers").status, 200);
}

#[test]
fn a_code_is_typed_elsewhere_with_and_without_a_terminal() {
    for secret in [Some("S3cr3t-canary-auth #1; 100%&+=£€"), None] {
        for has_terminal in [true, false] {
            let world = World::new();
            world.sim.provider.rules().client_secret = secret.map(str::to_owned);
            world.with_device(&[("auth_client_secret", secret)]);
            let mut woci = world.woci(&["--sign-in-with", "device", "--log-level", "DEBUG"]);
            if has_terminal {
                woci = woci.terminal();
            }
            let woci = woci.start();
            let said = woci.says("Waiting for you to sign in, 5 minutes at most");
            assert!(said.contains(&format!("    {}", world.sim.device_url())), "{said}");
            assert_eq!(said.contains("--sign-in-with paste"), has_terminal, "{said}");
            type_code(&world, &woci, "");
            let run = is_signed_in(woci.finish());
            assert!(!run.stderr.contains("Auth URL"), "{run}");
            assert_eq!((world.sign_ins(), world.sim.count(Grant::Device)), (0, 1));
            assert_eq!(world.sim.provider.ledger().early_polls, 0);
            // Its refresh token is as good as that of a browser's sign-in.
            assert_eq!(world.woci(&["session", "refresh"]).run().ok().json()["source"], "refreshed");
        }
    }
}

#[test]
fn a_secret_that_the_device_endpoint_refuses_is_told_with_its_source() {
    let world = World::new();
    let command = Some("echo not-the-secret");
    world.with_device(&[("auth_client_secret", None), ("auth_client_secret_command", command)]);
    let run = world.woci(&["--sign-in-with", "device"]).run().fails(1);
    run.says("invalid_client").says("auth_client_secret_command");
}

#[test]
fn an_issuer_gives_the_device_endpoint_beside_configured_endpoints() {
    let world = World::new();
    let endpoint = json!(world.sim.device_url());
    world.sim.provider.rules().discovery.members = vec![("device_authorization_endpoint", endpoint)];
    world.manager(&[("DEFAULT", &world.settings_with(&[("issuer", Some(&*world.sim.provider.issuer()))]))]);
    let woci = world.woci(&["--sign-in-with", "device"]).start();
    type_code(&world, &woci, "");
    is_signed_in(woci.finish());
    // A renewal has no use for the document.
    let documents = world.sim.count(Grant::Discovery);
    fs::remove_file(world.session().path("discovery.json")).expect("the document is kept");
    world.woci(&["session", "refresh"]).run().ok();
    assert_eq!(world.sim.count(Grant::Discovery), documents);
}

#[test]
fn oracles_form_has_a_response_type_no_authentication_and_no_interval() {
    let world = World::new();
    world.sim.provider.rules().device.is_oracles = true;
    world.with_device(&[("device_form", Some("oracle"))]);
    let woci = world.woci(&["--sign-in-with", "device"]).start();
    type_code(&world, &woci, "");
    let started = Instant::now();
    is_signed_in(woci.finish());
    assert!(started.elapsed() > Duration::from_secs(3), "an interval of five seconds is due");
    assert_eq!(world.sim.provider.ledger().early_polls, 0);
    let asked = &world.sim.requests(Grant::Device)[0];
    assert_eq!(
        (asked.field("response_type"), asked.request.header("authorization")),
        (Some("device_code"), None)
    );
    assert!(world.sim.requests(Grant::DevicePoll)[0].request.header("authorization").is_some());

    // The RFC's form is refused there, which is said with what to do.
    world.with_device(&[]);
    let run = world.woci(&["session", "authenticate", "--sign-in-with", "device"]).run().fails(1);
    run.says("device authorization endpoint").says("device_form = oracle");
}

#[test]
fn a_denial_ends_the_sign_in_and_is_remembered() {
    let world = device_world();
    let woci = world.woci(&["--sign-in-with", "device"]).start();
    type_code(&world, &woci, "X-Person: denies\r\n");
    woci.finish().fails(1).says("access_denied: The person said no");
    world.woci(&["--sign-in-with", "device"]).run().fails(1).says("was denied");
    assert_eq!(world.sim.count(Grant::Device), 1);
}

#[test]
fn a_code_that_nobody_types_ends_the_sign_in_with_its_life_and_is_remembered() {
    for is_told in [true, false] {
        let world = device_world();
        let mut rules = world.sim.provider.rules();
        rules.device.lifetime = if is_told { 300 } else { 2 };
        drop(rules);
        if is_told {
            world.sim.fault(Grant::DevicePoll, Fault::refusal("expired_token", "too late"));
        }
        let run = world.woci(&["--sign-in-with", "device"]).run().fails(1).says("nobody answered within");
        assert!(!run.stderr.contains("in the browser"), "{run}");
        world.woci(&["--sign-in-with", "device"]).run().fails(1).says("was unanswered");
        assert_eq!(world.sim.count(Grant::Device), 1);
    }
}

#[test]
fn a_provider_that_is_slow_or_out_of_reach_for_a_while_is_asked_again() {
    let world = device_world();
    world.sim.provider.rules().device.slow_downs = 1;
    let woci = world.woci(&["--sign-in-with", "device"]).start();
    type_code(&world, &woci, "");
    is_signed_in(woci.finish());
    assert_eq!((world.sim.provider.ledger().early_polls, world.sim.count(Grant::DevicePoll)), (0, 2));

    // All at once: each waits for the next poll.
    let worlds = [
        Fault::drop(),
        Fault::reset(),
        Fault::status(503, ""),
        Fault::status(429, ""),
        Fault::status(502, "<html>Bad Gateway</html>"),
        Fault::status(408, r#"{"error":"timeout"}"#),
        Fault::status(429, r#"{"error":"too_many_requests","error_description":"later"}"#),
        Fault::status(500, r#"{"error":"invalid_request"}"#),
        Fault::status(503, r#"{"error":"access_denied","error_description":"by the load balancer"}"#),
    ]
    .map(|fault| {
        let world = device_world();
        world.sim.fault(Grant::DevicePoll, fault);
        world
    });
    let runs: Vec<_> =
        worlds.iter().map(|world| (world, world.woci(&["--sign-in-with", "device"]).start())).collect();
    for (world, woci) in &runs {
        type_code(world, woci, "");
    }
    for (world, woci) in runs {
        is_signed_in(woci.finish());
        assert_eq!(world.sim.count(Grant::DevicePoll), 2);
    }
}

#[test]
fn an_answer_that_ends_the_polling_is_shown_and_nothing_is_lost() {
    for (fault, why) in [
        (Fault::refusal("invalid_client", "no such client"), "invalid_client"),
        (Fault::refusal("invalid_grant", "the code is unknown"), "invalid_grant"),
        (Fault::status(200, "<html>"), "JSON"),
        (Fault::status(404, ""), "404"),
        (Fault::redirect("http://127.0.0.1:9/"), "redirect"),
    ] {
        let world = World::signed_in();
        world.with_device(&[]);
        let before = world.session().snapshot();
        world.sim.fault(Grant::DevicePoll, fault);
        let words = ["session", "authenticate", "--sign-in-with", "device"];
        world.woci(&words).run().fails(1).says(why);
        assert!(world.session().snapshot() == before, "{why}");
        assert_eq!(world.sim.count(Grant::DevicePoll), 1);
    }
}

#[test]
fn an_answer_out_of_the_rfc_is_refused_and_cannot_disguise_its_text() {
    for (name, value, why) in [
        ("device_code", json!(null), "it has no device_code"),
        ("user_code", json!("A\u{202e}B"), "its user_code"),
        ("user_code", json!("A\u{1b}[2J"), "its user_code"),
        ("verification_uri", json!("http://evil.example/"), "its verification_uri cannot be opened"),
        ("verification_uri", json!("https://a.example/\n\u{1b}[2J"), "its verification_uri cannot be opened"),
        ("expires_in", json!("soon"), "its expires_in"),
        ("interval", json!(-1), "its interval"),
    ] {
        let world = device_world();
        world.sim.provider.rules().device.members = vec![(name, value)];
        let run = world.woci(&["--sign-in-with", "device"]).run().fails(1).says(why);
        assert!(!run.stderr.contains(['\u{1b}', '\u{202e}']), "{run}");
        assert_eq!(world.sim.count(Grant::DevicePoll), 0);
    }
    for (fault, why) in [
        (Fault::status(200, "<html>Please sign in</html>"), "JSON"),
        (Fault::status(200, " ".repeat(2 << 20)), "device authorization endpoint"),
        (Fault::refusal("unauthorized_client", "no device grant"), "unauthorized_client"),
        (Fault::redirect("https://portal.example/"), "redirect"),
        (Fault::status(404, ""), "404"),
        (Fault::drop(), "cannot reach the device authorization endpoint"),
    ] {
        let world = device_world();
        world.sim.fault(Grant::Device, fault.always());
        world.woci(&["--sign-in-with", "device"]).run().fails(1).says(why);
    }
}

#[test]
fn without_an_endpoint_a_device_code_is_exit_2() {
    let world = World::new();
    for words in [&[][..], &["session", "authenticate"]] {
        let run = world.woci(&["--sign-in-with", "device"]).args(words).run().fails(2);
        run.says("sign_in_with").says("device_url");
    }
    assert_eq!(world.sim.total(), 0);
}

#[test]
fn at_a_remote_terminal_a_device_code_is_asked_for_if_the_provider_has_them() {
    let world = device_world();
    let woci = remote(&world, &[]).start();
    let said = woci.says("Waiting for you to sign in");
    assert!(said.contains("enter this code there") && said.contains("--sign-in-with paste"), "{said}");
    type_code(&world, &woci, "");
    is_signed_in(woci.finish());
    // Nobody would see the code: the rules of a run without a terminal.
    world.session().expire();
    world.sim.provider.revoke_all();
    let run = world.woci(&[]).env("BROWSER", "").env(SSH.0, SSH.1).run().fails(1);
    run.says("no browser opens here, and there is no terminal");
    assert_eq!(world.sim.count(Grant::Device), 1);
    world.woci(&["--sign-in", "never", "--sign-in-with", "device"]).run().fails(1);
    assert_eq!(world.sim.count(Grant::Device), 1);
}

#[test]
fn a_terminal_that_can_show_it_shows_a_qr_code() {
    let world = device_world();
    for (locale, term, shows) in
        [("en_GB.UTF-8", "xterm", true), ("C", "xterm", false), ("en_GB.UTF-8", "dumb", false)]
    {
        let words = ["session", "authenticate", "--sign-in-with", "device"];
        let woci = world.woci(&words).env("LANG", locale).env("TERM", term).terminal().columns(80).start();
        let said = woci.says("Waiting for you to sign in");
        assert_eq!(said.contains("█▀▀▀▀▀█"), shows, "{said}");
        // Black on white, whatever the terminal's colours are, and nothing else.
        let rows = said.matches("\u{1b}[30;47;38;5;16;48;5;231m").count();
        assert_eq!(rows > 0, shows, "{said}");
        assert_eq!(said.matches('\u{1b}').count(), 2 * rows, "{said}");
        type_code(&world, &woci, "");
        is_signed_in(woci.finish());
    }
    let words = ["session", "authenticate", "--sign-in-with", "device"];
    let woci = world.woci(&words).env("LANG", "C.UTF-8").env("TERM", "xterm").terminal().columns(20).start();
    assert!(!woci.says("Waiting for you to sign in").contains('█'));
    type_code(&world, &woci, "");
    is_signed_in(woci.finish());
}

#[test]
fn processes_that_wait_behind_a_device_code_use_its_session() {
    let world = device_world();
    let first = world.woci(&["--sign-in-with", "device"]).start();
    user_code(&first);
    let lock = world.session().read("session.lock").expect("a lock");
    // The code's life, and some time for what follows.
    assert!(lock.contains(" sign-in 360"), "{lock}");
    let second = world.woci(&["--sign-in-with", "device"]).start();
    second.says("Waiting for process");
    type_code(&world, &first, "");
    is_signed_in(first.finish());
    assert_eq!(second.finish().ok().json()["source"], "cached");
    assert_eq!(world.sim.count(Grant::Device), 1);
}

/// The place of the next refresh token is prepared before the first request that may bring one.
#[test]
fn a_folder_that_cannot_take_the_token_is_found_out_before_the_code_is_redeemed() {
    let world = device_world();
    let gate = world.sim.hold(Grant::Device);
    let woci = world.woci(&["--sign-in-with", "device"]).start();
    gate.wait_for(1);
    std::fs::create_dir_all(world.session().path("refresh_token")).expect("a new folder");
    gate.open();
    woci.finish().fails(1).says("refresh_token");
    assert_eq!(world.sim.count(Grant::DevicePoll), 0);
    std::fs::remove_dir(world.session().path("refresh_token")).expect("it is empty");
}
