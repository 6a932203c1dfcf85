//! THE table of woci's options. Parser, help, configuration keys and the README's test read it, so
//! that a new setting is a row here and a field where it is used.

/// What a value must be. Texts and secrets differ in that a secret is never shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// No value on the command line; a Boolean in the manager config.
    Flag,
    Text,
    Secret,
    Url,
    Path,
    Number {
        least: u32,
        most: u32,
    },
    OneOf(&'static [&'static str]),
}

/// The heading under which help lists an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    Profile,
    Provider,
    Exchange,
    SignIn,
    AtRest,
    Fresh,
    Output,
}

impl Group {
    pub const ALL: [Self; 7] = [
        Self::Profile,
        Self::Provider,
        Self::Exchange,
        Self::SignIn,
        Self::AtRest,
        Self::Fresh,
        Self::Output,
    ];

    pub fn title(self) -> &'static str {
        match self {
            Self::Profile => "Which profile (the first four are oci's own and are passed on)",
            Self::Provider => "The identity provider, where a person signs in",
            Self::Exchange => "The OCI identity domain, which exchanges the sign-in for a session token",
            Self::SignIn => "Signing in",
            Self::AtRest => "The refresh token at rest",
            Self::Fresh => "Staying fresh",
            Self::Output => "Messages and output",
        }
    }
}

#[derive(Debug)]
pub struct Opt {
    /// With its dashes.
    pub name: &'static str,
    /// In woci_manager.ini.
    pub key: Option<&'static str>,
    pub variable: Option<&'static str>,
    pub kind: Kind,
    /// As a person would write it; help shows it.
    pub default: Option<&'static str>,
    /// What help calls the value; empty for a flag.
    pub value: &'static str,
    pub group: Group,
    pub help: &'static str,
    pub example: &'static str,
    /// The verbs that alone have this option; empty where it stands anywhere.
    pub verbs: &'static [&'static str],
    /// Read by woci and passed on to oci all the same.
    pub forwarded: bool,
    /// Also an option of oci commands, so that after an oci word only a person can say whose it is.
    pub also_ocis: bool,
}

/// Defaults of a row, for the rows to state what is special about them.
const ROW: Opt = Opt {
    name: "",
    key: None,
    variable: None,
    kind: Kind::Text,
    default: None,
    value: "",
    group: Group::Output,
    help: "",
    example: "",
    verbs: &[],
    forwarded: false,
    also_ocis: false,
};

/// The word that makes a woci the daemon's process; no part of the command line that is offered.
pub const DAEMON_PROCESS: &str = "__daemon";

pub const LOG_LEVELS: &[&str] = &["DEBUG", "INFO", "WARNING", "ERROR"];
const SECONDS_OF_A_DAY: u32 = 86_400;

