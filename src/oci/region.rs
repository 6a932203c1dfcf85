//! OCI's regions: their three-letter keys, which appear in OCIDs, their names, which appear in host names, and the
//! domains of their realms, which end host names. From the OCI SDKs of November 2026; a region that is newer or of
//! another cloud is described to woci as it is to the SDKs (`oci/regions.py` of the Python SDK, 2.189).

use std::path::Path;

use serde_json::Value;

use crate::error;
use crate::files::{self, exposed};
use crate::host::Host;
use crate::log;
use crate::options;

/// Key, name and realm of each region.
const REGIONS: &[(&str, &str, &str)] = &[
    ("lej", "af-casablanca-1", "oc1"),
    ("jnb", "af-johannesburg-1", "oc1"),
    ("hsg", "ap-batam-1", "oc1"),
    ("nja", "ap-chiyoda-1", "oc8"),
    ("yny", "ap-chuncheon-1", "oc1"),
    ("bno", "ap-chuncheon-2", "oc35"),
    ("wga", "ap-dcc-canberra-1", "oc10"),
    ("dac", "ap-dcc-gazipur-1", "oc15"),
    ("onm", "ap-delhi-1", "oc1"),
    ("hyd", "ap-hyderabad-1", "oc1"),
    ("ukb", "ap-ibaraki-1", "oc8"),
    ("jbp", "ap-kulai-2", "oc1"),
    ("mel", "ap-melbourne-1", "oc1"),
    ("bom", "ap-mumbai-1", "oc1"),
    ("kix", "ap-osaka-1", "oc1"),
    ("icn", "ap-seoul-1", "oc1"),
    ("dtz", "ap-seoul-2", "oc35"),
    ("sin", "ap-singapore-1", "oc1"),
    ("xsp", "ap-singapore-2", "oc1"),
    ("dln", "ap-suwon-1", "oc35"),
    ("syd", "ap-sydney-1", "oc1"),
    ("nrt", "ap-tokyo-1", "oc1"),
    ("yul", "ca-montreal-1", "oc1"),
    ("yyz", "ca-toronto-1", "oc1"),
    ("ams", "eu-amsterdam-1", "oc1"),
    ("jsk", "eu-budapest-1", "oc51"),
    ("avf", "eu-crissier-1", "oc24"),
    ("ork", "eu-dcc-dublin-1", "oc14"),
    ("snn", "eu-dcc-dublin-2", "oc14"),
    ("bgy", "eu-dcc-milan-1", "oc14"),
    ("mxp", "eu-dcc-milan-2", "oc14"),
    ("dus", "eu-dcc-rating-1", "oc14"),
    ("dtm", "eu-dcc-rating-2", "oc14"),
    ("avz", "eu-dcc-zurich-1", "oc24"),
    ("fra", "eu-frankfurt-1", "oc1"),
    ("str", "eu-frankfurt-2", "oc19"),
    ("beg", "eu-jovanovac-1", "oc20"),
    ("mad", "eu-madrid-1", "oc1"),
    ("vll", "eu-madrid-2", "oc19"),
    ("orf", "eu-madrid-3", "oc1"),
    ("mrs", "eu-marseille-1", "oc1"),
    ("lin", "eu-milan-1", "oc1"),
    ("cdg", "eu-paris-1", "oc1"),
    ("arn", "eu-stockholm-1", "oc1"),
    ("nrq", "eu-turin-1", "oc1"),
    ("zrh", "eu-zurich-1", "oc1"),
    ("mtz", "il-jerusalem-1", "oc1"),
    ("auh", "me-abudhabi-1", "oc1"),
    ("rkt", "me-abudhabi-2", "oc29"),
    ("ahu", "me-abudhabi-3", "oc26"),
    ("shj", "me-abudhabi-4", "oc29"),
    ("rba", "me-alain-1", "oc26"),
    ("vve", "me-alrayyan-1", "oc21"),
    ("doh", "me-dcc-doha-1", "oc21"),
    ("mct", "me-dcc-muscat-1", "oc9"),
    ("dxb", "me-dubai-1", "oc1"),
    ("ibr", "me-ibri-1", "oc9"),
    ("jed", "me-jeddah-1", "oc1"),
    ("ruh", "me-riyadh-1", "oc1"),
    ("mty", "mx-monterrey-1", "oc1"),
    ("qro", "mx-queretaro-1", "oc1"),
    ("bog", "sa-bogota-1", "oc1"),
    ("hnw", "sa-riodejaneiro-1", "oc52"),
    ("scl", "sa-santiago-1", "oc1"),
    ("gru", "sa-saopaulo-1", "oc1"),
    ("vap", "sa-valparaiso-1", "oc1"),
    ("vcp", "sa-vinhedo-1", "oc1"),
    ("cwl", "uk-cardiff-1", "oc1"),
    ("brs", "uk-gov-cardiff-1", "oc4"),
    ("ltn", "uk-gov-london-1", "oc4"),
    ("lhr", "uk-london-1", "oc1"),
    ("iad", "us-ashburn-1", "oc1"),
    ("yxj", "us-ashburn-2", "oc42"),
    ("ord", "us-chicago-1", "oc1"),
    ("ric", "us-gov-ashburn-1", "oc3"),
    ("pia", "us-gov-chicago-1", "oc3"),
    ("tus", "us-gov-phoenix-1", "oc3"),
    ("lfi", "us-langley-1", "oc2"),
    ("luf", "us-luke-1", "oc2"),
    ("pgc", "us-newark-1", "oc42"),
    ("phx", "us-phoenix-1", "oc1"),
    ("aga", "us-saltlake-2", "oc1"),
    ("sjc", "us-sanjose-1", "oc1"),
    ("ebb", "us-somerset-1", "oc23"),
    ("ebl", "us-thames-1", "oc23"),
];

