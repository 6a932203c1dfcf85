//! kubectl's token without oci: the document and its signature, the region, the API version from
//! KUBERNETES_EXEC_INFO, the kubeconfig entry, and one browser at most for many calls.

use crate::sim::faults::Grant;
use crate::sim::jwt::{self, Key};
use crate::sim::oci::from_json;
use crate::sim::{domain, http};
use crate::world::World;
use crate::world::run::{Run, Woci};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use rsa::pkcs1v15::{Signature, VerifyingKey};
use rsa::signature::Verifier;
use serde_json::json;
use sha2::Sha256;
use std::collections::HashSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

const CLUSTER: &str = "ocid1.cluster.oc1.iad.aaaaaaaatheclusterofthetests";
const VERB: [&str; 3] = ["kube-credential", "--cluster-id", CLUSTER];
const EXEC_INFO: &str = "KUBERNETES_EXEC_INFO";

#[test]
fn the_document_conforms_to_its_schema() {
    let world = World::signed_in();
    let schema = include_str!("../../schemas/exec-credential.schema.json");
    let schema = serde_json::from_str(schema).expect("the schema is JSON");
    let before = jwt::now();
    let document = world.woci(&VERB).run().ok().silent().json();
    let after = jwt::now();
    let validator = jsonschema::validator_for(&schema).expect("the schema is one");
    validator.validate(&document).expect("as the schema has it");
    let expiration = document["status"]["expirationTimestamp"].as_str().expect("text").to_owned();
    let possible: Vec<_> = (before..=after).map(|now| timestamp(now + 240)).collect();
    assert!(possible.contains(&expiration), "{expiration} where one of {possible:?} was expected");
    assert_eq!(world.sim.total(), 0, "a valid session needs no network");
}

#[test]
fn the_token_is_a_url_signed_with_the_key() {
    let world = World::signed_in();
    let before = jwt::now();
    let signed = SignedUrl::of(&world.woci(&VERB).run().ok());
    let possible: Vec<_> =
        (before..=jwt::now()).map(|now| jwt::http_date(now).replace("UTC", "GMT")).collect();
    assert!(possible.contains(&signed.date), "{} where one of {possible:?} was expected", signed.date);
    assert_eq!(signed.host, "containerengine.us-ashburn-1.oraclecloud.com");
    assert_eq!(signed.path, format!("/cluster_request/{CLUSTER}"));
    let start = "Signature algorithm=\"rsa-sha256\",headers=\"date (request-target) host\",keyId=\"ST$";
    let rest = signed.authorization.strip_prefix(start).expect("begins as OCI's signatures do");
    let (token, rest) = rest.split_once("\",signature=\"").expect("a signature comes next");
    let signature = rest.strip_suffix("\",version=\"1\"").expect("version 1 comes last");
    assert_eq!(token, world.session().token());

    let text = format!("date: {}\n(request-target): get {}\nhost: {}", signed.date, signed.path, signed.host);
    let signature = STANDARD.decode(signature).expect("base64");
    let signature = Signature::try_from(&signature[..]).expect("as long as the key");
    let key = VerifyingKey::<Sha256>::new(Key::from_pem(jwt::SESSION_PEM).public());
    key.verify(text.as_bytes(), &signature).expect("it verifies");
}

#[test]
fn an_expired_session_is_renewed_first() {
    let world = World::signed_in();
    world.session().expire();
    let signed = SignedUrl::of(&world.woci(&VERB).run().ok());
    assert!(signed.authorization.contains(&format!("ST${}", world.session().token())));
    assert_eq!((world.sim.count(Grant::Refresh), world.sign_ins()), (1, 0));
}

#[test]
fn the_credential_never_outlives_the_session() {
    let world = World::signed_in();
    for seconds in [90, 239, 241] {
        world.session().age(seconds);
        let exp = jwt::claims(&world.session().token())["exp"].as_i64().expect("a number");
        let before = jwt::now();
        let document = world.woci(&VERB).run().ok().json();
        let possible: Vec<_> =
            (before..=jwt::now()).map(|now| json!(timestamp(exp.min(now + 240)))).collect();
        assert!(possible.contains(&document["status"]["expirationTimestamp"]), "{document} {possible:?}");
    }
    assert_eq!(world.sim.total(), 0);
}