pub const OPTIONS: &[Opt] = &[
    Opt {
        name: "--profile",
        variable: Some("OCI_CLI_PROFILE"),
        value: "NAME",
        group: Group::Profile,
        help: "profile of ~/.oci/config and section of woci_manager.ini",
        example: "--profile prod",
        forwarded: true,
        ..ROW
    },
    Opt {
        name: "--config-file",
        key: Some("config_file"),
        variable: Some("OCI_CLI_CONFIG_FILE"),
        kind: Kind::Path,
        default: Some("~/.oci/config"),
        value: "PATH",
        group: Group::Profile,
        help: "the OCI config",
        example: "--config-file ~/team/oci.config",
        forwarded: true,
        ..ROW
    },
    Opt {
        name: "--region",
        key: Some("region"),
        variable: Some("OCI_CLI_REGION"),
        value: "REGION",
        group: Group::Profile,
        help: "the OCI region",
        example: "--region eu-frankfurt-1",
        forwarded: true,
        ..ROW
    },
    Opt {
        name: "--auth",
        value: "TYPE",
        group: Group::Profile,
        help: "how oci signs; any value but security_token runs oci as it is, without a session",
        example: "--auth security_token",
        forwarded: true,
        ..ROW
    },
    Opt {
        name: "--manager-config",
        variable: Some("WOCI_MANAGER_CONFIG"),
        kind: Kind::Path,
        default: Some("woci_manager.ini beside the OCI config"),
        value: "PATH",
        group: Group::Profile,
        help: "woci's own configuration",
        example: "--manager-config ~/team/woci_manager.ini",
        ..ROW
    },
    Opt {
        name: "--authz-base-url",
        key: Some("authz_base_url"),
        kind: Kind::Url,
        value: "URL",
        group: Group::Provider,
        help: "the authorization endpoint; a query in it is kept",
        example: "--authz-base-url https://idp.example.com/oauth2/v1/authorize",
        ..ROW
    },
    Opt {
        name: "--token-url",
        key: Some("token_url"),
        kind: Kind::Url,
        value: "URL",
        group: Group::Provider,
        help: "the token endpoint",
        example: "--token-url https://idp.example.com/oauth2/v1/token",
        ..ROW
    },
    Opt {
        name: "--auth-client-id",
        key: Some("auth_client_id"),
        value: "ID",
        group: Group::Provider,
        help: "the client registered at the provider",
        example: "--auth-client-id 0oa1b2c3",
        ..ROW
    },
    Opt {
        name: "--auth-client-secret",
        key: Some("auth_client_secret"),
        kind: Kind::Secret,
        value: "SECRET",
        group: Group::Provider,
        help: "its secret; none for a public client (better kept in woci_manager.ini)",
        example: "--auth-client-secret \"$SECRET\"",
        ..ROW
    },
    Opt {
        name: "--scope",
        key: Some("scope"),
        value: "SCOPES",
        group: Group::Provider,
        help: "what to ask for; offline_access brings the refresh token",
        example: "--scope \"openid offline_access\"",
        also_ocis: true,
        ..ROW
    },
    Opt {
        name: "--token-exchange-url",
        key: Some("token_exchange_url"),
        kind: Kind::Url,
        default: Some("the token endpoint"),
        value: "URL",
        group: Group::Exchange,
        help: "the identity domain's token endpoint",
        example: "--token-exchange-url https://idcs-1a2b.identity.oraclecloud.com/oauth2/v1/token",
        ..ROW
    },
    Opt {
        name: "--client-id",
        key: Some("client_id"),
        value: "ID",
        group: Group::Exchange,
        help: "the client registered in the identity domain",
        example: "--client-id 1a2b3c",
        also_ocis: true,
        ..ROW
    },
    Opt {
        name: "--client-secret",
        key: Some("client_secret"),
        kind: Kind::Secret,
        value: "SECRET",
        group: Group::Exchange,
        help: "its secret (better kept in woci_manager.ini)",
        example: "--client-secret \"$SECRET\"",
        also_ocis: true,
        ..ROW
    },
    Opt {
        name: "--redirect-port",
        key: Some("redirect_port"),
        kind: Kind::Number { least: 1, most: 65_535 },
        default: Some("8181"),
        value: "N",
        group: Group::SignIn,
        help: "port of http://127.0.0.1:N/callback, the redirect URI to register",
        example: "--redirect-port 9191",
        ..ROW
    },
    Opt {
        name: "--sign-in",
        key: Some("sign_in"),
        variable: Some("WOCI_SIGN_IN"),
        kind: Kind::OneOf(&["auto", "never"]),
        default: Some("auto"),
        value: "auto|never",
        group: Group::SignIn,
        help: "whether a run may open a browser",
        example: "--sign-in never",
        ..ROW
    },
    Opt {
        name: "--refresh-token-passphrase-env",
        key: Some("refresh_token_passphrase_env"),
        value: "VAR",
        group: Group::AtRest,
        help: "variable that holds the passphrase which encrypts the refresh token",
        example: "--refresh-token-passphrase-env WOCI_PASSPHRASE",
        ..ROW
    },
    Opt {
        name: "--refresh-token-passphrase-prompt",
        key: Some("refresh_token_passphrase_prompt"),
        kind: Kind::Flag,
        default: Some("off"),
        group: Group::AtRest,
        help: "ask for that passphrase on the terminal, when it is needed",
        example: "--refresh-token-passphrase-prompt",
        ..ROW
    },
    Opt {
        name: "--auto-refresh",
        key: Some("auto_refresh"),
        kind: Kind::Flag,
        default: Some("off"),
        group: Group::Fresh,
        help: "refresh in a thread while oci runs",
        example: "--auto-refresh",
        ..ROW
    },
    Opt {
        name: "--refresh-safety-window",
        key: Some("refresh_safety_window"),
        kind: Kind::Number { least: 0, most: SECONDS_OF_A_DAY },
        default: Some("600"),
        value: "SECONDS",
        group: Group::Fresh,
        help: "how long before its end a session token is refreshed in the background",
        example: "--refresh-safety-window 300",
        ..ROW
    },
    Opt {
        name: "--daemon",
        kind: Kind::Flag,
        group: Group::Fresh,
        help: "leave a process that keeps the session fresh",
        example: "--daemon session authenticate",
        ..ROW
    },
    Opt {
        name: "--foreground",
        kind: Kind::Flag,
        group: Group::Fresh,
        help: "with --daemon: be that process, for systemd and launchd",
        example: "--daemon --foreground",
        ..ROW
    },
    Opt {
        name: "--daemon-status",
        kind: Kind::Flag,
        group: Group::Fresh,
        help: "say whether that process runs",
        example: "--daemon-status",
        ..ROW
    },
    Opt {
        name: "--stop-daemon",
        kind: Kind::Flag,
        group: Group::Fresh,
        help: "end that process",
        example: "--stop-daemon",
        ..ROW
    },
    Opt {
        name: "--log-level",
        key: Some("log_level"),
        kind: Kind::OneOf(LOG_LEVELS),
        default: Some("INFO"),
        value: "LEVEL",
        group: Group::Output,
        help: "DEBUG, INFO, WARNING or ERROR",
        example: "--log-level DEBUG",
        ..ROW
    },
    Opt {
        name: "--shell",
        kind: Kind::OneOf(&["sh", "fish", "powershell"]),
        default: Some("sh"),
        value: "sh|fish|powershell",
        group: Group::Output,
        help: "with `env`: whose syntax to print",
        example: "--shell fish",
        verbs: &["env"],
        ..ROW
    },
    Opt {
        name: "--unset",
        kind: Kind::Flag,
        group: Group::Output,
        help: "with `env`: print the lines that undo it",
        example: "--unset",
        verbs: &["env"],
        ..ROW
    },
    Opt {
        name: "--cluster-id",
        value: "OCID",
        group: Group::Output,
        help: "with `kube-credential` and `kubeconfig`: the cluster",
        example: "--cluster-id ocid1.cluster.oc1.iad.aaaa",
        verbs: &["kube-credential", "kubeconfig"],
        ..ROW
    },
    Opt {
        name: "--user",
        default: Some("as oci names it"),
        value: "NAME",
        group: Group::Output,
        help: "with `kubeconfig`: the name of the entry",
        example: "--user prod-cluster",
        verbs: &["kubeconfig"],
        ..ROW
    },
    Opt {
        name: "--write",
        kind: Kind::Flag,
        group: Group::Output,
        help: "with `kubeconfig`: have kubectl write the entry into the current kubeconfig",
        example: "--write",
        verbs: &["kubeconfig"],
        ..ROW
    },
    Opt {
        name: "--profile-name",
        value: "NAME",
        group: Group::Profile,
        help: "with `session authenticate`: as --profile, the way oci spells it there",
        example: "session authenticate --profile-name prod",
        verbs: &["session authenticate"],
        ..ROW
    },
];

/// The row of an option that woci has everywhere.
pub fn find(name: &str) -> Option<&'static Opt> {
    OPTIONS.iter().find(|opt| opt.verbs.is_empty() && opt.name == name)
}

/// The row of an option that only this verb has.
pub fn find_of_verb(verb: &str, name: &str) -> Option<&'static Opt> {
    OPTIONS.iter().find(|opt| opt.verbs.contains(&verb) && opt.name == name)
}

/// The row of a manager-config key, which is written in lower case.
pub fn find_key(key: &str) -> Option<&'static Opt> {
    OPTIONS.iter().find(|opt| opt.key == Some(key))
}

/// The options that were given, each once, with their values as typed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Flags(Vec<(&'static str, String)>);

impl Flags {
    /// The value given for the option of this name; an empty text for one that takes none.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| *n == name).map(|(_, value)| value.as_str())
    }

    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(name, value)| (*name, value.as_str()))
    }

    /// Sets an option, over the value it had.
    pub fn set(&mut self, name: &'static str, value: String) {
        self.0.retain(|(n, _)| *n != name);
        self.0.push((name, value));
    }
}
