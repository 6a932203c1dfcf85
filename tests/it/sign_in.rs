//! Sign-ins with the real binary: stray requests on the callback port, a port in use, no answer, and what is left of
//! the old session after a failure.

use crate::sim::faults::{Fault, Gate, Grant};
use crate::sim::person;
use crate::sim::provider::Person;
use crate::sim::{http, jwt};
use crate::world::run::{Run, Running};
use crate::world::{World, free_port};
use serde_json::{Value, json};
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::time::{Duration, Instant};

const NOBODY: &str = "no-such-browser";

/// A sign-in that waits; the test acts as the browser.
fn waiting(world: &World) -> Running<'_> {
    let woci = world.woci(&["session", "authenticate"]).env("BROWSER", NOBODY).start();
    woci.auth_url();
    woci
}

/// Opens the authorization URL, after which the sign-in succeeds.
fn finish(woci: Running<'_>) -> Run {
    let pages = person::follow(&woci.auth_url(), &[]);
    assert_eq!(pages.last().map(|page| page.status), Some(200));
    woci.finish().ok()
}

fn connect(world: &World) -> TcpStream {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, world.redirect_port())).expect("woci listens");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a socket takes a timeout");
    stream
}

/// Sends these bytes and returns the status of the response.
fn ask(world: &World, request: &[u8]) -> String {
    let mut stream = connect(world);
    stream.write_all(request).expect("woci reads");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer and no reset");
    let answer = String::from_utf8(answer).expect("an answer in text");
    answer.split(' ').nth(1).unwrap_or_else(|| panic!("no status: {answer:?}")).to_owned()
}

fn get(world: &World, target: &str) -> String {
    ask(world, format!("GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").as_bytes())
}

fn state(url: &str) -> String {
    let (_, query) = url.split_once('?').expect("a URL with a query");
    http::value(&http::decode_form(query).expect("a form"), "state").expect("a state").to_owned()
}

#[test]
fn stray_requests_are_answered_and_do_not_end_the_sign_in() {
    let world = World::new();
    let woci = waiting(&world);
    let state = state(&woci.auth_url());
    for (target, status) in [
        ("/favicon.ico".to_owned(), "404"),
        ("/".into(), "404"),
        ("/callback/".into(), "404"),
        ("//callback".into(), "404"),
        (format!("/Callback?code=x&state={state}"), "404"),
        ("/callback".into(), "400"),
        ("/callback?code=stranger".into(), "400"),
        ("/callback?error=access_denied".into(), "400"),
        ("/callback?code=stranger&state=stranger".into(), "400"),
        ("/callback?error=access_denied&state=stranger".into(), "400"),
        (format!("/callback?code=stranger&state={}", &state[..42]), "400"),
        (format!("/callback?code=stranger&state={state}x"), "400"),
        (format!("/callback?code=stranger&state=x&state={state}"), "400"),
        (format!("/callback?code=stranger&state={state}&state=x"), "400"),
        (format!("/callback?code=a&code=b&state={state}"), "400"),
        (format!("/callback?error=a&error=b&state={state}"), "400"),
        (format!("/callback?state={state}"), "400"),
        (format!("/callback?code=&state={state}"), "400"),
        (format!("/callback?code=%zz&state={state}"), "400"),
    ] {
        assert_eq!(get(&world, &target), status, "{target}");
    }
    for request in [
        format!("POST /callback?code=x&state={state} HTTP/1.1\r\n\r\n"),
        format!("HEAD /callback?code=x&state={state} HTTP/1.1\r\n\r\n"),
        format!("OPTIONS /callback?code=x&state={state} HTTP/1.1\r\n\r\n"),
        format!("GET http://127.0.0.1/callback?code=x&state={state} HTTP/1.1\r\n\r\n"),
        format!("GET /callback?code=x&state={state} HTTP/2.0\r\n\r\n"),
        format!("GET /callback?code=x&state={state} HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello"),
        "\r\n\r\n".into(),
    ] {
        assert_eq!(ask(&world, request.as_bytes()), "400", "{request}");
    }
    finish(woci);
    assert_eq!(world.sim.count(Grant::Code), 1, "no stranger's code was redeemed");
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, world.redirect_port())).is_err(), "the port is closed");
}

