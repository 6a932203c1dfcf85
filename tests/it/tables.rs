//! Everything that `woci help` lists works: woci reads each config key, each other option has an effect, and
//! each verb has a help page.

use crate::world::World;
use std::collections::BTreeMap;

const CLUSTER: &str = "ocid1.cluster.oc1.iad.aaaaaaaaaaaexample";

#[test]
fn every_config_key_is_read() {
    let world = World::signed_in();
    let keys: Vec<String> = options(&world).into_values().flatten().collect();
    assert!(keys.len() > 15, "{keys:?}");
    for key in keys {
        // No value may hold a control character, so that woci refuses this value if it reads the key.
        world.manager(&[("DEFAULT", &world.settings_with(&[(&key, Some("a\u{1}b"))]))]);
        let run = world.woci(&["session", "refresh"]).run();
        assert_eq!(run.code(), 2, "nobody reads the key {key}\n{run}");
        run.says(&key);
    }
}

/// An option without a config key. `command` prints the text `shows` with the option, and not without it.
struct Effect {
    option: &'static str,
    command: &'static str,
    shows: &'static str,
}

const EFFECTS: &[Effect] = &[
    Effect { option: "--profile work", command: "credential", shows: r#""profile": "work""# },
    Effect {
        option: "--manager-config none.ini",
        command: "credential",
        shows: "none.ini: there is no such file",
    },
    Effect {
        option: "--cli-rc-file rc",
        command: "--sign-in never credential",
        shows: r#""profile": "work""#,
    },
    // The profile `new` has no session, and `--sign-in never` forbids a sign-in.
    Effect {
        option: "--auth api_key",
        command: "--profile new --sign-in never os ns get",
        shows: r#""api_key""#,
    },
    Effect { option: "--daemon-status", command: "credential", shows: r#""running": false"# },
    Effect { option: "--daemon", command: "credential", shows: r#""running": true"# },
    // The daemon that the previous row started is still running.
    Effect { option: "--foreground", command: "--daemon", shows: "one is already running" },
    Effect { option: "--stop-daemon", command: "credential", shows: r#""running": false"# },
    Effect { option: "--shell fish", command: "env", shows: "set -gx OCI_CLI_PROFILE" },
    Effect { option: "--unset", command: "env", shows: "unset OCI_CLI_PROFILE" },
    Effect { option: "--common", command: "config set login_hint ada", shows: r#""section": "COMMON""# },
    Effect {
        option: "--preset console",
        command: "config init --profile fresh --region us-ashburn-1 --no-sign-in",
        shows: r#""preset": "console""#,
    },
    Effect {
        option: "--force",
        command: "config init --profile new --preset console --region us-ashburn-1 --no-sign-in",
        shows: r#""profile": "new""#,
    },
    Effect {
        option: "--no-sign-in",
        command: "config init --force --profile newer --preset console --region us-ashburn-1 --sign-in-with paste",
        shows: r#""session": null"#,
    },
    Effect { option: "--cluster-id CLUSTER", command: "kubeconfig", shows: CLUSTER },
    Effect { option: "--online", command: "doctor", shows: r#""check":"exchange-client""# },
    Effect { option: "--user ada", command: "kubeconfig --cluster-id CLUSTER", shows: r#"- name: "ada""# },
    Effect { option: "--write", command: "kubeconfig --cluster-id CLUSTER", shows: "kubectl" },
    Effect {
        option: "--replace-api-key",
        command: "session authenticate --profile keyed",
        shows: "the file as it was is kept as",
    },
    Effect {
        option: "--tenancy-name acme",
        command: "session authenticate --profile quick",
        shows: "tenant=acme",
    },
    Effect {
        option: "--identity-provider-name corporate",
        command: "session authenticate --profile quick",
        shows: "provider=corporate",
    },
    Effect { option: "--all", command: "status", shows: r#""profiles""# },
    Effect { option: "--restore", command: "logout --profile keyed", shows: ".oci/config.woci-backup\"," },
    Effect { option: "--output text", command: "credential", shows: "Next: `woci os ns get`" },
    Effect { option: "--profile-name work", command: "session authenticate", shows: r#""profile": "work""# },
];

#[test]
fn every_option_without_a_key_does_something() {
    let world = World::signed_in();
    world.session_of("work").seed(3600);
    let (settings, console) = (world.settings(), world.console_settings());
    let sections = ["DEFAULT", "work", "new", "keyed"].map(|name| (name, &*settings));
    world.manager(&[&sections[..], &[("quick", &*console)]].concat());
    world.write("rc", "[OCI_CLI_SETTINGS]\ndefault_profile = work\n");
    world.write(".oci/config", "[keyed]\nuser = ocid1.user.oc1..ada\n");
    let names = |effect: &Effect| effect.option.split(' ').next().unwrap_or_default().to_owned();
    for (option, key) in options(&world) {
        assert!(
            key.is_some() || EFFECTS.iter().any(|effect| names(effect) == option),
            "no row of EFFECTS tests {option}"
        );
    }
    for Effect { option, command, shows } in EFFECTS {
        let run = |line: &str| {
            let words = line.replace("CLUSTER", CLUSTER);
            let run = world.woci(&words.split(' ').collect::<Vec<_>>()).run();
            format!("{}{}", run.stdout, run.stderr)
        };
        let without = run(command);
        assert!(!without.contains(shows), "`woci {command}` shows {shows} without {option}: {without}");
        let with = run(&format!("{command} {option}"));
        assert!(with.contains(shows), "`woci {command} {option}` does not show {shows}: {with}");
    }
    assert_eq!(world.woci(&["--stop-daemon"]).run().code(), 1, "it was stopped above");
}

#[test]
fn every_verb_in_the_help_has_a_page_and_is_not_passed_to_oci() {
    let world = World::signed_in();
    for verb in verbs(&world) {
        let page = page(&world, &verb);
        assert!(page.starts_with(&format!("woci {verb}: ")), "{page}");
        let words: Vec<&str> = verb.split(' ').chain(["--help"]).collect();
        assert_eq!(world.woci(&words).run().ok().silent().stdout, page, "{verb}");
    }
    let unknown = world.woci(&["help", "nonsense"]).run().fails(2);
    for verb in verbs(&world) {
        assert!(unknown.stderr.contains(&format!(" {verb},")), "{verb}: {unknown}");
    }
}

/// The options that `woci help options` lists, each with its key.
fn options(world: &World) -> BTreeMap<String, Option<String>> {
    let mut options = BTreeMap::new();
    let mut last = String::new();
    for line in page(world, "options").lines() {
        if let Some(option) = line.strip_prefix("  --") {
            last = format!("--{}", option.split(' ').next().unwrap_or_default());
            options.insert(last.clone(), None);
        } else if let Some(key) = line.strip_prefix("      key: ") {
            options.insert(last.clone(), Some(key.to_owned()));
        }
    }
    assert!(options.len() > 25, "{options:?}");
    options
}

/// The verbs that `woci --help` lists.
pub fn verbs(world: &World) -> Vec<String> {
    let help = world.woci(&["--help"]).run().ok().silent().stdout;
    let (_, verbs) = help.split_once("\nVerbs:\n").expect("there is a list of verbs");
    let (verbs, _) = verbs.split_once("\n\n").expect("a blank line ends the list");
    let named =
        verbs.lines().filter_map(|line| line.strip_prefix("  ")).filter(|line| !line.starts_with(' '));
    let verbs: Vec<String> =
        named.map(|line| line.split("  ").next().unwrap_or_default().to_owned()).collect();
    assert!(verbs.len() > 8, "{verbs:?}");
    verbs
}

/// What `woci help` says about a verb or topic.
pub fn page(world: &World, about: &str) -> String {
    let words: Vec<&str> = ["help"].into_iter().chain(about.split(' ')).collect();
    world.woci(&words).run().ok().silent().stdout
}
