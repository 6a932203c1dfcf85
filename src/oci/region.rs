//! OCI's regions: their three-letter keys, which appear in OCIDs, and their names, which appear in host
//! names. From the OCI SDKs of November 2026.

/// Pairs of key and name.
const REGIONS: &[(&str, &str)] = &[
    ("lej", "af-casablanca-1"),
    ("jnb", "af-johannesburg-1"),
    ("hsg", "ap-batam-1"),
    ("nja", "ap-chiyoda-1"),
    ("yny", "ap-chuncheon-1"),
    ("bno", "ap-chuncheon-2"),
    ("wga", "ap-dcc-canberra-1"),
    ("dac", "ap-dcc-gazipur-1"),
    ("onm", "ap-delhi-1"),
    ("hyd", "ap-hyderabad-1"),
    ("ukb", "ap-ibaraki-1"),
    ("jbp", "ap-kulai-2"),
    ("mel", "ap-melbourne-1"),
    ("bom", "ap-mumbai-1"),
    ("kix", "ap-osaka-1"),
    ("icn", "ap-seoul-1"),
    ("dtz", "ap-seoul-2"),
    ("sin", "ap-singapore-1"),
    ("xsp", "ap-singapore-2"),
    ("dln", "ap-suwon-1"),
    ("syd", "ap-sydney-1"),
    ("nrt", "ap-tokyo-1"),
    ("yul", "ca-montreal-1"),
    ("yyz", "ca-toronto-1"),
    ("ams", "eu-amsterdam-1"),
    ("jsk", "eu-budapest-1"),
    ("avf", "eu-crissier-1"),
    ("ork", "eu-dcc-dublin-1"),
    ("snn", "eu-dcc-dublin-2"),
    ("bgy", "eu-dcc-milan-1"),
    ("mxp", "eu-dcc-milan-2"),
    ("dus", "eu-dcc-rating-1"),
    ("dtm", "eu-dcc-rating-2"),
    ("avz", "eu-dcc-zurich-1"),
    ("fra", "eu-frankfurt-1"),
    ("str", "eu-frankfurt-2"),
    ("beg", "eu-jovanovac-1"),
    ("mad", "eu-madrid-1"),
    ("vll", "eu-madrid-2"),
    ("orf", "eu-madrid-3"),
    ("mrs", "eu-marseille-1"),
    ("lin", "eu-milan-1"),
    ("cdg", "eu-paris-1"),
    ("arn", "eu-stockholm-1"),
    ("nrq", "eu-turin-1"),
    ("zrh", "eu-zurich-1"),
    ("mtz", "il-jerusalem-1"),
    ("auh", "me-abudhabi-1"),
    ("rkt", "me-abudhabi-2"),
    ("ahu", "me-abudhabi-3"),
    ("shj", "me-abudhabi-4"),
    ("rba", "me-alain-1"),
    ("vve", "me-alrayyan-1"),
    ("doh", "me-dcc-doha-1"),
    ("mct", "me-dcc-muscat-1"),
    ("dxb", "me-dubai-1"),
    ("ibr", "me-ibri-1"),
    ("jed", "me-jeddah-1"),
    ("ruh", "me-riyadh-1"),
    ("mty", "mx-monterrey-1"),
    ("qro", "mx-queretaro-1"),
    ("bog", "sa-bogota-1"),
    ("hnw", "sa-riodejaneiro-1"),
    ("scl", "sa-santiago-1"),
    ("gru", "sa-saopaulo-1"),
    ("vap", "sa-valparaiso-1"),
    ("vcp", "sa-vinhedo-1"),
    ("cwl", "uk-cardiff-1"),
    ("brs", "uk-gov-cardiff-1"),
    ("ltn", "uk-gov-london-1"),
    ("lhr", "uk-london-1"),
    ("iad", "us-ashburn-1"),
    ("yxj", "us-ashburn-2"),
    ("ord", "us-chicago-1"),
    ("ric", "us-gov-ashburn-1"),
    ("pia", "us-gov-chicago-1"),
    ("tus", "us-gov-phoenix-1"),
    ("lfi", "us-langley-1"),
    ("luf", "us-luke-1"),
    ("pgc", "us-newark-1"),
    ("phx", "us-phoenix-1"),
    ("aga", "us-saltlake-2"),
    ("sjc", "us-sanjose-1"),
    ("ebb", "us-somerset-1"),
    ("ebl", "us-thames-1"),
];

/// The name of a region given by name or key, in any case, as oci accepts it. An unknown name is taken
/// for a new region. `None` if the text cannot be part of a host name.
pub fn name(region: &str) -> Option<String> {
    let region = region.trim().to_ascii_lowercase();
    if let Some((_, name)) = REGIONS.iter().find(|(key, _)| *key == region) {
        return Some((*name).to_owned());
    }
    let is_label = |label: &str| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-');
    let plain = region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    (plain && is_label(&region)).then_some(region)
}

/// The region in an OCID: `ocid1.<type>.<realm>.<region>[.<future>].<unique>`. `None` if that part is
/// neither a known key or name nor shaped like a name.
pub fn of_ocid(ocid: &str) -> Option<String> {
    let region = ocid.split('.').nth(3)?;
    let is_known = REGIONS.iter().any(|(key, name)| region == *key || region == *name);
    // Like us-ashburn-1: a location and a number.
    let is_name = region.split('-').count() >= 3 && region.ends_with(|last: char| last.is_ascii_digit());
    if is_known || is_name { name(region) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

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