#[test]
fn the_api_version_is_the_one_that_kubectl_requests() {
    let world = World::signed_in();
    let v1 = r#"{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","spec":{"interactive":true}}"#;
    let v1beta1 = v1.replace("/v1", "/v1beta1");
    for (info, version) in [
        (Some(v1), "v1"),
        (Some(&v1beta1), "v1beta1"),
        (Some("{}"), "v1beta1"),
        (Some(""), "v1beta1"),
        (None, "v1beta1"),
    ] {
        let woci = world.woci(&VERB);
        let woci = match info {
            Some(info) => woci.env(EXEC_INFO, info),
            None => woci,
        };
        let document = woci.run().ok().silent().json();
        assert_eq!(document["apiVersion"], format!("client.authentication.k8s.io/{version}"), "{info:?}");
    }
    for other in ["client.authentication.k8s.io/v1alpha1", "client.authentication.k8s.io/v2", "v1", ""] {
        let info = v1.replace("client.authentication.k8s.io/v1", other);
        world.woci(&VERB).env(EXEC_INFO, info).run().fails(2).says(EXEC_INFO).says("apiVersion");
    }
    world.woci(&VERB).env(EXEC_INFO, r#"{"apiVersion":1}"#).run().fails(2).says("apiVersion");
    for text in ["v1", "{", "[1,", "{\"apiVersion\":}"] {
        world.woci(&VERB).env(EXEC_INFO, text).run().fails(2).says(EXEC_INFO).says("not JSON");
    }
}

#[test]
fn without_stdin_from_kubectl_no_passphrase_is_asked_for() {
    let world = World::signed_in();
    // This refresh encrypts the refresh token; the next one has to decrypt it.
    world.secret("correct horse");
    let variable = ["--refresh-token-passphrase-env", "OPENS"];
    world.woci(&variable).arg("session").arg("refresh").env("OPENS", "correct horse").run().ok();
    world.session().expire();
    let asks = || world.woci(&VERB).arg("--refresh-token-passphrase-prompt").terminal();
    let not_interactive = exec_info(false);
    let run = asks().env(EXEC_INFO, &not_interactive).run().fails(2).says("no terminal");
    assert!(!run.stderr.contains("Passphrase for"), "{run}");
    assert_eq!(world.sim.count(Grant::Refresh), 1);
    // The variable is used instead of the prompt.
    let woci = asks().arg(variable[0]).arg(variable[1]);
    woci.env(EXEC_INFO, &not_interactive).env("OPENS", "correct horse").run().ok();

    world.session().expire();
    let mut woci = asks().env(EXEC_INFO, exec_info(true)).start();
    woci.says("Passphrase for");
    woci.types("correct horse\n");
    woci.finish().ok();
}

#[test]
fn without_stdin_from_kubectl_a_browser_may_be_opened() {
    let world = World::new();
    let run = world.woci(&VERB).env(EXEC_INFO, exec_info(false)).run().ok().says("Auth URL: ");
    SignedUrl::of(&run);
    assert_eq!(world.browsers(1).len(), 1);
}

/// A token for another region is refused by the cluster, so its OCID goes before what is set for the profile.
#[test]
fn the_region_is_the_option_then_that_of_the_cluster_then_the_configured_one() {
    let world = World::signed_in();
    let region_of = |woci: Woci<'_>| SignedUrl::of(&woci.run().ok()).region();
    let named = |place: &str| VERB[2].replace(".iad.", &format!(".{place}."));
    let verb = |place: &str| world.woci(&["kube-credential", "--cluster-id", &named(place)]);

    let frankfurt = world.settings_with(&[("region", Some("eu-frankfurt-1"))]);
    world.manager(&[("DEFAULT", &frankfurt)]);
    world.write(".oci/config", "[DEFAULT]\nregion = ap-tokyo-1\n");
    let everywhere = |woci: Woci<'_>| region_of(woci.env("OCI_CLI_REGION", "uk-london-1"));
    assert_eq!(everywhere(world.woci(&VERB).arg("--region=ZRH")), "eu-zurich-1");
    // The cluster's OCID: a key, a name, a name that woci does not know.
    for (place, region) in
        [("iad", "us-ashburn-1"), ("eu-madrid-1", "eu-madrid-1"), ("xx-newtown-9", "xx-newtown-9")]
    {
        assert_eq!(everywhere(verb(place)), region, "{place}");
    }
    // An OCID that names none: variable, manager config, OCI config, its inherited value.
    assert_eq!(everywhere(verb("zzz")), "uk-london-1");
    assert_eq!(region_of(verb("zzz")), "eu-frankfurt-1");
    world.manager(&[("DEFAULT", &world.settings_with(&[("region", None)]))]);
    assert_eq!(region_of(verb("zzz")), "ap-tokyo-1");
    world.session_of("work").seed(3600);
    world.write(".oci/config", "[DEFAULT]\nregion = ap-tokyo-1\n[work]\nuser = x\n");
    assert_eq!(region_of(verb("zzz").arg("--profile=work")), "ap-tokyo-1");
    fs::remove_file(world.path(".oci/config")).expect("it was written above");
    for place in ["", "zzz", "elsewhere"] {
        verb(place).run().fails(2).says("region").says("--region");
    }
}

#[test]
fn a_malformed_region_is_refused_by_the_place_where_it_was_set() {
    let world = World::signed_in();
    let verbs = [&VERB[..], &["credential"], &["env"], &["os"], &["session", "refresh"]];
    for odd in ["evil.example/", "a b", "x@y", "-"] {
        for verb in verbs {
            world.woci(verb).arg("--region").arg(odd).run().fails(2).says("--region").says("eu-frankfurt-1");
            world.woci(verb).env("OCI_CLI_REGION", odd).run().fails(2).says("OCI_CLI_REGION");
        }
    }
    world.manager(&[("DEFAULT", &world.settings_with(&[("region", Some("a.b"))]))]);
    for verb in verbs {
        world.woci(verb).run().fails(2).says("region in [DEFAULT] of ").says("woci_manager.ini");
    }
    world.manager(&[("DEFAULT", &world.settings_with(&[("region", None)]))]);
    world.write(".oci/config", "[DEFAULT]\nregion = a/b\n");
    for verb in &verbs[1..] {
        world.woci(verb).run().fails(2).says("profile DEFAULT in ").says(".oci/config");
    }
    assert_eq!(world.sim.total(), 0);
}

#[test]
fn without_a_region_no_sign_in_is_started() {
    let world = World::new();
    world.manager(&[("DEFAULT", &world.settings_with(&[("region", None)]))]);
    let cluster = CLUSTER.replace(".iad.", "..");
    world.woci(&["kube-credential", "--cluster-id", &cluster]).run().fails(2).says("--region");
    assert_eq!(world.sign_ins(), 0);
}

#[test]
fn the_cluster_id_has_to_be_an_ocid() {
    let world = World::signed_in();
    for verb in ["kube-credential", "kubeconfig"] {
        world.woci(&[verb]).run().fails(2).says("--cluster-id");
        world.woci(&[verb, "--cluster-id"]).run().fails(2).says("--cluster-id");
        for odd in [
            "",
            " ",
            "my-cluster",
            "ocid1.cluster.oc1.iad",
            "ocid1.cluster.oc1.iad.",
            "ocid2.cluster.oc1.iad.aaaa",
            " ocid1.cluster.oc1.iad.aaaa",
            "ocid1.cluster.oc1.iad.aa/../aa",
            "ocid1.cluster.oc1.iad.aa?x=y",
            "ocid1.cluster.oc1.iad.aa\n",
            "ocid1.clüster.oc1.iad.aa",
            "ocid1..oc1.iad.aaaa",
            "ocid1.cluster..iad.aaaa",
        ] {
            world.woci(&[verb, "--cluster-id", odd]).run().fails(2).says("--cluster-id");
        }
    }
    world.woci(&VERB).arg("more").run().fails(2).says("more");
    world.woci(&VERB).arg("--write").run().fails(2).says("--write");
}

#[test]
fn generate_token_is_passed_on_to_oci() {
    let world = World::signed_in();
    let words = ["ce", "cluster", "generate-token", "--cluster-id", CLUSTER, "--region", "us-ashburn-1"];
    let manager = world.path(".oci/woci_manager.ini");
    let woci = world.woci(&words).arg("--profile").arg("DEFAULT").arg("--manager-config").arg(manager);
    let run = woci.env(EXEC_INFO, exec_info(false)).run().ok().silent();
    let argv: Vec<_> = run.json()["argv"].as_array().expect("a list").iter().skip(1).map(from_json).collect();
    let expected = [&["--auth", "security_token"], &words[..], &["--profile", "DEFAULT"]].concat();
    assert_eq!(argv, expected);
}

#[test]
fn the_kubeconfig_entry_is_complete() {
    let world = World::signed_in();
    let text = world.woci(&["kubeconfig", "--cluster-id", CLUSTER]).run().ok().silent().stdout;
    let program = fs::canonicalize(crate::world::run::woci_program()).expect("woci is there");
    let args = ["kube-credential", "--cluster-id", CLUSTER, "--profile", "DEFAULT"];
    let args: Vec<_> = args.iter().map(|arg| format!("      - {arg:?}")).collect();
    let expected = [
        "users:",
        // The same name as oci's: the last eleven characters of the OCID.
        "- name: \"user-rofthetests\"",
        "  user:",
        "    exec:",
        "      apiVersion: client.authentication.k8s.io/v1",
        &format!("      command: {:?}", program.to_str().expect("UTF-8")),
        "      args:",
        &args.join("\n"),
        "      interactiveMode: IfAvailable",
        "      provideClusterInfo: false",
        "      installHint: ",
    ];
    assert!(text.starts_with(&expected.join("\n")), "{text}");
    assert!(text.ends_with("\"\n"), "{text}");
    let named = world.woci(&["kubeconfig", "--cluster-id", CLUSTER, "--user", "a \"b\": c"]).run().ok();
    named.prints("- name: \"a \\\"b\\\": c\"\n");
    assert_eq!(world.sim.total(), 0);
}

#[test]
fn the_kubeconfig_entry_holds_the_flags_that_the_session_depends_on() {
    let world = World::new();
    world.write("other.ini", world.read(".oci/woci_manager.ini"));
    let words = [
        "kubeconfig",
        "--cluster-id",
        CLUSTER,
        "--region=uk-london-1",
        "--manager-config=other.ini",
        "--config-file",
        "~/elsewhere",
        "--issuer",
        "https://idp.example.com/oauth2/default",
        "--auth-client-id=woci",
        "--refresh-token-passphrase-prompt",
        "--client-secret",
        "S3cr3t-that-stays-here",
        "--log-level",
        "ERROR",
    ];
    world.secret("S3cr3t-that-stays-here");
    let text = world.woci(&words).run().ok().silent().stdout;
    let args: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("      - ")).collect();
    let home = world.home().to_str().expect("UTF-8");
    let expected = [
        VERB[0],
        VERB[1],
        VERB[2],
        "--profile",
        "DEFAULT",
        "--region",
        "uk-london-1",
        "--manager-config",
        &format!("{home}/other.ini"),
        "--config-file",
        &format!("{home}/elsewhere"),
        "--issuer",
        "https://idp.example.com/oauth2/default",
        "--auth-client-id",
        "woci",
        "--refresh-token-passphrase-prompt",
    ];
    assert_eq!(args, expected.map(|arg| format!("{arg:?}")));
}

