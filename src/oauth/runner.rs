//! The identity token of a CI job, which the runner's own service issues: GitHub Actions, whose protocol Forgejo has
//! too, and Azure DevOps. The runner puts the service's URL and a token for the request into the job's variables.

use super::http::{Answer, Client, Endpoint, Post, Retry};
use super::token::{bad_answer, is_token, success_document};
use super::url;
use crate::error::{Error, RUNNER, Result};
use crate::host::Env;
use crate::secret::Secret;

/// The version of the service that Microsoft's own libraries ask for.
const AZURE_API_VERSION: &str = "7.1";

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Runner {
    GitHub {
        /// `None`: the service chooses one.
        audience: Option<String>,
    },
    Azure {
        /// `None`: the token names the pipeline.
        service_connection: Option<String>,
    },
}

impl Runner {
    pub fn name(&self) -> &'static str {
        match self {
            Self::GitHub { .. } => "GitHub Actions",
            Self::Azure { .. } => "Azure DevOps",
        }
    }

    /// What the runner gives a job that may have a token: the URL of its service, and a token for the request.
    ///
    /// # Errors
    /// [`Error::RunnerVariable`] outside such a job.
    pub fn given(&self, env: &Env) -> Result<(String, Secret)> {
        Ok((self.url(env)?, self.request_token(env)?))
    }

    /// Asks for a token.
    ///
    /// # Errors
    /// Those of [`Self::given`], and those of the request.
    pub fn token(&self, client: &Client<'_>, env: &Env) -> Result<Secret> {
        let (base, request_token) = self.given(env)?;
        let url = self.complete(&base);
        let endpoint = Endpoint { what: RUNNER, url: &url };
        let (answer, member) = match self {
            Self::GitHub { .. } => (github(client, &endpoint, &request_token)?, "value"),
            Self::Azure { .. } => (azure(client, &endpoint, &request_token)?, "oidcToken"),
        };
        client.close_connection();
        let document = success_document(&endpoint, &answer, &[&request_token])?;
        match document.get(member).and_then(|token| token.as_str()) {
            Some(token) if !token.is_empty() && is_token(token) => Ok(Secret::new(token.to_owned())),
            _ => Err(bad_answer(&endpoint, &format!("it has no {member}"))),
        }
    }

    fn url_variable(&self) -> &'static str {
        match self {
            Self::GitHub { .. } => "ACTIONS_ID_TOKEN_REQUEST_URL",
            Self::Azure { .. } => "SYSTEM_OIDCREQUESTURI",
        }
    }

    /// The variable that holds the token for the request: whoever has it can ask for a token of the job.
    pub fn request_token_variable(&self) -> &'static str {
        match self {
            Self::GitHub { .. } => "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
            Self::Azure { .. } => "SYSTEM_ACCESSTOKEN",
        }
    }

    /// The URL of the request.
    fn complete(&self, base: &str) -> String {
        match self {
            Self::GitHub { audience: Some(audience) } => url::with_query(base, &[("audience", audience)]),
            Self::GitHub { audience: None } => base.to_owned(),
            Self::Azure { service_connection } => {
                let mut query = vec![("api-version", AZURE_API_VERSION)];
                query.extend(service_connection.as_ref().map(|id| ("serviceConnectionId", id.as_str())));
                url::with_query(base, &query)
            }
        }
    }

    fn url(&self, env: &Env) -> Result<String> {
        let name = self.url_variable();
        let url = self.variable(env, name)?;
        match url::check(url) {
            Ok(()) => Ok(url.to_owned()),
            Err(why) => Err(Error::BadValue { name: format!("the variable {name}"), why }),
        }
    }

    fn request_token(&self, env: &Env) -> Result<Secret> {
        let name = self.request_token_variable();
        let token = self.variable(env, name)?;
        match is_token(token) {
            true => Ok(Secret::new(token.to_owned())),
            false => Err(Error::BadValue {
                name: format!("the variable {name}"),
                why: "it holds a character that a token cannot have".into(),
            }),
        }
    }

    fn variable<'e>(&self, env: &'e Env, name: &'static str) -> Result<&'e str> {
        let missing = || Error::RunnerVariable { runner: self.name(), variable: name };
        env.get(name).and_then(|value| value.to_str()).ok_or_else(missing)
    }
}

