//! THE table of woci's options. The parser, help, the configuration and the tests read it, so that a new option is a
//! row here and a field where its value is used.

use crate::error::Given;

/// What a value must be. A secret is a text that is never shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// No value on the command line; a Boolean in the manager config.
    Flag,
    Text,
    Secret,
    Url,
    /// The URL of an issuer, which has no query.
    Issuer,
    /// Parameters of a query, as `prompt=consent&audience=api`.
    Parameters,
    /// The OCID of a user or a tenancy.
    Ocid,
    Path,
    /// A program with its arguments.
    Command,
    /// The name or key of a region of OCI's; it becomes part of a host name.
    Region,
    Number {
        least: u32,
        most: u32,
    },
    /// Ports with commas between them, or 0 alone.
    Ports,
    /// The path of a redirect URI.
    UrlPath,
    OneOf(&'static [&'static str]),
}

/// The heading under which help lists an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    Profile,
    Source,
    Console,
    Provider,
    Exchange,
    SignIn,
    AtRest,
    Fresh,
    Messages,
    Verb,
}

impl Group {
    pub const ALL: [Self; 10] = [
        Self::Profile,
        Self::Source,
        Self::Console,
        Self::Provider,
        Self::Exchange,
        Self::SignIn,
        Self::AtRest,
        Self::Fresh,
        Self::Messages,
        Self::Verb,
    ];

    pub fn title(self) -> &'static str {
        match self {
            Self::Profile => "Profile and files",
            Self::Source => "Where the session comes from",
            Self::Console => "Oracle's own sign-in, which needs no registration",
            Self::Provider => "The identity provider, where a person signs in",
            Self::Exchange => "The OCI identity domain, which exchanges the sign-in for a session token",
            Self::SignIn => "Signing in",
            Self::AtRest => "The refresh token on disk",
            Self::Fresh => "Keeping the session fresh",
            Self::Messages => "Messages",
            Self::Verb => "Options of one verb",
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
    /// Empty if the option is itself a verb (`--daemon`): help shows the summary of the verb instead.
    pub help: &'static str,
    pub example: &'static str,
    /// The only verbs that accept this option; empty if every verb does.
    pub verbs: &'static [&'static str],
    /// Its verbs do not run without it.
    pub required: bool,
    /// One of the ten that `woci --help` shows.
    pub essential: bool,
    /// Read by woci, and passed on to oci too.
    pub forwarded: bool,
    /// Some oci commands have an option of the same name, so woci refuses this option after an oci
    /// word. fixtures/oci-options.txt lists all options of oci.
    pub clashes_with_oci: bool,
    /// Affects which session is used, or when it is renewed, so `woci kubeconfig` writes the option into its entry. Never
    /// set for a secret.
    pub kept_in_kubeconfig: bool,
}

/// The default values of a row, so that each row of the table states only what differs.
const ROW: Opt = Opt {
    name: "",
    key: None,
    variable: None,
    kind: Kind::Text,
    default: None,
    value: "",
    group: Group::Messages,
    help: "",
    example: "",
    verbs: &[],
    required: false,
    essential: false,
    forwarded: false,
    clashes_with_oci: false,
    kept_in_kubeconfig: false,
};

/// The hidden verb that runs the process of the daemon. woci starts this process itself.
pub const DAEMON_PROCESS: &str = "__daemon";
/// The same for a process that renews the session once, behind a run that has ended.
pub const RENEWAL_PROCESS: &str = "__renew";

/// It is woci's with a verb of woci's. An oci command gets its own.
pub const OUTPUT: &str = "--output";

pub const SESSION_FROM: &[&str] = &["provider", "workload", "console"];
pub const SHELLS: &[&str] = &["sh", "bash", "zsh", "fish", "powershell", "pwsh"];
pub const PRESETS: &[&str] = &["console", "oci", "okta", "entra", "keycloak", "issuer"];
pub const LOG_LEVELS: &[&str] = &["DEBUG", "INFO", "WARNING", "ERROR"];
const SECONDS_OF_A_DAY: u32 = 86_400;