/// The whole answer to these bytes.
fn whole_answer(world: &World, request: &[u8]) -> String {
    let mut stream = connect(world);
    stream.write_all(request).expect("woci reads");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer and no reset");
    String::from_utf8(answer).expect("an answer in text")
}

#[test]
fn a_code_with_control_characters_or_for_another_host_is_waited_past() {
    let world = World::new();
    let woci =
        world.woci(&["session", "authenticate", "--log-level", "debug"]).env("BROWSER", NOBODY).start();
    let (port, state) = (world.redirect_port(), state(&woci.auth_url()));
    for code in ["a%00b", "a%0d%0ab", "a%7f", "a%1b%5b2J", "%c2%85x"] {
        assert_eq!(get(&world, &format!("/callback?code={code}&state={state}")), "400", "{code}");
    }
    let target = format!("/callback?code=stranger&state={state}");
    for hosts in [
        "Host: evil.example\r\n".to_owned(),
        format!("Host: evil.example:{port}\r\n"),
        format!("Host: 127.0.0.1:{}\r\n", port + 1),
        format!("Host: 127.0.0.1.evil.example:{port}\r\n"),
        format!("Host: evil@127.0.0.1:{port}\r\n"),
        "Host: \r\n".into(),
        format!("Host: 127.0.0.1:{port}\r\nHost: 127.0.0.1:{port}\r\n"),
        format!("Host: 127.0.0.1:{port}\r\nHost: evil.example\r\n"),
    ] {
        let request = format!("GET {target} HTTP/1.1\r\n{hosts}\r\n");
        assert_eq!(ask(&world, request.as_bytes()), "400", "{hosts}");
    }
    // A browser that was told https begins with a TLS hello.
    let mut tls = connect(&world);
    tls.write_all(&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]).expect("woci reads");
    woci.says("DEBUG A program spoke TLS");
    drop(tls);
    finish(woci);
    assert_eq!(world.sim.count(Grant::Code), 1, "no stranger's code was redeemed");
}

