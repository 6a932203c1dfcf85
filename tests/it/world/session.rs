//! Access to a profile's session folder: tests read it, create a session without a sign-in, let it expire, and
//! check it.

use super::{World, list};
use crate::sim::domain;
use crate::sim::jwt::{self, Key};
use serde_json::Value;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Of `jwt::SESSION_PEM`.
const FINGERPRINT: &str = "fd:0c:c6:50:58:0f:07:ac:cf:8a:96:3c:db:b6:ad:86";

pub struct Session<'w> {
    world: &'w World,
    pub folder: PathBuf,
}

impl<'w> Session<'w> {
    pub(super) fn new(world: &'w World, profile: &str) -> Session<'w> {
        Session { world, folder: world.path(".oci/sessions").join(profile) }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A file's text; `None` if there is no such file.
    pub fn read(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.path(name)).ok()
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::write(&path, text).expect("a session folder is writable");
        fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("own files take a mode");
    }

    pub fn remove(&self, name: &str) {
        fs::remove_file(self.path(name)).expect("the file is there");
    }

    pub fn token(&self) -> String {
        let text = self.read("token").expect("there is a token");
        text.trim_end().to_owned()
    }

    pub fn refresh_token(&self) -> Option<String> {
        self.read("refresh_token").map(|text| text.trim_end().to_owned())
    }

    pub fn record(&self) -> Value {
        let text = self.read("session.json").expect("there is a session.json");
        serde_json::from_str(&text).expect("session.json is JSON")
    }

    pub fn key(&self) -> String {
        self.read("private_key.pem").expect("there is a private_key.pem")
    }

    /// Names of all files.
    pub fn files(&self) -> Vec<String> {
        list(&self.folder)
    }

    /// All files with their bytes, to show that nothing changed.
    pub fn snapshot(&self) -> Vec<(String, Vec<u8>)> {
        let names = self.files().into_iter().filter(|name| !is_lock(name));
        names.map(|name| (name.clone(), fs::read(self.path(&name)).expect("a listed file"))).collect()
    }

    /// Writes a key, a UPST that is valid for these seconds, and a valid refresh token, as a sign-in does.
    pub fn seed(&self, upst_lifetime: i64) {
        super::make_private(&self.folder);
        self.write("private_key.pem", jwt::SESSION_PEM);
        self.write("refresh_token", self.world.sim.provider.issue_refresh_token());
        let key = Key::from_pem(jwt::SESSION_PEM).public();
        self.put_token(domain::claims(&key, upst_lifetime));
    }

    /// Writes a key and the UPST of a console session that is valid for these seconds, and nothing else.
    pub fn seed_console(&self, seconds_left: i64) {
        super::make_private(&self.folder);
        self.write("private_key.pem", jwt::SESSION_PEM);
        let key = Key::from_pem(jwt::SESSION_PEM).public();
        self.write("token", self.world.sim.console.issue(&key, seconds_left));
    }

    /// Writes what `oci session authenticate` leaves: token, both halves of the key, and the section `[DEFAULT]`.
    pub fn seed_of_oci(&self, key_file: &str, seconds_left: i64) {
        super::make_private(&self.folder);
        self.write(key_file, format!("{}OCI_API_KEY", jwt::SESSION_PEM));
        self.write("oci_api_key_public.pem", "-----BEGIN PUBLIC KEY-----\n");
        let key = Key::from_pem(jwt::SESSION_PEM).public();
        self.write("token", self.world.sim.console.issue(&key, seconds_left));
        let text = format!(
            "[DEFAULT]\nfingerprint={}\nkey_file={}\ntenancy={}\nregion=us-ashburn-1\nsecurity_token_file={}\n",
            FINGERPRINT,
            self.path(key_file).display(),
            domain::TENANCY,
            self.path("token").display(),
        );
        self.world.write(".oci/config", text);
    }

    /// Replaces the UPST with one that expired a minute ago.
    pub fn expire(&self) {
        self.age(-60);
    }

    /// Replaces the UPST with one that expires in these seconds.
    pub fn age(&self, seconds_left: i64) {
        let mut claims = jwt::claims(&self.token());
        claims["exp"] = (jwt::now() + seconds_left).into();
        claims["iat"] = (jwt::now() + seconds_left - 3600).into();
        self.put_token(claims);
    }

    /// Replaces the UPST with one that is due for a refresh in these seconds, and returns it.
    pub fn due_in(&self, seconds: i64) -> String {
        const WINDOW: i64 = 600;
        let mut claims = domain::claims(&Key::from_pem(jwt::SESSION_PEM).public(), WINDOW + seconds);
        claims["iat"] = (jwt::now() - 3000).into();
        self.put_token(claims);
        self.token()
    }

    /// Replaces the UPST with the same one that does not say when it was issued, and returns when it expires.
    pub fn forget_iat(&self) -> i64 {
        let mut claims = jwt::claims(&self.token());
        claims.as_object_mut().and_then(|claims| claims.remove("iat")).expect("there was one");
        let exp = claims["exp"].as_i64().expect("the simulator writes numbers");
        self.put_token(claims);
        exp
    }

    /// Replaces the UPST with one of these claims, signed by the domain.
    pub fn put_token(&self, claims: Value) {
        self.write("token", self.world.sim.domain.issue(claims));
    }

    /// Checks that the folder holds only woci's files, and that only the owner has access.
    pub(super) fn check(&self) {
        assert_eq!(mode(&self.folder), 0o700, "{}", self.folder.display());
        for name in self.files() {
            let known = ["token", "private_key.pem", "refresh_token", "session.json", "discovery.json"];
            let daemon = ["woci_refresh.pid", "woci_refresh.log"];
            let ocis = ["oci_api_key.pem", "oci_api_key_public.pem"];
            let all = [&known[..], &daemon, &ocis].concat();
            let expected = all.contains(&&*name) || is_lock(&name);
            assert!(expected, "a stray in the session folder: {name}");
            assert_eq!(mode(&self.path(&name)), 0o600, "{name}");
        }
    }
}

fn is_lock(name: &str) -> bool {
    name.ends_with(".lock") || name == "lock"
}

pub fn mode(path: &Path) -> u32 {
    let metadata = fs::symlink_metadata(path).expect("the path is there");
    metadata.permissions().mode() & 0o7777
}