pub const OPTIONS: &[Opt] = &[
    Opt {
        name: "--profile",
        variable: Some("OCI_CLI_PROFILE"),
        default: Some("DEFAULT, or the only section of woci_manager.ini"),
        value: "NAME",
        group: Group::Profile,
        help: "the section of woci_manager.ini and the OCI config; names the session's folder too",
        example: "--profile prod",
        essential: true,
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
        essential: true,
        forwarded: true,
        kept_in_kubeconfig: true,
        ..ROW
    },
    Opt {
        name: "--region",
        key: Some("region"),
        variable: Some("OCI_CLI_REGION"),
        kind: Kind::Region,
        default: Some("as in the OCI config"),
        value: "REGION",
        group: Group::Profile,
        help: "the OCI region",
        example: "--region eu-frankfurt-1",
        essential: true,
        forwarded: true,
        kept_in_kubeconfig: true,
        ..ROW
    },
    Opt {
        name: "--cli-rc-file",
        variable: Some("OCI_CLI_RC_FILE"),
        kind: Kind::Path,
        default: Some("~/.oci/oci_cli_rc"),
        value: "PATH",
        group: Group::Profile,
        help: "oci's own settings; their default_profile is the profile if none is named",
        example: "--cli-rc-file ~/team/oci_cli_rc",
        forwarded: true,
        ..ROW
    },
    Opt {
        name: "--auth",
        default: Some("security_token"),
        value: "TYPE",
        group: Group::Profile,
        help: "how oci signs; with any value but security_token, oci runs without a session of woci's",
        example: "--auth security_token",
        essential: true,
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
        essential: true,
        kept_in_kubeconfig: true,
        ..ROW
    },
    Opt {
        name: "--sessions-folder",
        key: Some("sessions_folder"),
        variable: Some("WOCI_SESSIONS_FOLDER"),
        kind: Kind::Path,
        default: Some("~/.oci/sessions"),
        value: "PATH",
        group: Group::Profile,
        help: "the folder of the sessions, for a home without file locks (NFS)",
        example: "--sessions-folder /var/tmp/ada/sessions",
        kept_in_kubeconfig: true,
        ..ROW
    },
    Opt {
        name: "--session-from",
        key: Some("session_from"),
        kind: Kind::OneOf(SESSION_FROM),
        default: Some("provider or workload if one of their settings is set, else console"),
        value: "SOURCE",
        group: Group::Source,
        help: "console: Oracle's own sign-in; provider: a sign-in at an OpenID provider; workload: a token that this machine already has",
        example: "--session-from console",
        kept_in_kubeconfig: true,
        ..ROW
    },
    Opt {
        name: "--subject-token-file",
        key: Some("subject_token_file"),
        kind: Kind::Path,
        value: "PATH",
        group: Group::Source,
        help: "the file that holds a workload's token, read again at each renewal",
        example: "--subject-token-file /var/run/secrets/tokens/oci",
        kept_in_kubeconfig: true,
        ..ROW
    },
    Opt {
        name: "--subject-token-env",
        key: Some("subject_token_env"),
        value: "VAR",
        group: Group::Source,
        help: "the variable that holds a workload's token",
        example: "--subject-token-env OCI_ID_TOKEN",
        kept_in_kubeconfig: true,
        ..ROW
    },
    Opt {
        name: "--subject-token-from",
        key: Some("subject_token_from"),
        kind: Kind::OneOf(&["github", "azure"]),
        value: "github|azure",
        group: Group::Source,
        help: "ask the CI runner for a workload's token at each renewal: GitHub Actions (also Forgejo), or Azure DevOps",
        example: "--subject-token-from github",
        kept_in_kubeconfig: true,
        ..ROW
    },
    Opt {
        name: "--subject-token-audience",
        key: Some("subject_token_audience"),
        value: "AUDIENCE",
        group: Group::Source,
        help: "the audience that a workload's token must name; GitHub is asked for a token with it",
        example: "--subject-token-audience oci",
        kept_in_kubeconfig: true,
        ..ROW
    },
    Opt {
        name: "--subject-token-service-connection",
        key: Some("subject_token_service_connection"),
        value: "ID",
        group: Group::Source,
        help: "the service connection that Azure DevOps names in the workload's token; without it, the token names the pipeline",
        example: "--subject-token-service-connection 1a2b3c4d-0000-4000-8000-1a2b3c4d5e6f",
        kept_in_kubeconfig: true,
        ..ROW
    },
    Opt {
        name: "--subject-token-command",
        key: Some("subject_token_command"),
        kind: Kind::Command,
        value: "COMMAND",
        group: Group::Source,
        help: "the command that prints a workload's token",
        example: "--subject-token-command \"vault read -field=token identity/oidc/token/oci\"",
        kept_in_kubeconfig: true,
        ..ROW
    },
    Opt {
        name: "--console-url",
        key: Some("console_url"),
        kind: Kind::Url,
        default: Some("https://login.REGION.oraclecloud.com, in each realm its own domain"),
        value: "URL",
        group: Group::Console,
        help: "scheme and host of Oracle's sign-in",
        example: "--console-url https://login.eu-frankfurt-1.oraclecloud.com",
        kept_in_kubeconfig: true,
        ..ROW
    },
    Opt {
        name: "--auth-service-url",
        key: Some("auth_service_url"),
        kind: Kind::Url,
        default: Some("https://auth.REGION.oraclecloud.com, in each realm its own domain"),
        value: "URL",
        group: Group::Console,
        help: "scheme and host of the service that renews a console session",
        example: "--auth-service-url https://auth.eu-frankfurt-1.oraclecloud.com",
        kept_in_kubeconfig: true,
        ..ROW
    },
    Opt {
        name: "--issuer",
        key: Some("issuer"),
        kind: Kind::Issuer,
        value: "URL",
        group: Group::Provider,
        help: "the provider, whose document at URL/.well-known/openid-configuration names its endpoints; takes the place of --authz-base-url and --token-url",
        example: "--issuer https://idp.example.com/oauth2/default",
        clashes_with_oci: true,
        kept_in_kubeconfig: true,
        ..ROW
    },
    Opt {
        name: "--issuer-expected",
        key: Some("issuer_expected"),
        default: Some("the URL of --issuer"),
        value: "NAME",
        group: Group::Provider,
        help: "the issuer that the provider's document and answers have to name, if it is not its URL",
        example: "--issuer-expected https://identity.oraclecloud.com/",
        kept_in_kubeconfig: true,
        ..ROW
    },
    Opt {
        name: "--authz-base-url",
        key: Some("authz_base_url"),
        kind: Kind::Url,
        value: "URL",
        group: Group::Provider,
        help: "the provider's authorization endpoint (required without --issuer); a query in it is kept",
        example: "--authz-base-url https://idp.example.com/oauth2/v1/authorize",
        kept_in_kubeconfig: true,
        ..ROW
    },
    Opt {
        name: "--token-url",
        key: Some("token_url"),
        kind: Kind::Url,
        value: "URL",
        group: Group::Provider,
        help: "the provider's token endpoint (required without --issuer)",
        example: "--token-url https://idp.example.com/oauth2/v1/token",
        kept_in_kubeconfig: true,
        ..ROW
    },
    Opt {
        name: "--auth-client-id",
        key: Some("auth_client_id"),
        value: "ID",
        group: Group::Provider,
        help: "ID of the authorization client, registered at the provider (required)",
        example: "--auth-client-id 0oa1b2c3",
        kept_in_kubeconfig: true,
        ..ROW
    },
    Opt {
        name: "--auth-client-secret",
        key: Some("auth_client_secret"),
        kind: Kind::Secret,
        value: "SECRET",
        group: Group::Provider,
        help: "secret of the authorization client, registered at the provider; a public client has none. As an option, every user of the machine can read it",
        example: "--auth-client-secret \"$SECRET\"",
        ..ROW
    },
    Opt {
        name: "--auth-client-secret-file",
        key: Some("auth_client_secret_file"),
        kind: Kind::Path,
        value: "PATH",
        group: Group::Provider,
        help: "the file that holds that secret; nobody but you may be able to read it",
        example: "--auth-client-secret-file ~/.oci/auth-client-secret",
        kept_in_kubeconfig: true,
        ..ROW
    },
    Opt {
        name: "--auth-client-secret-env",
        key: Some("auth_client_secret_env"),
        value: "VAR",
        group: Group::Provider,
        help: "the variable that holds that secret",
        example: "--auth-client-secret-env WOCI_AUTH_CLIENT_SECRET",
        kept_in_kubeconfig: true,
        ..ROW
    },
    Opt {
        name: "--auth-client-secret-command",
        key: Some("auth_client_secret_command"),
        kind: Kind::Command,
        value: "COMMAND",
        group: Group::Provider,
        help: "the command that prints that secret; see `woci help secrets`",
        example: "--auth-client-secret-command \"pass show woci/auth-secret\"",
        kept_in_kubeconfig: true,
        ..ROW
    },
    Opt {
        name: "--scope",
        key: Some("scope"),
        value: "SCOPES",
        group: Group::Provider,
        help: "the scopes to request (required); offline_access requests a refresh token",
        example: "--scope \"openid offline_access\"",
        clashes_with_oci: true,
        kept_in_kubeconfig: true,
        ..ROW
    },
    Opt {
        name: "--authz-params",
        key: Some("authz_params"),
        kind: Kind::Parameters,
        value: "PARAMETERS",
        group: Group::Provider,
        help: "parameters that are added to the authorization URL; those that woci sends itself are refused",
        example: "--authz-params \"prompt=consent&audience=api\"",
        kept_in_kubeconfig: true,
        ..ROW
    },
    Opt {
        name: "--login-hint",
        key: Some("login_hint"),
        value: "NAME",
        group: Group::Provider,
        help: "the user name that the provider's sign-in page suggests",
        example: "--login-hint ada@example.com",
        kept_in_kubeconfig: true,
        ..ROW
    },
    Opt {
        name: "--revocation-url",
        key: Some("revocation_url"),
        kind: Kind::Url,
        default: Some("as in the issuer's document"),
        value: "URL",
        group: Group::Provider,
        help: "the provider's endpoint that revokes the refresh token at `woci logout`",
        example: "--revocation-url https://idp.example.com/oauth2/v1/revoke",
        ..ROW
    },
    Opt {
        name: "--token-exchange-url",
        key: Some("token_exchange_url"),
        kind: Kind::Url,
        default: Some("the URL of --token-url"),
        value: "URL",
        group: Group::Exchange,
        help: "the identity domain's token endpoint",
        example: "--token-exchange-url https://idcs-1a2b.example.com/oauth2/v1/token",
        kept_in_kubeconfig: true,
        ..ROW
    },
    Opt {
        name: "--client-id",
        key: Some("client_id"),
        value: "ID",
        group: Group::Exchange,
        help: "ID of the exchange client, registered in the identity domain (required)",
        example: "--client-id 1a2b3c",
        clashes_with_oci: true,
        kept_in_kubeconfig: true,
        ..ROW
    },
    Opt {
        name: "--client-secret",
        key: Some("client_secret"),
        kind: Kind::Secret,
        value: "SECRET",
        group: Group::Exchange,
        help: "secret of the exchange client, registered in the identity domain (required). As an option, every user of the machine can read it",
        example: "--client-secret \"$SECRET\"",
        clashes_with_oci: true,
        ..ROW
    },
    Opt {
        name: "--client-secret-file",
        key: Some("client_secret_file"),
        kind: Kind::Path,
        value: "PATH",
        group: Group::Exchange,
        help: "the file that holds the secret of the identity domain's client; nobody but you may be able to read it",
        example: "--client-secret-file ~/.oci/client-secret",
        kept_in_kubeconfig: true,
        ..ROW
    },
    Opt {
        name: "--client-secret-env",
        key: Some("client_secret_env"),
        value: "VAR",
        group: Group::Exchange,
        help: "the variable that holds the secret of the identity domain's client",
        example: "--client-secret-env WOCI_CLIENT_SECRET",
        kept_in_kubeconfig: true,
        ..ROW
    },
    Opt {
        name: "--client-secret-command",
        key: Some("client_secret_command"),
        kind: Kind::Command,
        value: "COMMAND",
        group: Group::Exchange,
        help: "the command that prints the secret of the identity domain's client; see `woci help secrets`",
        example: "--client-secret-command \"pass show woci/secret\"",
        kept_in_kubeconfig: true,
        ..ROW
    },
    Opt {
        name: "--requested-token",
        key: Some("requested_token"),
        kind: Kind::OneOf(&["upst", "rpst"]),
        default: Some("upst"),
        value: "upst|rpst",
        group: Group::Exchange,
        help: "what a workload's token is exchanged for: upst, the session of a user; rpst, that of a resource",
        example: "--requested-token rpst",
        kept_in_kubeconfig: true,
        ..ROW
    },
    Opt {
        name: "--res-type",
        key: Some("res_type"),
        value: "TYPE",
        group: Group::Exchange,
        help: "the type of the resource, as the identity propagation trust names it (required for rpst)",
        example: "--res-type githubactions",
        kept_in_kubeconfig: true,
        ..ROW
    },
    Opt {
        name: "--rpst-exp",
        key: Some("rpst_exp"),
        kind: Kind::Number { least: 1, most: 43_200 },
        default: Some("left to the identity domain"),
        value: "N",
        group: Group::Exchange,
        help: "how long an rpst is valid, sent as it is; Oracle's SDKs count minutes, up to 720",
        example: "--rpst-exp 60",
        kept_in_kubeconfig: true,
        ..ROW
    },
    Opt {
        name: "--redirect-port",
        key: Some("redirect_port"),
        kind: Kind::Ports,
        default: Some("8181"),
        value: "N,…",
        group: Group::SignIn,
        help: "the local port that the browser is redirected to; of a list the first free one, with 0 any free one. Register the redirect URI http://127.0.0.1:N/callback",
        example: "--redirect-port 8181,8182",
        essential: true,
        kept_in_kubeconfig: true,
        ..ROW
    },
    Opt {
        name: "--redirect-host",
        key: Some("redirect_host"),
        kind: Kind::OneOf(&["127.0.0.1", "localhost"]),
        default: Some("127.0.0.1"),
        value: "127.0.0.1|localhost",
        group: Group::SignIn,
        help: "the host of the redirect URI that is registered at the provider",
        example: "--redirect-host localhost",
        kept_in_kubeconfig: true,
        ..ROW
    },
    Opt {
        name: "--redirect-path",
        key: Some("redirect_path"),
        kind: Kind::UrlPath,
        default: Some("/callback"),
        value: "PATH",
        group: Group::SignIn,
        help: "the path of the redirect URI that is registered at the provider",
        example: "--redirect-path /oauth2/callback",
        kept_in_kubeconfig: true,
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
        help: "whether a run may open a browser by itself; `session authenticate` always may",
        example: "--sign-in never",
        essential: true,
        kept_in_kubeconfig: true,
        ..ROW
    },
    Opt {
        name: "--sign-in-with",
        key: Some("sign_in_with"),
        kind: Kind::OneOf(&["auto", "browser", "paste", "device"]),
        default: Some("auto"),
        value: "WAY",
        group: Group::SignIn,
        help: "browser: one of this machine; paste: open the URL anywhere and paste the address of the last page; device: type a code on a page of the provider's; auto: browser where one can open, else device if the provider has it, else paste",
        example: "--sign-in-with paste",
        kept_in_kubeconfig: true,
        ..ROW
    },
    Opt {
        name: "--device-url",
        key: Some("device_url"),
        kind: Kind::Url,
        value: "URL",
        group: Group::SignIn,
        help: "the provider's device authorization endpoint, for --sign-in-with device",
        example: "--device-url https://idp.example.com/oauth2/v1/device/authorize",
        kept_in_kubeconfig: true,
        ..ROW
    },
    Opt {
        name: "--device-form",
        key: Some("device_form"),
        kind: Kind::OneOf(&["standard", "oracle"]),
        default: Some("standard"),
        value: "standard|oracle",
        group: Group::SignIn,
        help: "how a device code is requested: as RFC 8628 says, or as Oracle's identity domains want it",
        example: "--device-form oracle",
        kept_in_kubeconfig: true,
        ..ROW
    },
    Opt {
        name: "--expect-user",
        key: Some("expect_user"),
        kind: Kind::Ocid,
        value: "OCID",
        group: Group::SignIn,
        help: "accept only the session of this user; any other is refused before it is stored",
        example: "--expect-user ocid1.user.oc1..aaaa",
        kept_in_kubeconfig: true,
        ..ROW
    },
    Opt {
        name: "--expect-tenancy",
        key: Some("expect_tenancy"),
        kind: Kind::Ocid,
        value: "OCID",
        group: Group::SignIn,
        help: "accept only a session of this tenancy; any other is refused before it is stored",
        example: "--expect-tenancy ocid1.tenancy.oc1..aaaa",
        kept_in_kubeconfig: true,
        ..ROW
    },
    Opt {
        name: "--refresh-token-passphrase-env",
        key: Some("refresh_token_passphrase_env"),
        value: "VAR",
        group: Group::AtRest,
        help: "the variable that holds the passphrase which encrypts the refresh token",
        example: "--refresh-token-passphrase-env WOCI_PASSPHRASE",
        kept_in_kubeconfig: true,
        ..ROW
    },
    Opt {
        name: "--refresh-token-passphrase-prompt",
        key: Some("refresh_token_passphrase_prompt"),
        kind: Kind::Flag,
        default: Some("off"),
        group: Group::AtRest,
        help: "ask for the passphrase that encrypts the refresh token; takes precedence over its other sources",
        example: "--refresh-token-passphrase-prompt",
        kept_in_kubeconfig: true,
        ..ROW
    },
    Opt {
        name: "--refresh-token-passphrase-file",
        key: Some("refresh_token_passphrase_file"),
        kind: Kind::Path,
        value: "PATH",
        group: Group::AtRest,
        help: "the file that holds the passphrase which encrypts the refresh token; nobody but you may be able to read it",
        example: "--refresh-token-passphrase-file ~/.oci/passphrase",
        kept_in_kubeconfig: true,
        ..ROW
    },
    Opt {
        name: "--refresh-token-passphrase-command",
        key: Some("refresh_token_passphrase_command"),
        kind: Kind::Command,
        value: "COMMAND",
        group: Group::AtRest,
        help: "the command that prints the passphrase which encrypts the refresh token; see `woci help secrets`",
        example: "--refresh-token-passphrase-command \"pass show woci/passphrase\"",
        kept_in_kubeconfig: true,
        ..ROW
    },
    Opt {
        name: "--refresh-token-get-command",
        key: Some("refresh_token_get_command"),
        kind: Kind::Command,
        value: "COMMAND",
        group: Group::AtRest,
        help: "the command that prints the refresh token, which a keyring then keeps in place of the file; nothing printed means that there is none",
        example: "--refresh-token-get-command \"pass show woci/token\"",
        kept_in_kubeconfig: true,
        ..ROW
    },
    Opt {
        name: "--refresh-token-put-command",
        key: Some("refresh_token_put_command"),
        kind: Kind::Command,
        value: "COMMAND",
        group: Group::AtRest,
        help: "the command that takes the refresh token on stdin",
        example: "--refresh-token-put-command \"pass insert --multiline --force woci/token\"",
        kept_in_kubeconfig: true,
        ..ROW
    },
    Opt {
        name: "--auto-refresh",
        key: Some("auto_refresh"),
        kind: Kind::Flag,
        default: Some("off"),
        group: Group::Fresh,
        help: "renew the session in the background; with oci and exec, while the program runs; with credential, env and kube-credential, in a separate process, so that they do not wait",
        example: "--auto-refresh",
        essential: true,
        kept_in_kubeconfig: true,
        ..ROW
    },
    Opt {
        name: "--refresh-safety-window",
        key: Some("refresh_safety_window"),
        kind: Kind::Number { least: 0, most: SECONDS_OF_A_DAY },
        default: Some("600"),
        value: "SECONDS",
        group: Group::Fresh,
        help: "a session token is refreshed in the background this many seconds before it expires; never before half of its lifetime has passed",
        example: "--refresh-safety-window 300",
        kept_in_kubeconfig: true,
        ..ROW
    },
    Opt {
        name: "--daemon",
        kind: Kind::Flag,
        group: Group::Fresh,
        example: "--daemon session authenticate",
        ..ROW
    },
    Opt {
        name: "--foreground",
        kind: Kind::Flag,
        group: Group::Fresh,
        help: "stay in the foreground, for systemd and launchd",
        example: "--daemon --foreground",
        verbs: &["--daemon"],
        ..ROW
    },
    Opt { name: "--daemon-status", kind: Kind::Flag, group: Group::Fresh, example: "--daemon-status", ..ROW },
    Opt { name: "--stop-daemon", kind: Kind::Flag, group: Group::Fresh, example: "--stop-daemon", ..ROW },
    Opt {
        name: "--log-level",
        key: Some("log_level"),
        kind: Kind::OneOf(LOG_LEVELS),
        default: Some("INFO"),
        value: "LEVEL",
        group: Group::Messages,
        help: "DEBUG, INFO, WARNING or ERROR; which messages are written to stderr",
        example: "--log-level DEBUG",
        essential: true,
        ..ROW
    },
    Opt {
        name: OUTPUT,
        kind: Kind::OneOf(&["json", "text"]),
        default: Some("text on a terminal, json elsewhere"),
        value: "json|text",
        group: Group::Messages,
        help: "how woci's own verbs print their document; with an oci command, oci gets the option",
        example: "--output json",
        essential: true,
        forwarded: true,
        ..ROW
    },
    Opt {
        name: "--shell",
        kind: Kind::OneOf(SHELLS),
        default: Some("sh"),
        value: "SHELL",
        group: Group::Verb,
        help: "whose syntax is printed: sh (also bash, zsh), fish, or powershell (also pwsh)",
        example: "--shell fish",
        verbs: &["env"],
        ..ROW
    },
    Opt {
        name: "--unset",
        kind: Kind::Flag,
        group: Group::Verb,
        help: "of env: print the lines that unset the variables again; what they held before is not restored. Of config set: remove the key",
        example: "--unset",
        verbs: &["env", "config set"],
        ..ROW
    },
    Opt {
        name: "--common",
        kind: Kind::Flag,
        group: Group::Verb,
        help: "change [COMMON], whose values apply to every profile, in place of the profile's section",
        example: "config set --common region eu-frankfurt-1",
        verbs: &["config set"],
        ..ROW
    },
    Opt {
        name: "--preset",
        kind: Kind::OneOf(PRESETS),
        value: "PRESET",
        group: Group::Verb,
        help: "where people sign in: console (Oracle's own page), oci (an OCI identity domain), okta, entra, keycloak, or issuer (any other OpenID provider)",
        example: "config init --preset okta",
        verbs: &["config init"],
        ..ROW
    },
    Opt {
        name: "--force",
        kind: Kind::Flag,
        group: Group::Verb,
        help: "replace the section that the profile has in woci_manager.ini",
        example: "config init --preset console --force",
        verbs: &["config init"],
        ..ROW
    },
    Opt {
        name: "--no-sign-in",
        kind: Kind::Flag,
        group: Group::Verb,
        help: "write the section and end without the sign-in",
        example: "config init --preset okta --no-sign-in",
        verbs: &["config init"],
        ..ROW
    },
    Opt {
        name: "--cluster-id",
        value: "OCID",
        group: Group::Verb,
        help: "the cluster",
        example: "--cluster-id ocid1.cluster.oc1.iad.aaaa",
        verbs: &["kube-credential", "kubeconfig"],
        required: true,
        ..ROW
    },
    Opt {
        name: "--user",
        default: Some("the one for this cluster, else the name that oci gives it"),
        value: "NAME",
        group: Group::Verb,
        help: "the name of the kubeconfig's user entry",
        example: "--user prod-cluster",
        verbs: &["kubeconfig"],
        ..ROW
    },
    Opt {
        name: "--write",
        kind: Kind::Flag,
        group: Group::Verb,
        help: "make kubectl write the entry into the current kubeconfig",
        example: "--write",
        verbs: &["kubeconfig"],
        ..ROW
    },
    Opt {
        name: "--profile-name",
        value: "NAME",
        group: Group::Verb,
        help: "the same as --profile; `oci session authenticate` uses this name",
        example: "session authenticate --profile-name prod",
        verbs: &["session authenticate"],
        ..ROW
    },
    Opt {
        name: "--tenancy-name",
        value: "NAME",
        group: Group::Verb,
        help: "the tenancy to sign in to, for a console session",
        example: "session authenticate --tenancy-name acme",
        verbs: &["session authenticate"],
        ..ROW
    },
    Opt {
        name: "--identity-provider-name",
        value: "NAME",
        group: Group::Verb,
        help: "the tenancy's identity provider to sign in at, for a console session",
        example: "session authenticate --identity-provider-name OracleIdentityCloudService",
        verbs: &["session authenticate"],
        ..ROW
    },
    Opt {
        name: "--replace-api-key",
        kind: Kind::Flag,
        group: Group::Verb,
        help: "replace an API key in the profile's section of the OCI config; the file as it was is kept beside it",
        example: "session authenticate --profile prod --replace-api-key",
        verbs: &["session authenticate"],
        ..ROW
    },
    Opt {
        name: "--all",
        kind: Kind::Flag,
        group: Group::Verb,
        help: "every profile, not one",
        example: "status --all",
        verbs: &["status", "logout"],
        ..ROW
    },
    Opt {
        name: "--restore",
        kind: Kind::Flag,
        group: Group::Verb,
        help: "bring back the API key that a session had replaced in the profile's section of the OCI config",
        example: "logout --restore",
        verbs: &["logout"],
        ..ROW
    },
    Opt {
        name: "--online",
        kind: Kind::Flag,
        group: Group::Verb,
        help: "also try the network; no token of the session is sent",
        example: "doctor --online",
        verbs: &["doctor"],
        ..ROW
    },
];

