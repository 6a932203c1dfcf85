//! The topics of help that are no verb: tables of what woci promises, kept beside the program that does so.

use super::secrets::secrets;
use super::workloads::workloads;
use super::{entry, options, paragraphs, wrapped};

pub struct Topic {
    pub name: &'static str,
    /// One line, for the man page and for shells that complete it.
    pub summary: &'static str,
    pub text: fn() -> String,
}

pub const TOPICS: &[Topic] = &[
    Topic { name: "options", summary: "all options, with their keys, variables and defaults", text: options },
    Topic { name: "exit-codes", summary: "what the exit code means", text: exit_codes },
    Topic { name: "files", summary: "the files that woci reads and writes", text: files },
    Topic { name: "workloads", summary: "jobs that sign in with a token of their own", text: workloads },
    Topic { name: "secrets", summary: "secrets from password managers and keyrings", text: secrets },
    Topic { name: "moving", summary: "moving over from the older tool in Python", text: moving },
];

pub const EXIT_CODES: &[(&str, &str)] = &[
    ("0", "done, and oci (if it ran) exited with 0"),
    ("1", "something failed at run time: the sign-in, a refresh, the exchange, writing a file"),
    ("2", "wrong arguments or configuration, or no source for a passphrase that is needed"),
    ("3", "woci --daemon --foreground: only a sign-in helps, since the session can no longer be renewed"),
    ("126", "oci, or the program of `woci exec`, was found and cannot be executed"),
    ("127", "there is no oci on PATH, or no such program for `woci exec`"),
    ("128+N", "ended by signal N: 130 after Ctrl-C, 143 after SIGTERM"),
    ("other", "the exit code of oci or the program, unchanged"),
];

pub const ABOUT_EXIT_CODES: &str = "\
`woci status` exits with 0 if the next run needs no person, else with 1. \
`woci --daemon-status` exits with 0 if the background process runs, else with 1. `woci --stop-daemon` exits with \
0 if it stopped one, and with 1 if none was running. `woci doctor` exits with 1 if anything is wrong, and `woci config \
check` with 2.

stdout holds the result and nothing else. Messages go to stderr, one line each. An error of woci's own begins with \
`woci: ` and ends with what to do next.";

fn exit_codes() -> String {
    let mut text = "Exit codes:\n".to_owned();
    text.extend(EXIT_CODES.iter().map(|(code, when)| entry(2, 10, code, when)));
    text + "\n" + &paragraphs(ABOUT_EXIT_CODES)
}

pub struct File {
    pub path: &'static str,
    pub mode: &'static str,
    pub holds: &'static str,
}

/// Below the home folder.
pub const CONFIGURATION: &[File] = &[
    File {
        path: "~/.oci/woci_manager.ini",
        mode: "mode kept; 0600 if new",
        holds: "your configuration of woci. Only `woci config set` and `woci config init` write it",
    },
    File {
        path: "~/.oci/config",
        mode: "mode kept; 0600 if new",
        holds: "the OCI config. woci writes key_file, security_token_file, fingerprint, tenancy and region of your \
                profile",
    },
    File {
        path: "~/.oci/config.woci-backup…",
        mode: "0600",
        holds: "the OCI config as it was before woci took an API key out of a section",
    },
    File {
        path: "~/.oci/.woci-config.lock",
        mode: "0600",
        holds: "the lock that woci holds while it writes one of these configs",
    },
];

/// In `~/.oci/sessions/<profile>/`.
pub const SESSION: &[File] = &[
    File { path: "token", mode: "0600", holds: "the session token" },
    File {
        path: "private_key.pem",
        mode: "0600",
        holds: "the RSA key that the session token is bound to; oci_api_key.pem if `oci session authenticate` made \
                the session",
    },
    File {
        path: "refresh_token",
        mode: "0600",
        holds: "the refresh token; encrypted if you set a passphrase. With refresh_token_put_command, it is in a keyring instead",
    },
    File {
        path: "session.json",
        mode: "0600",
        holds: "nothing secret: where the session came from, since when a console session has been renewed, how \
                the last sign-in went, the SHA-256 of a token that was refused",
    },
    File {
        path: "discovery.json",
        mode: "0600",
        holds: "nothing secret: what the provider's document says of its endpoints, read again after a day",
    },
    File {
        path: "woci_refresh.pid",
        mode: "0600",
        holds: "the process ID of the background process. It is a hint: the lock, not this file, says whether the \
                process runs",
    },
    File { path: "woci_refresh.log", mode: "0600", holds: "the messages of the background process" },
    File {
        path: "session.lock, woci_refresh.lock, woci_renewal.lock",
        mode: "0600",
        holds: "lock files, which remain after the lock is released. The second also contains the state of \
                the background process, and the third when a run last started a renewal in the background \
                (auto_refresh)",
    },
];

