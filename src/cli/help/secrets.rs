//! `woci help secrets`: secrets from password managers and keyrings.

use super::{entry, paragraphs};

/// How a password manager or keyring gives woci its secrets, and keeps the refresh token. tests/it/secrets.rs and
/// tests/e2e/journeys/secrets.py run these lines.
struct Recipe {
    program: &'static str,
    what: &'static str,
    /// Commands for a shell.
    once: &'static [&'static str],
    client_secret: &'static str,
    get: &'static str,
    put: &'static str,
}

const RECIPES: &[Recipe] = &[
    Recipe {
        program: "pass",
        what: "the password store, which encrypts with GnuPG",
        once: &[
            "pass insert woci/secret",
            "printf woci-no-refresh-token | pass insert --multiline woci/token",
        ],
        client_secret: "pass show woci/secret",
        get: "pass show woci/token",
        put: "pass insert --multiline --force woci/token",
    },
    Recipe {
        program: "secret-tool",
        what: "the keyring of GNOME, KDE and others on Linux",
        once: &[
            "secret-tool store --label=woci woci secret",
            "printf woci-no-refresh-token | secret-tool store --label=woci woci token",
        ],
        client_secret: "secret-tool lookup woci secret",
        get: "secret-tool lookup woci token",
        put: "secret-tool store --label=woci woci token",
    },
    Recipe {
        program: "security",
        what: "the keychain of macOS. The token goes to the program's stdin, since others see its arguments",
        once: &[
            "security add-generic-password -a woci -s secret -w",
            "security add-generic-password -a woci -s token -w woci-no-refresh-token",
        ],
        client_secret: "security find-generic-password -a woci -s secret -w",
        get: "security find-generic-password -a woci -s token -w",
        put: r#"sh -c '(
    printf "add-generic-password -U -a woci -s token -w \""; cat
    printf "\"\n") | security -i'"#,
    },
    Recipe {
        program: "op",
        what: "1Password. In its app, make an item woci with a field secret in the vault Private",
        once: &["printf woci-no-refresh-token | op document create - --title woci-token"],
        client_secret: "op read op://Private/woci/secret",
        get: "op document get woci-token",
        put: "op document edit woci-token -",
    },
    Recipe {
        program: "vault",
        what: "HashiCorp Vault, with a key-value store at secret/",
        once: &[
            "vault kv put -mount=secret woci/client secret=-",
            "printf woci-no-refresh-token | vault kv put -mount=secret woci/user token=-",
        ],
        client_secret: "vault kv get -mount=secret -field=secret woci/client",
        get: "vault kv get -mount=secret -field=token woci/user",
        put: "vault kv put -mount=secret woci/user token=-",
    },
];

pub(super) fn secrets() -> String {
    let mut text = paragraphs(
        "\
A secret need not stand in woci_manager.ini or in an argument. client_secret, auth_client_secret and \
refresh_token_passphrase each have three keys, of which you set one:
  ..._file      the file that holds the secret on one line. If other users can
                read the file, woci refuses it.
  ..._env       the name of the variable that holds the secret. No browser
                or helper program inherits it. oci does, unless it holds the
                passphrase.
  ..._command   a command that prints the secret on one line.

A command is a program with its arguments, split as a shell splits them, or a JSON list of texts. No shell runs it: \
for pipes and variables, write sh -c '...'. The program is looked up on PATH, has no terminal, and has 30 seconds. Its \
stderr is shown. woci runs it for a renewal or a sign-in only, about once an hour.

refresh_token_get_command and refresh_token_put_command keep the refresh token in a keyring, in place of the file. The \
first prints the token; if it prints nothing, there is none. The second takes the token on stdin. Before woci sends a \
token to the provider, it stores it with the second command and reads it back with the first, as a test. If the keyring \
does not take the next token, the token stays in the session's folder, and the next renewal stores it in the keyring. A \
token that is in the file moves into the keyring. Without the session's folder, woci does not use the token in the \
keyring: you sign in once. A passphrase cannot be used together with these commands.

Recipes. Run the lines with $ once in a shell, and put the others into woci_manager.ini. For several profiles, give \
each names of its own. woci-no-refresh-token is a placeholder, which means that there is none yet.
",
    );
    for Recipe { program, what, once, client_secret, get, put } in RECIPES {
        text += &format!("\n{}", entry(0, 13, program, what));
        text.extend(once.iter().map(|command| format!("  $ {command}\n")));
        text += &format!("  client_secret_command = {client_secret}\n");
        text += &format!("  refresh_token_get_command = {get}\n");
        text += &format!("  refresh_token_put_command = {put}\n");
    }
    text
}