#[test]
fn every_answer_closes_its_connection_and_names_no_server() {
    let world = World::new();
    let woci = waiting(&world);
    let state = state(&woci.auth_url());
    let mut answers: Vec<String> = ["/", "/callback", "/favicon.ico"]
        .map(|target| format!("GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: keep-alive\r\n\r\n"))
        .into_iter()
        .chain(["PUT / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".into(), "?\r\n\r\n".into()])
        .map(|request| whole_answer(&world, request.as_bytes()))
        .collect();
    let denial =
        format!("GET /callback?error=access_denied&state={state} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    answers.push(whole_answer(&world, denial.as_bytes()));
    woci.finish().fails(1);
    for answer in answers {
        let head = answer.split("\r\n\r\n").next().unwrap_or_default().to_ascii_lowercase();
        assert!(head.lines().any(|line| line == "connection: close"), "{answer}");
        assert!(head.lines().any(|line| line == "cache-control: no-store"), "{answer}");
        assert!(!head.contains("server:") && !head.contains("tiny"), "{answer}");
    }
}

#[test]
fn of_two_valid_callbacks_at_once_one_code_is_redeemed() {
    let world = World::new();
    let woci = waiting(&world);
    let url = woci.auth_url();
    let gate = world.sim.hold_answers(Grant::Code);
    let page = person::get(&url, "").expect("the provider answers");
    let callback = http::value(&page.headers, "location").expect("a redirect");
    let (_, query) = callback.split_once('?').expect("an answer");
    let request = format!("GET /callback?{query} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    let mut tabs = [connect(&world), connect(&world)];
    tabs.iter_mut().for_each(|tab| tab.write_all(request.as_bytes()).expect("woci reads"));
    gate.wait_for(1);
    gate.open();
    woci.finish().ok();
    assert_eq!((world.sim.count(Grant::Code), world.sim.count(Grant::Exchange)), (1, 1));
    assert!(!world.sim.provider.saw_reuse());
}

#[test]
fn a_code_of_12_kib_is_redeemed_as_it_is() {
    let world = World::new();
    let woci = waiting(&world);
    let code = "c0de".repeat(3 << 10);
    let state = state(&woci.auth_url());
    // No such code was issued.
    assert_eq!(get(&world, &format!("/callback?code={code}&state={state}")).len(), 3);
    woci.finish().fails(1).says("invalid_grant");
    assert_eq!(world.sim.requests(Grant::Code)[0].field("code"), Some(code.as_str()));
}

/// The authorization URL stands in the browser's command line, so that every user of the machine can read its state.
#[test]
#[cfg(target_os = "linux")]
fn another_user_can_neither_finish_nor_end_a_sign_in() {
    use std::os::unix::process::CommandExt as _;
    if !crate::sim::sys::is_root() {
        println!("skipped: only root can start a program of another user");
        return;
    }
    let world = World::new();
    let woci = waiting(&world);
    let (port, state) = (world.redirect_port(), state(&woci.auth_url()));
    // One reads the answer, one is gone before woci looks, one comes by an IPv6 socket.
    for (host, then) in
        [("127.0.0.1", "cat <&3"), ("127.0.0.1", "exec 3>&-"), ("::ffff:127.0.0.1", "cat <&3")]
    {
        for answer in ["code=stranger", "error=access_denied"] {
            let request = format!(r"GET /callback?{answer}&state={state} HTTP/1.1\r\n\r\n");
            let script = format!("exec 3<>/dev/tcp/{host}/{port}; printf '{request}' >&3; {then}");
            let mut stranger = std::process::Command::new("bash");
            let said = stranger.args(["-c", &script]).uid(4242).gid(4242).output().expect("bash starts");
            let said = String::from_utf8_lossy(&said.stdout).into_owned();
            assert!(said.starts_with("HTTP/1.1 400 ") || then != "cat <&3", "{host}: {said}");
        }
    }
    finish(woci).says("another user of this machine");
    assert_eq!(world.sim.count(Grant::Code), 1, "no stranger's code was redeemed");
}

#[test]
fn the_page_says_how_the_sign_in_ended() {
    let world = World::new();
    let gate = world.sim.hold(Grant::Exchange);
    let woci = world.woci(&["--profile", "DEFAULT"]).start();
    gate.wait_for(1);
    let browsers = fs::read_to_string(world.path("browsers.jsonl")).unwrap_or_default();
    assert_eq!(browsers, "", "the page was sent before the session was stored");
    gate.open();
    let credential = woci.finish().ok().json();
    let page = world.browsers(1)[0]["pages"][0].clone();
    let body = page["body"].as_str().expect("a page");
    assert_eq!(page["headers"]["cache-control"], "no-store");
    for key in ["user", "profile", "expiration"] {
        let value = credential[key].as_str().expect("a text");
        assert!(body.contains(value), "{key}: {body}");
    }
}

#[test]
fn the_page_of_a_failed_sign_in_says_what_failed_and_what_to_run() {
    let world = World::new();
    world.manager(&[("it", &world.settings())]);
    let manager = world.path(".oci/woci_manager.ini");
    let words = ["--profile", "it", "--manager-config", manager.to_str().expect("UTF-8")];
    world.sim.fault(Grant::Exchange, Fault::refusal("invalid_request", "No <rules> matched"));
    world.woci(&words).run().fails(1);
    let page = world.browsers(1)[0]["pages"][0].clone();
    let body = page["body"].as_str().expect("a page");
    assert!(body.contains("No &lt;rules&gt; matched") && body.contains("token exchange"), "{body}");

    let world = World::new();
    world.manager(&[("it", &world.settings())]);
    let manager = world.path(".oci/woci_manager.ini");
    let words = ["--profile", "it", "--manager-config", manager.to_str().expect("UTF-8")];
    world.woci(&words).browser("denies").run().fails(1);
    let page = world.browsers(1)[0]["pages"][0].clone();
    let body = page["body"].as_str().expect("a page");
    let command = format!("woci session authenticate --profile it --manager-config {}", manager.display());
    assert!(body.contains(&command), "{body}");
}

#[test]
fn no_browser_inherits_the_passphrase_variable() {
    let world = World::new();
    let script = "#!/bin/sh\nenv > \"$HOME/browser.env\"\nexec browser \"$1\"\n";
    world.write("bin/my browser", script);
    let path = world.path("bin/my browser");
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o700)).expect("own file");
    let words = ["--refresh-token-passphrase-env", "WORDS"];
    // The path has a blank, too.
    world.woci(&words).env("WORDS", "open sesame").env("BROWSER", &path).run().ok();
    let inherited = world.read("browser.env");
    assert!(inherited.contains("HOME=") && !inherited.contains("sesame"), "{inherited}");
}