#[test]
fn kubectl_writes_the_entry() {
    let world = World::signed_in();
    let words = ["kubeconfig", "--cluster-id", CLUSTER, "--user", "oke", "--write"];
    let kubectl = |script: &str| {
        world.write("bin/kubectl", format!("#!/bin/sh\n{script}\n"));
        let path = world.path("bin/kubectl");
        fs::set_permissions(path, Permissions::from_mode(0o755)).expect("own files take a mode");
    };
    let with = |user: &str, context_user: &str| {
        let args =
            json!(["ce", "cluster", "generate-token", "--cluster-id", CLUSTER, "--region", "uk-london-1"]);
        let users = json!([{"name": user, "user": {"exec": {"command": "oci", "args": args}}}]);
        let contexts = json!([{"name": "at", "context": {"cluster": "c", "user": context_user}}]);
        let document = json!({"users": users, "contexts": contexts, "current-context": "at"});
        world.write("view.json", document.to_string());
        world.write("asked", "");
    };
    kubectl(
        "case $2 in view) cat \"$HOME/view.json\"; exit;; esac\n\
         printf '%s\\n' \"$@\" >> \"$HOME/asked\"; cat >> \"$HOME/asked\"",
    );
    // The region of an entry of another name is not kept; that of the entry that is replaced is, unless it is given.
    with("another", "oke");
    let run = world.woci(&words).stdin("not for kubectl").env("KUBECONFIG", "/a:/b").run().ok();
    assert_eq!(run.says("kubectl asks woci").stdout, "");
    let expected_before = world.read("asked");
    let region = |asked: &str| {
        asked.lines().skip_while(|line| *line != "--exec-arg=--region").nth(1).map(str::to_owned)
    };
    with("oke", "another");
    let run = world.woci(&words).run().ok().says("no context");
    assert!(!run.stderr.contains("asks woci"), "{run}");
    assert_eq!(region(&world.read("asked")).as_deref(), Some("--exec-arg=uk-london-1"));
    with("oke", "oke");
    world.woci(&words).arg("--region=fra").run().ok().says("asks woci for the tokens of user oke");
    assert_eq!(region(&world.read("asked")).as_deref(), Some("--exec-arg=fra"));
    // Without --user: the entry for this cluster, whatever it is called.
    with("ada's", "ada's");
    world.woci(&["kubeconfig", "--cluster-id", CLUSTER, "--write"]).run().ok().says("of user ada's");
    assert!(world.read("asked").starts_with("config\nset-credentials\nada's\n"));
    world.write("asked", expected_before);
    kubectl("case $2 in view) cat \"$HOME/view.json\"; exit;; esac; env > \"$HOME/kubectl.env\"");
    let named = world.woci(&words).arg("--refresh-token-passphrase-env").arg("WORDS");
    named.env("WORDS", "open sesame").run().ok();
    let inherited = world.read("kubectl.env");
    assert!(inherited.contains("HOME=") && !inherited.contains("sesame"), "{inherited}");
    let program = fs::canonicalize(crate::world::run::woci_program()).expect("woci is there");
    let expected = [
        "config",
        "set-credentials",
        "oke",
        "--exec-api-version=client.authentication.k8s.io/v1",
        &format!("--exec-command={}", program.display()),
        "--exec-arg=kube-credential",
        "--exec-arg=--cluster-id",
        &format!("--exec-arg={CLUSTER}"),
        "--exec-arg=--profile",
        "--exec-arg=DEFAULT",
        "--exec-interactive-mode=IfAvailable",
    ];
    assert_eq!(world.read("asked").lines().collect::<Vec<_>>(), expected);

    kubectl("echo 'error: open config.lock: file exists' >&2; exit 1");
    world.woci(&words).run().fails(1).says("config.lock").says("kubectl");
    fs::remove_file(world.path("bin/kubectl")).expect("it was written above");
    let path = world.path("bin").into_os_string();
    world.woci(&words).env("PATH", path).run().fails(1).says("install kubectl");
}