/// Each realm with its domain.
const REALMS: &[(&str, &str)] = &[
    ("oc1", "oraclecloud.com"),
    ("oc2", "oraclegovcloud.com"),
    ("oc3", "oraclegovcloud.com"),
    ("oc4", "oraclegovcloud.uk"),
    ("oc8", "oraclecloud8.com"),
    ("oc9", "oraclecloud9.com"),
    ("oc10", "oraclecloud10.com"),
    ("oc14", "oraclecloud14.com"),
    ("oc15", "oraclecloud15.com"),
    ("oc19", "oraclecloud.eu"),
    ("oc20", "oraclecloud20.com"),
    ("oc21", "oraclecloud21.com"),
    ("oc23", "oraclecloud23.com"),
    ("oc24", "oraclecloud24.com"),
    ("oc26", "oraclecloud26.com"),
    ("oc29", "oraclecloud29.com"),
    ("oc35", "oraclecloud35.com"),
    ("oc42", "oraclecloud42.com"),
    ("oc51", "oraclecloud51.com"),
    ("oc52", "oraclecloud52.com"),
];

/// The domain of the realm oc1, to which a region belongs that nothing else describes.
const DEFAULT_DOMAIN: &str = "oraclecloud.com";

/// A list of further regions.
const REGIONS_FILE: &str = "~/.oci/regions-config.json";
/// One further region.
const REGION_VARIABLE: &str = "OCI_REGION_METADATA";
/// The realm domain of a region that is described nowhere.
const DOMAIN_VARIABLE: &str = "OCI_DEFAULT_REALM";

/// The names of the regions that woci knows.
pub fn names() -> impl Iterator<Item = &'static str> {
    REGIONS.iter().map(|(_, name, _)| *name)
}

/// The name of a region given by name or key, in any case, as oci accepts it. An unknown name is taken
/// for a new region. `None` if the text cannot be part of a host name.
pub fn name(region: &str) -> Option<String> {
    let region = region.trim().to_ascii_lowercase();
    if let Some((_, name, _)) = REGIONS.iter().find(|(key, ..)| *key == region) {
        return Some((*name).to_owned());
    }
    is_label(&region).then_some(region)
}