/// Attacks the port as any local program can, and measures the memory of the binary.
#[test]
#[cfg(target_os = "linux")]
fn a_sign_in_succeeds_under_attack_with_bounded_memory() {
    let world = World::new();
    let woci = waiting(&world);
    let status = format!("/proc/{}/status", woci.id);
    let peak = || -> u64 {
        let status = fs::read_to_string(&status).expect("woci runs");
        let line = status.lines().find(|line| line.starts_with("VmHWM")).expect("a peak");
        line.split_whitespace().nth(1).and_then(|size| size.parse().ok()).expect("kB")
    };
    assert_eq!(get(&world, "/"), "404");
    // The key is generated meanwhile. Its memory does not count, so that the test waits until the peak is stable.
    let (mut before, mut quiet) = (peak(), 0);
    while quiet < 200 {
        assert_eq!(get(&world, "/"), "404");
        let now = peak();
        quiet = if now == before { quiet + 1 } else { 0 };
        before = now;
    }

    let idle: Vec<_> = (0..500).map(|_| connect(&world)).collect();
    for _ in 0..300 {
        let mut stream = connect(&world);
        let _ = stream.write_all(b"GET / HTTP/1.1\r\n\r\n");
        crate::sim::sys::reset(stream);
    }
    assert_eq!(ask(&world, b"POST /callback HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n"), "400");
    assert_eq!(ask(&world, &[b"\x16\x03\0\xff".repeat(99), b"\r\n\r\n".to_vec()].concat()), "400");
    let mut long_line = connect(&world);
    let piece = vec![b'a'; 1 << 20];
    let _cut_short = (0..200).try_for_each(|_| long_line.write_all(&piece));
    let mut slow = connect(&world);
    let full: Vec<_> = (0..60)
        .map(|_| {
            let mut stream = connect(&world);
            let _ = stream.write_all(&[b'a'; (16 << 10) - 1]);
            stream
        })
        .collect();
    for byte in b"GET /slow" {
        let _gone = slow.write_all(&[*byte]);
        assert_eq!(get(&world, "/"), "404");
    }
    let grown = peak() - before;
    assert!(grown < 2048, "{grown} kB");
    let run = finish(woci);
    assert!(!run.stderr.contains("panic"), "{run}");
    drop((idle, full, slow));
}

#[test]
fn the_port_is_open_only_on_127_0_0_1() {
    let world = World::new();
    let woci = waiting(&world);
    let port = world.redirect_port();
    assert!(TcpStream::connect((Ipv4Addr::new(127, 0, 0, 2), port)).is_err());
    assert!(TcpStream::connect((std::net::Ipv6Addr::LOCALHOST, port)).is_err());
    finish(woci);
}

#[test]
fn a_port_in_use_is_an_error_and_not_remembered_as_unanswered() {
    let world = World::new();
    let port = world.redirect_port();
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("a free port");
    for words in [&[][..], &["session", "authenticate"]] {
        world.woci(words).run().fails(1).says(&format!("127.0.0.1:{port}")).says("--redirect-port");
    }
    assert_eq!(world.sim.total(), 0);
    drop(taken);
    world.woci(&[]).run().ok();
}

#[test]
fn the_configured_port_is_used() {
    let world = World::new();
    let port = free_port().to_string();
    world.woci(&["--redirect-port", &port]).run().ok();
    let uri = format!("http://127.0.0.1:{port}/callback");
    assert_eq!(world.sim.requests(Grant::Code)[0].field("redirect_uri"), Some(&*uri));
}

fn redirect_uri(world: &World) -> String {
    let asked = world.sim.requests(Grant::Authorize);
    let redeemed = world.sim.requests(Grant::Code);
    let uri = redeemed.last().and_then(|code| code.field("redirect_uri")).expect("a redirect URI").to_owned();
    assert_eq!(asked.last().and_then(|asked| asked.field("redirect_uri")), Some(&*uri));
    uri
}

#[test]
fn the_redirect_uri_is_as_it_is_registered() {
    for (host, path) in
        [("localhost", "/callback"), ("127.0.0.1", "/"), ("localhost", "/oauth2/call%20back;a=b")]
    {
        let world = World::new();
        world.sim.provider.rules().redirect = (host, path);
        let port = world.redirect_port();
        let settings = world.settings_with(&[("redirect_host", Some(host)), ("redirect_path", Some(path))]);
        world.manager(&[("DEFAULT", &settings)]);
        world.woci(&[]).browser("favicon").run().ok();
        assert_eq!(redirect_uri(&world), format!("http://{host}:{port}{path}"));
    }
}