#[test]
fn after_a_failed_sign_in_a_hundred_background_calls_open_no_browser() {
    for (outcome, encrypted) in [("denied", false), ("unanswered", true)] {
        let world = if encrypted { World::signed_in() } else { World::new() };
        let woci = |words: &[&str]| world.woci(words).env("OPENS", "correct horse");
        if encrypted {
            // Decrypting the refused refresh token would take each call half a second and 128 MiB.
            world.secret("correct horse");
            let settings = world.settings_with(&[("refresh_token_passphrase_env", Some("OPENS"))]);
            world.manager(&[("DEFAULT", &settings)]);
            woci(&["session", "refresh"]).run().ok();
            world.sim.provider.revoke_all();
            world.session().expire();
        }
        let background = || woci(&VERB).env(EXEC_INFO, exec_info(false));
        background().browser("denies").run().fails(1).says("access_denied");
        // The outcome of five minutes without an answer is written directly, since no test waits so long.
        let record = world.session().read("session.json").expect("the denial was written down");
        assert!(record.contains("denied"), "{record}");
        world.session().write("session.json", record.replace("denied", outcome));

        let began = Instant::now();
        let crowd: Vec<_> = (0..100).map(|_| background().start()).collect();
        let lines: HashSet<_> = crowd.into_iter().map(|woci| woci.finish().fails(1).stderr).collect();
        let [line] = &Vec::from_iter(lines)[..] else { panic!("not one line for all") };
        for part in [outcome, "woci session authenticate --profile DEFAULT"] {
            assert!(line.contains(part), "{line}");
        }
        assert_eq!(line.lines().count(), 1, "{line}");
        assert_eq!((world.sign_ins(), world.browsers(1).len()), (1, 1));
        // Far less than if the calls waited for each other, on a busy machine too.
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());

        woci(&["session", "authenticate"]).run().ok();
        SignedUrl::of(&background().run().ok().silent());
        assert_eq!(world.sign_ins(), 2);
    }
}