/// Finds an option that may stand anywhere on the command line. This includes an option of one verb
/// if that verb is itself an option (`--foreground` of `--daemon`), since options have no order.
pub fn find(name: &str) -> Option<&'static Opt> {
    OPTIONS.iter().find(|opt| opt.name == name && opt.verbs.iter().all(|verb| verb.starts_with("--")))
}

/// The row of an option that only this verb has.
pub fn find_of_verb(verb: &str, name: &str) -> Option<&'static Opt> {
    OPTIONS.iter().find(|opt| opt.verbs.contains(&verb) && opt.name == name)
}

/// The row of a manager-config key, which is written in lower case.
pub fn find_key(key: &str) -> Option<&'static Opt> {
    OPTIONS.iter().find(|opt| opt.key == Some(key))
}

/// A manager-config key as messages name it, after its option.
pub fn option_and_key(key: &str) -> Option<String> {
    find_key(key).map(|row| format!("{} ({key})", row.name))
}

/// The known name that differs least from this one, if one is close.
pub fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let near = known.filter_map(|known| Some((difference(name, known)?, known)));
    near.min().map(|(_, nearest)| nearest)
}

/// How much a name differs from a known one; none where it is not close.
pub fn difference(name: &str, known: &str) -> Option<usize> {
    // A name of another length takes as many changes at least. Without this, a long text would be compared with each name.
    if name.chars().count().abs_diff(known.chars().count()) * 3 > known.len() {
        return None;
    }
    distance(name, known, known.len() / 3)
}