#[test]
fn localhost_is_listened_on_at_both_addresses_and_nowhere_else() {
    let world = World::new();
    world.sim.provider.rules().redirect = ("localhost", "/callback");
    let words = ["session", "authenticate", "--redirect-host", "localhost"];
    let woci = world.woci(&words).env("BROWSER", NOBODY).start();
    woci.auth_url();
    let port = world.redirect_port();
    if TcpListener::bind((std::net::Ipv6Addr::LOCALHOST, 0)).is_ok() {
        assert!(TcpStream::connect((std::net::Ipv6Addr::LOCALHOST, port)).is_ok());
    } else {
        println!("skipped: this machine has no address ::1");
    }
    assert!(TcpStream::connect((Ipv4Addr::new(127, 0, 0, 2), port)).is_err());
    finish(woci);
}

#[test]
fn of_a_list_the_first_free_port_is_used() {
    let world = World::new();
    let (one, other) = (world.redirect_port(), free_port());
    let list = format!("{one}, {other}");
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, one)).expect("a free port");
    world.woci(&["--redirect-port", &list]).run().ok();
    assert_eq!(redirect_uri(&world), format!("http://127.0.0.1:{other}/callback"));
    drop(taken);
    world.woci(&["session", "authenticate", "--redirect-port", &list]).run().ok();
    assert_eq!(redirect_uri(&world), format!("http://127.0.0.1:{one}/callback"));

    let _both = [one, other].map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("a free port"));
    let run = world.woci(&["session", "authenticate", "--redirect-port", &list]).run().fails(1);
    run.says(&format!("127.0.0.1:{one} or 127.0.0.1:{other}"));
}

#[test]
fn a_port_that_another_sign_in_uses_is_waited_for_only_if_no_other_is_free() {
    let world = World::new();
    let (one, other) = (world.redirect_port(), free_port());
    let list = format!("{one},{other}");
    let settings = world.settings_with(&[("redirect_port", Some(&list))]);
    world.manager(&["a", "b", "c"].map(|name| (name, &*settings)));
    let start = |profile| world.woci(&["--profile", profile]).env("BROWSER", NOBODY).terminal().start();
    let (first, second) = (start("a"), start("b"));
    let ports: std::collections::HashSet<_> = [&first, &second]
        .map(|woci| {
            let url = woci.auth_url();
            [one, other].into_iter().find(|port| url.contains(&format!("127.0.0.1%3A{port}")))
        })
        .into();
    assert_eq!(ports, [Some(one), Some(other)].into());
    let third = start("c");
    third.says("No redirect port is free; waiting for port ");
    finish(first);
    finish(second);
    finish(third);
}

#[test]
fn port_0_takes_any_free_one() {
    let world = World::new();
    world.woci(&["--redirect-port", "0"]).run().ok();
    let uri = redirect_uri(&world);
    let port = uri.strip_prefix("http://127.0.0.1:").and_then(|rest| rest.strip_suffix("/callback"));
    assert!(port.is_some_and(|port| port != "0"), "{uri}");
    // Oracle's own sign-in answers to one port alone.
    let world = World::console();
    let list = format!("{},8181", world.redirect_port());
    world.woci(&["session", "authenticate", "--redirect-port", "0"]).run().fails(2).says("redirect_port");
    assert_eq!(world.sim.total(), 0);
    world.woci(&["session", "authenticate", "--redirect-port", &list]).run().ok();
}

#[test]
fn sign_ins_of_two_profiles_on_one_port_wait_for_each_other() {
    let world = World::new();
    world.manager(&[("one", &world.settings()), ("two", &world.settings())]);
    let gate = world.sim.hold(Grant::Authorize);
    let runs: Vec<_> = ["one", "two"].map(|profile| world.woci(&["--profile", profile]).start()).into();
    gate.wait_for(1);
    gate.open();
    runs.into_iter().for_each(|run| assert_eq!(run.finish().ok().json()["source"], "authenticated"));
    assert_eq!(world.sign_ins(), 2);
}