#[test]
fn calls_that_waited_for_a_denied_sign_in_open_no_browser() {
    let world = World::new();
    let gate = world.sim.hold(Grant::Authorize);
    let crowd: Vec<_> = (0..20).map(|_| background(&world).browser("denies").start()).collect();
    gate.wait_for(1);
    gate.open();
    let runs: Vec<_> = crowd.into_iter().map(|woci| woci.finish().fails(1)).collect();
    let asked = runs.iter().filter(|run| run.stderr.contains("Auth URL: ")).count();
    assert_eq!((asked, world.sign_ins()), (1, 1));
}

#[test]
fn twenty_calls_without_a_session_open_one_browser_and_all_get_a_token() {
    let world = World::new();
    let gate = world.sim.hold(Grant::Authorize);
    let crowd: Vec<_> = (0..20).map(|_| background(&world).start()).collect();
    gate.wait_for(1);
    gate.open();
    let token = |run: Run| SignedUrl::of(&run.ok()).authorization.split('"').nth(5).map(str::to_owned);
    let sessions: HashSet<_> = crowd.into_iter().map(|woci| token(woci.finish())).collect();
    assert_eq!(sessions, HashSet::from([Some(format!("ST${}", world.session().token()))]));
    assert_eq!((world.sign_ins(), world.browsers(1).len()), (1, 1));
}