/// The region in an OCID: `ocid1.<type>.<realm>.<region>[.<future>].<unique>`. `None` if that part is
/// neither a known key or name nor shaped like a name.
pub fn of_ocid(ocid: &str) -> Option<String> {
    let region = ocid.split('.').nth(3)?;
    let is_known = REGIONS.iter().any(|(key, name, _)| region == *key || region == *name);
    // Like us-ashburn-1: a location and a number.
    let is_name = region.split('-').count() >= 3 && region.ends_with(|last: char| last.is_ascii_digit());
    if is_known || is_name { name(region) } else { None }
}

/// A region as part of host names: `<service>.<name>.<realm domain>`.
#[derive(Debug, PartialEq, Eq)]
pub struct Place {
    pub name: String,
    pub realm_domain: String,
}

impl Place {
    /// Oracle's sign-in page, without a path.
    pub fn login_url(&self) -> String {
        self.url_of("login")
    }

    /// The service that renews session tokens, without a path.
    pub fn auth_url(&self) -> String {
        self.url_of("auth")
    }

    fn url_of(&self, service: &str) -> String {
        format!("https://{service}.{}.{}", self.name, self.realm_domain)
    }
}

/// The place of a region given by name or key, in any case. For a region that woci does not know, the sources of the
/// SDKs are read, in their order: the file of regions, the variable with a region, the variable with a realm domain.
/// One that is malformed is left out with a warning. `None` if the text cannot be part of a host name.
pub fn place(host: &Host, region: &str) -> Option<Place> {
    let region = region.trim().to_ascii_lowercase();
    if !is_label(&region) {
        return None;
    }
    let place = described_place(host, &region).unwrap_or_else(|| {
        log::warning(format_args!("{}", unknown(host, &region)));
        Place { realm_domain: default_domain(host), name: region }
    });
    Some(place)
}

/// A warning about a region that nothing describes; `None` if woci knows the region, or is told its realm.
pub fn doubt(host: &Host, region: &str) -> Option<String> {
    let region = region.trim().to_ascii_lowercase();
    let is_told = host.env.get(DOMAIN_VARIABLE).is_some();
    (!is_told && described_place(host, &region).is_none()).then(|| unknown(host, &region))
}

/// The place of a region that is in the tables, in the person's file or in the variable.
fn described_place(host: &Host, region: &str) -> Option<Place> {
    let mut described = Vec::new();
    let mut place = known(region, &described);
    for read in [of_file, of_variable] {
        if place.is_none() {
            described.extend(read(host));
            place = known(region, &described);
        }
    }
    place
}

/// A region that nothing describes is a new one, or a typing error.
fn unknown(host: &Host, region: &str) -> String {
    let meant = match options::nearest(region, REGIONS.iter().map(|(_, name, _)| *name)) {
        Some(name) => format!(" (did you mean {name}?)"),
        None => String::new(),
    };
    let realm_domain = default_domain(host);
    format!("woci does not know the region {region}{meant}, and takes it for a new one at {realm_domain}")
}

/// The place of a region that is in the tables or in `described`. The tables come first: as in the SDKs, nobody can
/// describe a known region or realm anew.
fn known(region: &str, described: &[Described]) -> Option<Place> {
    let name = REGIONS
        .iter()
        .find(|(key, ..)| *key == region)
        .map(|(_, name, _)| *name)
        .or_else(|| described.iter().find(|one| one.key == region).map(|one| one.name.as_str()))
        .unwrap_or(region);
    let realm = REGIONS
        .iter()
        .find(|(_, known, _)| *known == name)
        .map(|(.., realm)| *realm)
        .or_else(|| described.iter().find(|one| one.name == name).map(|one| one.realm.as_str()))?;
    let realm_domain =
        REALMS.iter().find(|(known, _)| *known == realm).map(|(_, domain)| *domain).or_else(|| {
            described.iter().find(|one| one.realm == realm).map(|one| one.realm_domain.as_str())
        })?;
    Some(Place { name: name.to_owned(), realm_domain: realm_domain.to_owned() })
}