#[test]
fn a_killed_sign_in_is_not_remembered_and_frees_its_port() {
    for signal in [libc::SIGKILL, libc::SIGTERM, libc::SIGINT] {
        let world = World::new();
        let woci = world.woci(&[]).browser("nothing").start();
        woci.auth_url();
        woci.signal(signal);
        assert_eq!(woci.finish().code(), 128 + signal);
        // The port is free again.
        assert_eq!(world.woci(&[]).run().ok().json()["source"], "authenticated");
    }
}

#[test]
fn without_browser_and_terminal_an_implicit_sign_in_prints_the_url_and_fails() {
    let world = World::signed_in();
    world.session().expire();
    world.sim.provider.revoke_all();
    for browser in [NOBODY, "false", "/", "false:no-such-browser:", "sh -c 'exit 1'"] {
        let started = Instant::now();
        world
            .woci(&["os"])
            .env("BROWSER", browser)
            .run()
            .fails(1)
            .says("Auth URL: http://")
            .says("no browser opens");
        assert!(started.elapsed() < Duration::from_secs(30), "{browser}");
    }
    assert_eq!(world.sign_ins(), 0);
    // The failure is not remembered as unanswered.
    world.woci(&[]).run().ok();
}

#[test]
fn at_a_terminal_the_url_may_be_opened_by_hand() {
    let world = World::new();
    let woci = world.woci(&[]).env("BROWSER", NOBODY).terminal().start();
    woci.says("No browser could be opened");
    finish(woci);
}

/// The browser's command is not run by a shell.
#[test]
fn a_query_cannot_run_a_command() {
    let world = World::new();
    let base = world.sim.authorize_url() + "?x=$(touch%20pwned);touch`id`&y=|";
    world.manager(&[("DEFAULT", &world.settings_with(&[("authz_base_url", Some(&base))]))]);
    world.woci(&[]).env("BROWSER", "browser %s").run().ok();
    let opened = world.browsers(1)[0]["opened"].as_str().map(str::to_owned);
    assert!(opened.is_some_and(|url| url.contains("?x=$(touch%20pwned);touch`id`&y=|&response_type=code")));
    let names = fs::read_dir(world.home()).expect("a folder").flatten().map(|entry| entry.file_name());
    assert!(names.into_iter().all(|name| !name.to_string_lossy().contains("pwned")));
}

#[test]
fn a_query_of_the_configured_url_is_kept_and_not_repeated() {
    let world = World::new();
    let base =
        world.sim.authorize_url() + "?prompt=consent&scope=old&state=fixed&client_id=old&audience=a%26b";
    world.manager(&[("DEFAULT", &world.settings_with(&[("authz_base_url", Some(&base))]))]);
    world.woci(&[]).run().ok();
    let asked = &world.sim.requests(Grant::Authorize)[0];
    for (name, value) in [
        ("prompt", "consent"),
        ("audience", "a&b"),
        ("scope", "openid offline_access"),
        ("client_id", "woci-desktop"),
        ("code_challenge_method", "S256"),
    ] {
        let given: Vec<_> = asked.fields.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_str()).collect();
        assert_eq!(given, [value], "{name}");
    }
    assert_eq!(asked.field("state").map(str::len), Some(43));
}

fn remembered(world: &World, outcome: &str, seconds_ago: i64) {
    let mut record = world.session().record();
    record["failed_sign_in"] = json!({"outcome": outcome, "at": jwt::now() - seconds_ago});
    world.session().write("session.json", record.to_string());
}

#[test]
fn an_unanswered_or_denied_sign_in_is_remembered_for_ten_minutes() {
    let world = World::new();
    world.woci(&[]).run().ok();
    world.session().expire();
    world.sim.provider.revoke_all();
    for outcome in ["unanswered", "denied"] {
        remembered(&world, outcome, 590);
        for words in [&[][..], &["os"], &["session", "refresh"]] {
            let run = world.woci(words).run().fails(1).says(outcome).says("session authenticate");
            assert!(!run.stderr.contains("Auth URL"), "{run}");
        }
    }
    assert_eq!(world.sign_ins(), 1);
    remembered(&world, "unanswered", 601);
    assert_eq!(world.woci(&[]).run().ok().json()["source"], "authenticated");
    assert_eq!(world.session().record()["failed_sign_in"], Value::Null);
}