/// In `~/.oci/sessions/`.
pub const OF_ALL_SESSIONS: File = File {
    path: "callback-<port>.lock",
    mode: "0600",
    holds: "the lock that woci holds while a sign-in uses the redirect port",
};

pub const ABOUT_FILES: &str = "\
Every file but the locks, the PID file and the log is replaced as a whole, so that it is never half written. It is \
private from its first byte.

Which woci_manager.ini: --manager-config, else WOCI_MANAGER_CONFIG, else woci_manager.ini beside the OCI config, \
else ~/.oci/woci_manager.ini. If you named the file, it must be readable. If woci found the file by \
itself and cannot read it, woci prints a warning and continues as long as the session is valid.

Which profile: --profile, else OCI_CLI_PROFILE, else default_profile of oci's own ~/.oci/oci_cli_rc \
(--cli-rc-file, OCI_CLI_RC_FILE), else DEFAULT if woci_manager.ini has a section [DEFAULT], else its \
only section besides [COMMON]. With several sections, woci asks you to name one. A name has letters, digits \
and . _ - @ only, which is oci's own rule. A name that neither config nor sessions/ knows is refused at a sign-in, if \
woci_manager.ini has other sections.

How woci_manager.ini is read:
  - [COMMON] gives its values to every section, and is no profile. [DEFAULT] is
    a section like any other.
  - `key = value` or `key: value`. Keys in any case, section names as written.
  - The value goes to the end of the line: #, ;, %, =, quotes and spaces in it
    are part of it. A comment has its own line, which begins with # or ;.
  - An indented line continues the value above it.
  - A section or key that stands twice is refused, with its line number. An
    unknown key gets a warning that names the nearest known one.
  - Booleans: true, yes, on, 1 and false, no, off, 0.

What woci changes in ~/.oci/config: the keys above in your profile's section. Comments, order and other sections \
stay byte for byte. A section that holds an API key is refused, unless you give --replace-api-key to `woci session \
authenticate`: woci then keeps the old file as a backup, warns, and takes `user` and `pass_phrase` out of the \
section, since with them some SDKs would go on signing with the API key. It does the same in a section that \
has a session.

In a home without file locks (NFS), put the sessions on a local disk with sessions_folder or WOCI_SESSIONS_FOLDER.

A region that is newer than woci is described in oci's own files and variables: ~/.oci/regions-config.json, \
OCI_REGION_METADATA, OCI_DEFAULT_REALM.

To end a session, run `woci logout`. If you only remove its folder, the session at the provider does not end.";

fn files() -> String {
    let mut text = "Configuration:\n".to_owned();
    text.extend(CONFIGURATION.iter().map(file));
    text += "\nOne session, in ~/.oci/sessions/<profile>/ (mode 0700):\n";
    text.extend(SESSION.iter().map(file));
    text += "\nAll sessions, in ~/.oci/sessions/:\n";
    text += &file(&OF_ALL_SESSIONS);
    text + "\n" + &paragraphs(ABOUT_FILES)
}

fn file(file: &File) -> String {
    format!("  {} ({})\n", file.path, file.mode) + &wrapped(file.holds, 6, 6)
}

struct Difference {
    older: &'static str,
    woci: &'static str,
    why: &'static str,
}