/// How many characters to insert, remove, change or swap with their neighbour; none where it is more than `most`.
fn distance(a: &str, b: &str, most: usize) -> Option<usize> {
    let b: Vec<char> = b.chars().collect();
    // The row of the last character of `a` that was looked at, and the row before: for each length of `b`'s start, how
    // much it differs from `a` up to there.
    let (mut before, mut last) = (Vec::new(), (0..=b.len()).collect::<Vec<usize>>());
    let mut previous = None;
    for (i, character) in a.chars().enumerate() {
        let mut row = Vec::with_capacity(b.len() + 1);
        row.push(i + 1);
        for j in 0..b.len() {
            let changed = last[j] + usize::from(character != b[j]);
            let mut least = changed.min(last[j + 1] + 1).min(row[j] + 1);
            if j > 0 && character == b[j - 1] && previous == Some(b[j]) {
                least = least.min(before[j - 1] + 1);
            }
            row.push(least);
        }
        // No later row holds less than the least of the two.
        if row.iter().chain(&last).all(|differs| *differs > most) {
            return None;
        }
        (before, last, previous) = (last, row, Some(character));
    }
    last.last().copied().filter(|differs| *differs <= most)
}

/// The options that were given, each one once, with their values as typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags(Vec<(&'static str, String)>);