/// A region as a person describes it to the SDKs, in lower case.
#[derive(Debug, PartialEq, Eq)]
struct Described {
    key: String,
    name: String,
    realm: String,
    realm_domain: String,
}

impl Described {
    /// # Errors
    /// The reason why the value describes no region.
    fn from_json(value: &Value) -> Result<Self, String> {
        let member = |name: &str, is_valid: fn(&str) -> bool| {
            let text = value.get(name).ok_or_else(|| format!("it has no {name}"))?;
            let text = text.as_str().map(str::to_ascii_lowercase).filter(|text| is_valid(text));
            text.ok_or_else(|| format!("its {name} cannot be part of a host name"))
        };
        Ok(Self {
            key: member("regionKey", is_label)?,
            name: member("regionIdentifier", is_label)?,
            realm: member("realmKey", is_label)?,
            realm_domain: member("realmDomainComponent", is_domain)?,
        })
    }
}

/// The members of a JSON list, each as a region or as the reason why it describes none.
fn described_in(list: &[u8]) -> Result<Vec<Result<Described, String>>, String> {
    let list: Vec<Value> = serde_json::from_slice(list).map_err(|_| "it is not a JSON list".to_owned())?;
    Ok(list.iter().map(Described::from_json).collect())
}

/// The regions of the file.
fn of_file(host: &Host) -> Vec<Described> {
    let unused =
        |what: &str, why: &str| log::warning(format_args!("Not used: {what} of {REGIONS_FILE}: {why}"));
    let list = match read_file(host) {
        Ok(Some(bytes)) => described_in(&bytes),
        Ok(None) => return Vec::new(),
        Err(e) => Err(e.to_string()),
    };
    let list = list.unwrap_or_else(|why| {
        unused("the regions", &why);
        Vec::new()
    });
    let mut regions = Vec::new();
    for (region, number) in list.into_iter().zip(1..) {
        match region {
            Ok(region) => regions.push(region),
            Err(why) => unused(&format!("region {number}"), &why),
        }
    }
    regions
}

/// Warns if other users could change the file.
fn read_file(host: &Host) -> error::Result<Option<Vec<u8>>> {
    let path = host.absolute(Path::new(REGIONS_FILE))?;
    let bytes = files::read(&path)?;
    if bytes.is_some() {
        for open in exposed::can_be_changed(&[&path], host.home()?) {
            log::warning(format_args!("{open}; {}", open.advice()));
        }
    }
    Ok(bytes)
}

/// The region of the variable.
fn of_variable(host: &Host) -> Vec<Described> {
    let Some(text) = host.env.get(REGION_VARIABLE) else { return Vec::new() };
    let object: Option<Value> = text.to_str().and_then(|text| serde_json::from_str(text).ok());
    let region = match object {
        Some(object @ Value::Object(_)) => Described::from_json(&object),
        _ => Err("it is not a JSON object".to_owned()),
    };
    match region {
        Ok(region) => vec![region],
        Err(why) => {
            log::warning(format_args!("Not used: the variable {REGION_VARIABLE}: {why}"));
            Vec::new()
        }
    }
}

/// The realm domain of a region that is described nowhere.
fn default_domain(host: &Host) -> String {
    let Some(set) = host.env.get(DOMAIN_VARIABLE) else { return DEFAULT_DOMAIN.to_owned() };
    set.to_str().map(str::to_ascii_lowercase).filter(|domain| is_domain(domain)).unwrap_or_else(|| {
        log::warning(format_args!(
            "Not used: the variable {DOMAIN_VARIABLE}: it is not the name of a domain"
        ));
        DEFAULT_DOMAIN.to_owned()
    })
}

/// Whether a text can be a part of a host name between two dots (RFC 1123 section 2.1).
fn is_label(text: &str) -> bool {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    is_plain && (1..=63).contains(&text.len()) && !text.starts_with('-') && !text.ends_with('-')
}