const DIFFERENCES: &[Difference] = &[
    Difference {
        older: "encrypted the refresh token with PBKDF2 (200 000 rounds) and AES-GCM",
        woci: "uses scrypt and ChaCha20-Poly1305 with an authenticated header; reads the old form, and writes the new \
               one at the next refresh",
        why: "a graphics card tries PBKDF2 passphrases in parallel cheaply; scrypt needs 128 MiB for each try",
    },
    Difference {
        older: "opened a browser after any failed refresh",
        woci: "opens one only if the refresh token is no longer accepted",
        why: "a lost network is no reason to sign in, and a kubectl in the background opened tab after tab",
    },
    Difference {
        older: "warned about an unset or empty passphrase, and stored the token in plain text",
        woci: "exits with 2; nothing is sent or stored",
        why: "a typing error must not take the encryption off",
    },
    Difference {
        older: "gave the values of [DEFAULT] to every section, as Python's parser does",
        woci: "treats [DEFAULT] as an ordinary section; only [COMMON] is shared",
        why: "the older tool documented it so, and one profile's secret cannot reach another by accident",
    },
    Difference {
        older: "treated % in a value as special: it had to be doubled",
        woci: "takes % as it is",
        why: "secrets and URLs contain it",
    },
    Difference {
        older: "took DEFAULT if there were several sections and no --profile",
        woci: "exits with 2 and lists the sections; a single section is taken",
        why: "it made a session under a name that was not configured",
    },
    Difference {
        older: "needed all required values, redirect_port among them, at every run",
        woci: "needs them for a sign-in or refresh; the port has a default",
        why: "a valid session needs no configuration",
    },
    Difference {
        older: "logged several lines at every run, oci's arguments among them",
        woci: "says nothing while the session is valid, and never logs arguments",
        why: "kubectl shows the lines each time, and arguments may hold passwords",
    },
    Difference {
        older: "printed nothing on stdout without a command",
        woci: "prints the session as JSON",
        why: "other programs can use the session",
    },
    Difference {
        older: "kept a valid session at `session refresh`",
        woci: "always refreshes",
        why: "the name says so",
    },
    Difference {
        older: "took --scope, --client-id and --client-secret after an oci command",
        woci: "exits with 2, and says how to give the option to woci or to oci",
        why: "oci commands have options of these names",
    },
    Difference {
        older: "did not pass --region and --config-file on to oci",
        woci: "passes them on",
        why: "oci asked another region than woci",
    },
    Difference {
        older: "made a session with --auth api_key too",
        woci: "runs oci as it is",
        why: "the session was not used",
    },
    Difference {
        older: "also ran `oci --help` for --help",
        woci: "prints its own help; `woci iam --help` is oci's",
        why: "help needs neither oci nor a session",
    },
    Difference {
        older: "sent tokens to http URLs on any host",
        woci: "takes http for 127.0.0.1 and localhost only",
        why: "tokens must not travel in plain text",
    },
    Difference {
        older: "waited for the browser for ever; one stray request to the port ended the sign-in",
        woci: "waits 5 minutes and ignores stray requests",
        why: "any local program can reach the port",
    },
    Difference {
        older: "failed if the sign-in brought no refresh token",
        woci: "makes the session and warns",
        why: "an hour is better than nothing",
    },
    Difference {
        older: "wrote key_file and security_token_file into ~/.oci/config",
        woci: "also writes fingerprint and tenancy, and takes an API key out of the section after a backup",
        why: "the SDKs and Terraform need the first two, and would sign with the API key",
    },
    Difference {
        older: "ran oci as a child process",
        woci: "replaces itself by oci",
        why: "signals, terminal and exit code are exactly oci's",
    },
    Difference {
        older: "knew its background process by a PID file, and signalled that PID",
        woci: "knows it by a lock that the process holds while it runs; the PID is a hint",
        why: "the system gives a PID to another process later",
    },
    Difference {
        older: "counted the seconds of sleep itself, and tried a dead refresh token every 30 s for ever",
        woci: "goes by the wall clock, waits longer after each failure, and ends with the reason in its log if the \
               refresh token is dead",
        why: "after a suspend its renewal was late, and a dead token never becomes valid again",
    },
    Difference {
        older: "ignored an oci command beside --daemon",
        woci: "exits with 2",
        why: "a command must not be ignored without an error",
    },
];

fn moving() -> String {
    let mut text = paragraphs(
        "\
Moving over from the older tool, which was written in Python:

  1. If its background process runs, stop it with the older tool
     (--stop-daemon). Two programs must not use the same refresh token.
  2. Run `make install`. A symlink ~/.local/bin/woci is replaced; the script
     that it pointed to stays. Remove a shell alias called woci.
  3. Run woci. You need not sign in again: woci_manager.ini, the folders in
     ~/.oci/sessions, plain and encrypted refresh tokens and your kubeconfig
     are used as they are.
  4. In woci_manager.ini, write % in place of %% (woci warns about it), and
     move values of [DEFAULT] that other sections relied on to [COMMON].

One step cannot be undone: the first refresh with a passphrase writes the new encrypted form of the refresh token, \
which the older tool cannot read.

--refresh-interval, --manager-config-section and other options of its early versions are not woci's: they go to \
oci, which refuses them. The key profile_name in woci_manager.ini is ignored.

What is different, and why:
",
    );
    for Difference { older, woci, why } in DIFFERENCES {
        text += &format!("\n{}", entry(2, 10, "before", &format!("it {older}")));
        text += &entry(2, 10, "woci", woci);
        text += &entry(2, 10, "why", why);
    }
    text
}
