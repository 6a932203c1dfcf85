//! The provider's device authorization grant (RFC 8628), in the RFC's form and in that of Oracle's identity domains,
//! and the page on which the person types the code.

use super::endpoint::{self, Refused, token_request};
use super::http::{self, Pairs, Request, Response};
use super::ledger::Device;
use super::provider::{Person, Provider};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

pub const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// Oracle's form of the endpoint, whose answer has no interval.
const DEFAULT_INTERVAL: u64 = 5;

/// The settings of the device grant, which a test may change.
pub struct Rules {
    /// Oracle's form: a `response_type` and no client authentication; neither an interval nor a page with the code in
    /// it.
    pub is_oracles: bool,
    /// Seconds. `None`: the answer has none, and five are due.
    pub interval: Option<u64>,
    /// Seconds.
    pub lifetime: u64,
    /// So many polls in time are answered with `slow_down`, each of which adds five seconds.
    pub slow_downs: u32,
    /// Members that the answer has besides its own or in their place; null takes one away.
    pub members: Vec<(&'static str, Value)>,
}

impl Default for Rules {
    fn default() -> Rules {
        Rules { is_oracles: false, interval: Some(1), lifetime: 300, slow_downs: 0, members: Vec::new() }
    }
}

impl Provider {
    pub fn device_authorization(&self, request: &Request) -> Response {
        endpoint::answer(self.new_device(request))
    }

    fn new_device(&self, request: &Request) -> Result<Value, Refused> {
        let form = token_request(request)?;
        let get = |name| http::value(&form, name);
        if self.rules().device.is_oracles {
            if request.header("authorization").is_some() || get("response_type") != Some("device_code") {
                return Err(Refused::new(
                    "invalid_request",
                    "response_type=device_code, and no authentication",
                ));
            }
            if get("client_id") != Some(&self.rules().client_id) {
                return Err(Refused::client());
            }
        } else {
            self.authenticate(request, &form)?;
            if get("response_type").is_some() || get("grant_type").is_some() {
                return Err(Refused::new("invalid_request", "a parameter of another request"));
            }
        }
        let scope = get("scope").unwrap_or_default();
        if !scope.split(' ').any(|word| word == "openid") {
            return Err(Refused::new("invalid_scope", "openid is due"));
        }
        let mut ledger = self.ledger();
        let code = ledger.new_secret("device");
        let serial = ledger.serial();
        let user_code = format!("WDJB-{serial:04}");
        let family = ledger.new_family(scope);
        let rules = &self.rules().device;
        let interval = if rules.is_oracles { None } else { rules.interval };
        let device = Device {
            family,
            user_code: user_code.clone(),
            interval: Duration::from_secs(interval.unwrap_or(DEFAULT_INTERVAL)),
            slow_downs: rules.slow_downs,
            // The first poll comes an interval after the answer too.
            polled: Instant::now(),
            expires: Instant::now() + Duration::from_secs(rules.lifetime),
            decided: None,
            used: false,
        };
        ledger.devices.insert(code.clone(), device);
        let page = format!("{}/device", self.origin);
        let mut answer = json!({
            "device_code": code,
            "user_code": user_code,
            "verification_uri": page,
            "expires_in": rules.lifetime,
        });
        if let Some(interval) = interval {
            answer["interval"] = interval.into();
        }
        if !rules.is_oracles {
            answer["verification_uri_complete"] = format!("{page}?user_code={user_code}").into();
        }
        for (name, value) in &rules.members {
            answer[*name] = value.clone();
        }
        answer.as_object_mut().expect("it is an object").retain(|_, value| !value.is_null());
        Ok(answer)
    }

    /// The page on which the person has typed the code, and answers at once, or never.
    pub fn device_page(&self, request: &Request) -> Response {
        let person = match request.header("x-person") {
            Some("denies") => Person::denies(),
            _ => self.rules().person.clone(),
        };
        let mut ledger = self.ledger();
        let typed = http::value(&request.query, "user_code").unwrap_or_default();
        let Some(device) = ledger.devices.values_mut().find(|device| device.user_code == typed) else {
            return Response::new(400, "text/html", "<title>Unknown code</title>");
        };
        device.decided = match person {
            Person::Silent => None,
            Person::Approves => Some(Ok(())),
            Person::Denies { description, .. } => Some(Err(description)),
        };
        Response::new(200, "text/html", "<title>You may close this window</title>")
    }

    /// `grant_type` of RFC 8628 3.4. The client was authenticated.
    pub fn poll_device(&self, form: &Pairs) -> Result<Value, Refused> {
        let mut ledger = self.ledger();
        let code = http::value(form, "device_code").unwrap_or_default();
        let device =
            ledger.devices.get_mut(code).ok_or(Refused::new("invalid_grant", "unknown device_code"))?;
        let family = device.family;
        if device.used {
            ledger.revoke_reused(family);
            return Err(Refused::new("invalid_grant", "the device_code was used before"));
        }
        let is_early = device.polled.elapsed() < device.interval;
        device.polled = Instant::now();
        if device.expires <= Instant::now() {
            return Err(Refused::new("expired_token", "the device_code has expired"));
        }
        if is_early || device.slow_downs > 0 {
            device.slow_downs = device.slow_downs.saturating_sub(1);
            device.interval += Duration::from_secs(5);
            ledger.early_polls += u32::from(is_early);
            return Err(Refused::new("slow_down", "polled too often"));
        }
        match &device.decided {
            None => return Err(Refused::new("authorization_pending", "the person has not answered")),
            Some(Err(description)) => return Err(Refused::new("access_denied", description.clone())),
            Some(Ok(())) => device.used = true,
        }
        let scope = ledger.families[family].scope.clone();
        let offline = scope.split(' ').any(|word| word == "offline_access");
        let refresh_token = offline.then(|| ledger.new_refresh_token(family).into());
        Ok(self.tokens(&mut ledger, &scope, refresh_token))
    }
}
