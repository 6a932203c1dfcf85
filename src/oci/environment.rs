//! The environment variables that oci and the OCI SDKs read.

/// Variables that override the profile's identity. They are removed from oci's environment.
pub const OVERRIDING: [&str; 7] = [
    "OCI_CLI_KEY_FILE",
    "OCI_CLI_KEY_CONTENT",
    "OCI_CLI_SECURITY_TOKEN_FILE",
    "OCI_CLI_PASSPHRASE",
    "OCI_CLI_USER",
    "OCI_CLI_FINGERPRINT",
    "OCI_CLI_TENANCY",
];