#[test]
fn a_session_of_another_key_signs_nothing() {
    let world = World::signed_in();
    let stranger = Key::from_pem(jwt::OTHER_PEM).public();
    world.session().put_token(domain::claims(&stranger, 3600));
    world.woci(&VERB).run().ok();
    assert_eq!(world.sim.count(Grant::Refresh), 1);
}

/// A call as kubectl makes it without stdin, for example for an IDE.
fn background(world: &World) -> Woci<'_> {
    world.woci(&VERB).env(EXEC_INFO, exec_info(false))
}

fn exec_info(interactive: bool) -> String {
    json!({
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "spec": {"interactive": interactive},
    })
    .to_string()
}

/// The parts of the token, as a cluster reads them.
struct SignedUrl {
    host: String,
    path: String,
    authorization: String,
    date: String,
}

impl SignedUrl {
    fn of(run: &Run) -> SignedUrl {
        let document = run.json();
        let token = document["status"]["token"].as_str().expect("there is a token");
        let url = URL_SAFE.decode(token).expect("base64url, padded");
        let url = String::from_utf8(url).expect("a URL is text");
        let rest = url.strip_prefix("https://").expect("https");
        let (host, rest) = rest.split_once('/').expect("a path");
        let (path, query) = rest.split_once('?').expect("a query");
        let pairs = http::decode_form(query).expect("a form");
        let [(first, authorization), (second, date)] = &pairs[..] else { panic!("not two: {pairs:?}") };
        assert_eq!((&**first, &**second), ("authorization", "date"));
        SignedUrl {
            host: host.to_owned(),
            path: format!("/{path}"),
            authorization: authorization.clone(),
            date: date.clone(),
        }
    }

    fn region(&self) -> String {
        let region =
            self.host.strip_prefix("containerengine.").and_then(|h| h.strip_suffix(".oraclecloud.com"));
        region.expect("a host of the container engine").to_owned()
    }
}

/// A Unix time as RFC 3339, calculated by the simulator.
fn timestamp(unix: i64) -> String {
    let date = jwt::http_date(unix);
    let [_, day, month, year, time, _] = date.split(' ').collect::<Vec<_>>()[..] else { panic!("{date}") };
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = 1 + months.iter().position(|name| *name == month).expect("a month");
    format!("{year}-{month:02}-{day}T{time}Z")
}
