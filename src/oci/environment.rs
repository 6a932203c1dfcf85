//! The environment variables of oci and the SDKs that woci sets and removes.

/// Variables that would make oci another identity than the profile's: removed before oci runs.
pub const OVERRIDING: [&str; 7] = [
    "OCI_CLI_KEY_FILE",
    "OCI_CLI_KEY_CONTENT",
    "OCI_CLI_SECURITY_TOKEN_FILE",
    "OCI_CLI_PASSPHRASE",
    "OCI_CLI_USER",
    "OCI_CLI_FINGERPRINT",
    "OCI_CLI_TENANCY",
];