/// After the clock was set back, an outcome in the future must not prevent sign-ins for years.
#[test]
fn an_outcome_in_the_future_is_ignored() {
    let world = World::new();
    world.woci(&[]).run().ok();
    world.session().expire();
    world.sim.provider.revoke_all();
    remembered(&world, "unanswered", -3600);
    world.woci(&[]).run().ok();
}

#[test]
fn a_refresh_succeeds_despite_a_remembered_outcome_and_clears_it() {
    let world = World::new();
    world.woci(&[]).run().ok();
    world.session().expire();
    remembered(&world, "denied", 10);
    assert_eq!(world.woci(&[]).run().ok().json()["source"], "refreshed");
    assert_eq!(world.session().record()["failed_sign_in"], Value::Null, "any success clears it");
}

#[test]
fn session_authenticate_ignores_and_clears_a_remembered_denial() {
    let world = World::new();
    world.woci(&[]).browser("denies").run().fails(1);
    world.woci(&[]).run().fails(1).says("denied");
    world.woci(&["--sign-in", "never", "session", "authenticate"]).run().ok();
    world.woci(&[]).run().ok().silent();
}

#[test]
fn a_denial_shows_the_description_on_the_page_and_in_one_line() {
    let world = World::new();
    let description = "<script>alert(1)</script>\n\u{1b}[2Jwoci: all is well";
    world.sim.provider.rules().person =
        Person::Denies { error: "access_denied".into(), description: description.into() };
    let run = world.woci(&[]).run().fails(1).says("access_denied").says("all is well");
    assert!(!run.stderr.contains('\u{1b}'), "{run}");
    let page = world.browsers(1)[0]["pages"][0].clone();
    let body = page["body"].as_str().expect("a page");
    assert!(!body.contains("<script>alert") && !body.contains('\u{1b}'), "{body}");
    assert_eq!(body.matches("<script").count(), 1, "only the page's own: {body}");
    assert!(!body.contains("src=") && !body.contains("href="), "{body}");
    assert_eq!(page["headers"]["cache-control"], "no-store");
}

/// Characters that reorder, join or hide text.
#[test]
fn a_denial_cannot_disguise_its_text() {
    let world = World::new();
    let odd = "\u{202e}\u{2066}\u{200b}\u{2028}\u{61c}\u{feff}\u{ad}\u{e0041}";
    let description = format!("so{odd}sorry {}", "x".repeat(600));
    world.sim.provider.rules().person = Person::Denies { error: format!("access{odd}denied"), description };
    let run = world.woci(&["--log-level", "DEBUG"]).run().fails(1).says("sorry");
    let page = world.browsers(1)[0]["pages"][0]["body"].to_string();
    for text in [&run.stderr, &page] {
        assert!(!text.contains(|c| odd.contains(c)), "{text:?}");
        assert!(!text.contains(&"x".repeat(501)), "{text}");
    }
}

#[test]
fn a_code_is_redeemed_only_once_even_if_that_fails() {
    for fault in [Fault::status(500, "{}"), Fault::drop(), Fault::drop().after(), Fault::reset().after()] {
        let world = World::new();
        world.sim.fault(Grant::Code, fault);
        world.woci(&[]).run().fails(1);
        assert_eq!(world.sim.count(Grant::Code), 1);
        world.woci(&[]).run().ok();
    }
}

