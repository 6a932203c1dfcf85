//! Integration tests: the real binary in a temporary home, with a simulated provider and identity domain on real
//! sockets.

// woci's bans (.clippy.toml, Cargo.toml) keep each effect in one place; tests may have an effect anywhere.
#![allow(clippy::disallowed_methods, clippy::print_stderr)]

mod answers; // odd answers: numbers, members that are there twice, breaks, compressed and foreign bodies
mod at_rest; // the refresh token on disk: encryption, passphrases, and the prompt on the terminal
mod auto_refresh; // --auto-refresh: oci as a child process, and a thread that refreshes the session
mod behind; // auto_refresh: a run that finds a refresh due leaves one process that renews the session
mod completion; // what bash completes: verbs, options, values, profiles, and behind an oci word what oci does
mod config; // how both config files, the profile and each value are found, and the errors if they are wrong
mod config_verbs; // config show, check, set and init
mod console; // console sessions: the sign-in at Oracle's own page, the renewal, and the sessions that oci has made
mod contention; // many processes at one session: one refresh and one failure for all, and whole files for readers
mod contents; // whatever stands in the files of a session
mod crowd; // many processes at once: one refresh, one sign-in, and what follows if the one that does it is killed
mod daemon; // the daemon: start, lock, refreshes, stop
mod discovery; // an issuer in place of endpoints: the provider's document, its copy, and the answers that are refused
mod disk; // a refresh token is not spent if its successor cannot be stored
mod doctor; // woci doctor: what is broken is named with its remedy, and a healthy home shows nothing
mod errors; // README.md names messages as woci prints them, and the commands that messages suggest can be pasted
mod exec; // `woci exec`: any program with a session
mod expected; // the session of another user or tenancy than expected is neither stored nor used
mod house; // the rules for the source files
mod install; // `make install`: what it puts where, and that it is all or nothing
mod kernel; // what the kernel may answer to a system call, by strace; temporary files
mod kube; // kube-credential and kubeconfig, and that background calls of kubectl open one browser at most
mod life; // a session from its first sign-in to its last
mod logout; // the end of a session: revocation, what is removed and what stays, renewals under way, an API key brought back
mod looks; // the text that a person sees, at 60 and at 100 columns, as in fixtures/text
mod network; // invalid and failing responses of the provider and the domain
mod oci_config; // what woci writes into ~/.oci/config, and what it keeps there
mod origin; // a refresh token is sent only to the provider that issued it
mod owners; // whose files: root in another's home, shared configs, named pipes, links, modes
mod passthrough; // the arguments, environment, signals and exit status of oci
mod readme; // README.md: its commands run, and the files it names exist
mod scarcity; // no abort and no orphan if the system refuses threads, descriptors or memory; no secret in a core dump
mod schemas; // every JSON document conforms to its schema
mod secrets; // secrets from files, variables and programs, and the refresh token in a keyring
mod sign_in; // sign-ins: stray requests and attacks on the port, failures, remembered outcomes
mod simulator; // the simulator is as strict as the services it stands for
mod simulator_console; // so are its Oracle services, and its browser treats a fragment as browsers do
mod status; // what woci status says of each state of a session, its exit code, and that it only reads
mod tables; // what help lists, woci does: no option, verb or schema is left half-used
mod ways; // pasting, device codes, and which way to the person is chosen where
mod workload; // sessions made of a job's own token: each recipe of `woci help workloads`, the claims, RPSTs, renewals

#[expect(dead_code, reason = "the simulator's own program, its demo and its bench are called by no test")]
#[path = "../sim/main.rs"]
mod sim;
mod world;