impl Flags {
    /// The value of the option of this name; an empty text for one that takes no value.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| *n == name).map(|(_, value)| value.as_str())
    }

    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(name, value)| (*name, value.as_str()))
    }

    /// The options that choose the session, for the commands that woci suggests.
    pub fn given(&self) -> Given {
        let value = |name| self.get(name).map(str::to_owned);
        Given {
            profile: value("--profile"),
            manager_config: value("--manager-config"),
            config_file: value("--config-file"),
            sessions_folder: value("--sessions-folder"),
            sign_in_with: value("--sign-in-with"),
            ..Given::default()
        }
    }

    /// Sets an option, in place of the value that it had.
    pub fn set(&mut self, name: &'static str, value: String) {
        self.0.retain(|(n, _)| *n != name);
        self.0.push((name, value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_shared_with_oci_match_its_list() {
        let list = include_str!("../fixtures/oci-options.txt");
        let ocis: Vec<&str> = list.lines().filter(|line| line.starts_with("--")).collect();
        assert!(ocis.len() > 7000, "{}", ocis.len());
        for opt in OPTIONS.iter().filter(|opt| find(opt.name).is_some()) {
            let is_ocis = ocis.contains(&opt.name);
            assert_eq!(opt.clashes_with_oci || opt.forwarded, is_ocis, "{}", opt.name);
        }
    }

    #[test]
    fn rows_are_whole() {
        for (n, opt) in OPTIONS.iter().enumerate() {
            let Opt { name, .. } = opt;
            assert!(OPTIONS[..n].iter().all(|other| other.name != *name), "{name} twice");
            assert!(name.starts_with("--") && opt.example.contains(name), "{name}");
            assert_eq!(opt.value.is_empty(), opt.kind == Kind::Flag, "{name}");
            assert!(
                !(opt.kept_in_kubeconfig && opt.kind == Kind::Secret),
                "{name}: a kubeconfig is shown and copied"
            );
            assert!(!(opt.clashes_with_oci && opt.forwarded), "{name}");
            assert!(opt.key.is_none() || opt.verbs.is_empty(), "{name} is a setting of one verb");
            assert_eq!(opt.group == Group::Verb, find(name).is_none(), "{name}");
        }
        assert_eq!(OPTIONS.iter().filter(|opt| opt.essential).count(), 10);
    }

    #[test]
    fn the_nearest_name_is_close() {
        let known = ["env", "credential", "kubeconfig"];
        for (name, expected) in
            [("credentail", Some("credential")), ("evn", Some("env")), ("iam", None), ("", None)]
        {
            assert_eq!(nearest(name, known.into_iter()), expected, "{name}");
        }
    }
}