/// Whether a text can end a host name.
fn is_domain(text: &str) -> bool {
    // With a service, a region and their dots a host name of 253 characters remains possible.
    text.len() <= 160 && text.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::Home;

    fn found(host: &Host, region: &str) -> String {
        place(host, region).map_or("none".into(), |place| format!("{} {}", place.name, place.realm_domain))
    }

    fn json(key: &str, name: &str, realm: &str, domain: &str) -> String {
        format!(
            r#"{{"realmKey":"{realm}","realmDomainComponent":"{domain}","regionKey":"{key}","regionIdentifier":"{name}"}}"#
        )
    }

    #[test]
    fn every_region_has_a_realm_with_a_domain() {
        let home = Home::new();
        let host = Host::of(home.root(), &[]);
        for (key, name, realm) in REGIONS {
            let (_, domain) = REALMS.iter().find(|(known, _)| known == realm).unwrap();
            assert!(is_label(key) && is_label(name) && is_domain(domain));
            assert_eq!(found(&host, key), format!("{name} {domain}"));
            assert_eq!(found(&host, &name.to_uppercase()), format!("{name} {domain}"));
        }
        assert_eq!((REGIONS.len(), REALMS.len()), (85, 20));
    }

    #[test]
    fn the_urls_of_a_region_are_those_of_its_realm() {
        let home = Home::new();
        let place = place(&Host::of(home.root(), &[]), " LTN ").unwrap();
        assert_eq!(place.login_url(), "https://login.uk-gov-london-1.oraclegovcloud.uk");
        assert_eq!(place.auth_url(), "https://auth.uk-gov-london-1.oraclegovcloud.uk");
    }

    /// The expected values are from `oci.regions.endpoint_for` of the Python SDK.
    #[test]
    fn the_sources_are_read_in_the_order_of_the_sdk() {
        let file = format!(
            "[{},{},{},{}]",
            json("ABC", "XX-Abc-1", "OC77", "Oracle77.example"),
            // The key and the realm are known, and stay what they are.
            json("iad", "xx-two-1", "oc2", "elsewhere.example"),
            // The same realm again.
            json("def", "xx-def-1", "oc77", "other.example"),
            json("ghi", "us-phoenix-1", "oc77", "other.example"),
        );
        let variable = json("jkl", "xx-jkl-1", "oc77", "variable.example");
        let alone = json("jkl", "xx-jkl-1", "oc78", "variable.example");
        let cases = [
            ("xx-new-1", "", "", "", "xx-new-1 oraclecloud.com"),
            ("xx-new-1", "", "", "Oracle99.example", "xx-new-1 oracle99.example"),
            ("abc", &file, "", "d.example", "xx-abc-1 oracle77.example"),
            ("XX-ABC-1", &file, "", "", "xx-abc-1 oracle77.example"),
            ("iad", &file, "", "", "us-ashburn-1 oraclecloud.com"),
            ("xx-two-1", &file, "", "", "xx-two-1 oraclegovcloud.com"),
            ("def", &file, "", "", "xx-def-1 oracle77.example"),
            ("ghi", &file, "", "", "us-phoenix-1 oraclecloud.com"),
            ("jkl", &file, &variable, "", "xx-jkl-1 oracle77.example"),
            ("jkl", &file, &alone, "", "xx-jkl-1 variable.example"),
            ("xx-jkl-1", "", &variable, "d.example", "xx-jkl-1 variable.example"),
            ("mno", &file, &variable, "d.example", "mno d.example"),
        ];
        for (region, file, variable, domain, expected) in cases {
            let home = Home::new();
            if !file.is_empty() {
                home.put(".oci/regions-config.json", file);
            }
            let host = Host::of(home.root(), &[(REGION_VARIABLE, variable), (DOMAIN_VARIABLE, domain)]);
            assert_eq!(found(&host, region), expected, "{region}");
        }
    }

    #[test]
    fn a_malformed_source_is_left_out() {
        let good = json("abc", "xx-abc-1", "oc77", "oracle77.example");
        for (file, expected) in [
            ("", "abc oraclecloud.com"),
            ("[", "abc oraclecloud.com"),
            (good.as_str(), "abc oraclecloud.com"),
            (&format!("[null,7,[],{{}},{good}]"), "xx-abc-1 oracle77.example"),
        ] {
            let home = Home::new();
            home.put(".oci/regions-config.json", file);
            assert_eq!(found(&Host::of(home.root(), &[]), "abc"), expected, "{file}");
        }
        let home = Home::new();
        home.make_folder(".oci/regions-config.json");
        for (variable, domain) in [("{", "a/b"), ("[]", "."), (&format!("[{good}]"), "a..b"), ("7", "-a")] {
            let host = Host::of(home.root(), &[(REGION_VARIABLE, variable), (DOMAIN_VARIABLE, domain)]);
            assert_eq!(found(&host, "abc"), "abc oraclecloud.com", "{variable}, {domain}");
        }
    }

    #[test]
    fn the_reason_names_the_member_at_fault() {
        let reason = |json: &str| Described::from_json(&serde_json::from_str(json).unwrap()).unwrap_err();
        assert_eq!(reason(r#"{"regionKey":"a"}"#), "it has no regionIdentifier");
        for (key, name, realm, domain, member) in [
            ("a b", "b", "c", "d", "regionKey"),
            ("a", "b/c", "c", "d", "regionIdentifier"),
            ("a", "b", "", "d", "realmKey"),
            ("a", "b", "c", "d@e", "realmDomainComponent"),
        ] {
            let why = reason(&json(key, name, realm, domain));
            assert_eq!(why, format!("its {member} cannot be part of a host name"));
        }
    }

    proptest! {
        #[test]
        fn no_json_makes_it_panic_or_yields_an_odd_host_name(
            key in "abc|\\PC{0,5}", name in "abc|[a-z.-]{0,8}|\\PC{0,8}",
            domain in "[a-z.-]{0,9}|[A-Z0-9.]{1,80}|\\PC{0,9}", region in "abc|[a-z.-]{1,5}", json: String,
        ) {
            let member = serde_json::json!({
                "regionKey": key, "regionIdentifier": name, "realmKey": "oc77", "realmDomainComponent": domain,
            });
            let list = format!("[{member},{}]", if serde_json::from_str::<Value>(&json).is_ok() { &json } else { "7" });
            let _ = described_in(json.as_bytes());
            let described: Vec<_> = described_in(list.as_bytes()).unwrap().into_iter().flatten().collect();
            if let Some(place) = known(&region, &described) {
                let host = place.auth_url().strip_prefix("https://").unwrap().to_owned();
                prop_assert!(host.len() <= 253 && host.split('.').all(is_label), "{}", host);
                prop_assert!(crate::oauth::url::check(&place.login_url()).is_ok());
            }
        }
    }

    #[test]
    fn names_and_keys_give_the_name() {
        assert_eq!(name("IAD").as_deref(), Some("us-ashburn-1"));
        assert_eq!(name("eu-frankfurt-1").as_deref(), Some("eu-frankfurt-1"));
        assert_eq!(name("xx-new-7").as_deref(), Some("xx-new-7"));
        for odd in ["", " ", "a.b", "a/b", "-a", "a-", "ä"] {
            assert_eq!(name(odd), None, "{odd}");
        }
    }

    #[test]
    fn the_region_of_an_ocid_is_found() {
        assert_eq!(of_ocid("ocid1.cluster.oc1.iad.aaaa").as_deref(), Some("us-ashburn-1"));
        assert_eq!(of_ocid("ocid1.cluster.oc1.us-ashburn-1.aaaa").as_deref(), Some("us-ashburn-1"));
        assert_eq!(of_ocid("ocid1.cluster.oc1.xx-new-7.aaaa").as_deref(), Some("xx-new-7"));
        for odd in
            ["ocid1.cluster.oc1..aaaa", "ocid1.cluster.oc1.zzz.aaaa", "iad", "ocid1.cluster.oc1.a/b-c-1.x"]
        {
            assert_eq!(of_ocid(odd), None, "{odd}");
        }
    }
}