fn github(client: &Client<'_>, endpoint: &Endpoint<'_>, request_token: &Secret) -> Result<Answer> {
    let authorization = Secret::new(format!("bearer {}", request_token.expose()));
    client.get(endpoint, &[("authorization", authorization.expose())], Retry::Unavailable)
}

fn azure(client: &Client<'_>, endpoint: &Endpoint<'_>, request_token: &Secret) -> Result<Answer> {
    let authorization = Secret::new(format!("Bearer {}", request_token.expose()));
    let headers = [
        ("authorization", authorization.expose()),
        // Without it, the service answers a token that it does not accept with a redirect to a sign-in page.
        ("x-tfs-fedauthredirect", "Suppress"),
    ];
    let post = Post { content_type: "application/json", headers: &headers, body: "" };
    client.post(endpoint, &post, Retry::Unavailable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_that_a_url_has_is_kept_and_each_value_is_encoded() {
        let github = Runner::GitHub { audience: Some("https://a.example/?x=1&y 2".into()) };
        assert_eq!(
            github.complete("https://ci.example/idtoken?api-version=2.0"),
            "https://ci.example/idtoken?api-version=2.0&audience=https%3A%2F%2Fa.example%2F%3Fx%3D1%26y%202"
        );
        assert_eq!(github.complete("https://ci.example/idtoken").matches('?').count(), 1);
        let silent = Runner::GitHub { audience: None };
        assert_eq!(silent.complete("https://ci.example/t?a=b"), "https://ci.example/t?a=b");
        let azure = |id: Option<&str>| Runner::Azure { service_connection: id.map(str::to_owned) };
        assert_eq!(azure(None).complete("https://ci.example/t"), "https://ci.example/t?api-version=7.1");
        assert_eq!(
            azure(Some("1&2")).complete("https://ci.example/t"),
            "https://ci.example/t?api-version=7.1&serviceConnectionId=1%262"
        );
    }

    #[test]
    fn a_job_without_its_variables_or_with_others_is_refused_before_anything_is_sent() {
        let home = crate::testing::Home::new();
        let ask = |runner: &Runner, variables: &[(&str, &str)]| {
            let host = crate::host::Host::of(home.root(), variables);
            runner.token(&Client::new(&host), &host.env).err().map(|e| e.to_string()).unwrap_or_default()
        };
        let github = Runner::GitHub { audience: None };
        let (url, token) = ("ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN");
        for variables in [&[][..], &[(url, "https://ci.example/t")], &[(token, "t"), (url, "")]] {
            let said = ask(&github, variables);
            assert!(said.contains("is not set") && said.contains("permissions: id-token: write"), "{said}");
        }
        let said = ask(&github, &[(url, "http://ci.example/S3cret"), (token, "t")]);
        assert!(said.contains("the variable ACTIONS_ID_TOKEN_REQUEST_URL"), "{said}");
        let said = ask(&github, &[(url, "https://ci.example/t"), (token, "S3cret\nx: y")]);
        assert!(said.contains(token) && !said.contains("S3cret"), "{said}");
        let azure = Runner::Azure { service_connection: None };
        assert!(ask(&azure, &[]).contains("SYSTEM_OIDCREQUESTURI is not set"));
        let said = ask(&azure, &[("SYSTEM_OIDCREQUESTURI", "https://ci.example/t")]);
        assert!(said.contains("SYSTEM_ACCESSTOKEN: $(System.AccessToken)"), "{said}");
    }
}