/// `session authenticate` with a valid session.
#[test]
fn a_failed_sign_in_leaves_the_old_session_unchanged() {
    for (grant, fault) in [
        (Grant::Code, Fault::status(500, "{}")),
        (Grant::Code, Fault::refusal("invalid_grant", "too late")),
        (Grant::Code, Fault::status(200, "{}")),
        (Grant::Code, Fault::status(200, r#"{"access_token": "a.b.c", "token_type": "DPoP"}"#)),
        (Grant::Code, Fault::status(200, r#"{"access_token": "a.b.c", "refresh_token": "a\nb"}"#)),
    ] {
        let world = World::new();
        world.woci(&[]).run().ok();
        let before = world.session().snapshot();
        world.sim.fault(grant, fault);
        let run = world.woci(&["session", "authenticate"]).run().fails(1);
        assert!(world.session().snapshot() == before, "{run}");
        world.session().expire();
        assert_eq!(world.woci(&[]).run().ok().json()["source"], "refreshed");
    }
}

#[test]
fn after_a_failed_exchange_no_second_sign_in_is_needed() {
    let world = World::new();
    world.sim.fault(Grant::Exchange, Fault::status(500, "{}"));
    world.woci(&[]).run().fails(1);
    assert_eq!(world.woci(&[]).run().ok().json()["source"], "refreshed");
    assert_eq!(world.sign_ins(), 1);
}

#[test]
fn without_refresh_tokens_a_sign_in_succeeds_with_a_warning() {
    let world = World::new();
    world.sim.provider.rules().offline_needs_consent = true;
    let run = world.woci(&[]).run().ok().says("WARNING").says("no refresh token").says("prompt=consent");
    assert_eq!(run.json()["source"], "authenticated");
    world.woci(&[]).run().ok().silent();
    world.session().expire();
    world.woci(&["--sign-in", "never"]).run().fails(1).says("no refresh token");
    assert_eq!(world.woci(&[]).run().ok().json()["source"], "authenticated");
}

#[test]
fn an_existing_key_is_kept_and_an_unreadable_one_is_an_error_before_the_browser() {
    let world = World::signed_in();
    let key = world.session().key();
    world.woci(&["session", "authenticate"]).run().ok();
    assert_eq!(world.session().key(), key);
    let requests = world.sim.total();
    for odd in
        [&b""[..], b"-----BEGIN PRIVATE KEY-----\n", b"\0\xff", include_bytes!("../../fixtures/keys/ec.pem")]
    {
        world.session().write("private_key.pem", odd);
        for words in [&[][..], &["session", "authenticate"], &["session", "refresh"], &["os"]] {
            world.woci(words).run().fails(1).says("private_key.pem");
        }
    }
    assert_eq!(world.sim.total(), requests);
    world.session().write("private_key.pem", &key);
    world.woci(&[]).run().ok();
}

#[test]
fn a_missing_key_is_generated() {
    let world = World::signed_in();
    world.session().remove("private_key.pem");
    assert_eq!(world.woci(&[]).run().ok().json()["source"], "refreshed");
    world.woci(&[]).run().ok().silent();
}

#[test]
fn a_folder_in_place_of_a_file_is_an_error_before_anything_is_sent() {
    for name in ["token", "private_key.pem", "refresh_token", "session.json", "session.lock"] {
        let world = World::signed_in();
        world.session().expire();
        let path = world.session().path(name);
        let _absent = fs::remove_file(&path);
        fs::create_dir(&path).expect("a new folder");
        for words in [&[][..], &["session", "authenticate"]] {
            world.woci(words).run().fails(1).says(path.to_str().expect("UTF-8"));
        }
        assert_eq!(world.sim.total(), 0, "{name}");
        fs::remove_dir(&path).expect("it is empty");
    }
}

#[test]
fn an_invalid_token_file_counts_as_none() {
    for odd in [vec![], b"\0\xff\xfe".to_vec(), vec![b'x'; 1 << 20], b"a.b.c".to_vec()] {
        let world = World::signed_in();
        world.session().write("token", odd);
        assert_eq!(world.woci(&[]).run().ok().json()["source"], "refreshed");
    }
}

/// The browser answers while other processes wait for the sign-in.
#[test]
fn processes_that_wait_for_a_sign_in_use_its_session() {
    let world = World::new();
    let gate: Gate = world.sim.hold(Grant::Authorize);
    let first = world.woci(&[]).start();
    gate.wait_for(1);
    let second = world.woci(&[]).start();
    second.says("Waiting for");
    gate.open();
    assert_eq!(first.finish().ok().json()["source"], "authenticated");
    assert_eq!(second.finish().ok().says("sign-in").json()["source"], "cached");
    assert_eq!(world.sign_ins(), 1);
}

/// A browser that keeps its connection open after the response, and one that never reads it.
#[test]
fn a_browser_that_keeps_its_connection_open_delays_nothing() {
    let world = World::new();
    let woci = waiting(&world);
    let url = woci.auth_url();
    let page = person::get(&url, "").expect("the provider answers");
    let callback = http::value(&page.headers, "location").expect("a redirect").to_owned();
    let (_, target) = callback.split_once("/callback").expect("the callback");
    let mut stream = connect(&world);
    write!(stream, "GET /callback{target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").expect("woci reads");
    let started = Instant::now();
    woci.finish().ok();
    assert!(started.elapsed() < Duration::from_secs(20));
    let _ = stream.shutdown(Shutdown::Both);
}
