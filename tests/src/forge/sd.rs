//! Disclosures and their digests (SPEC §10; RFC 9901 §4.2).

use super::{Json, b64url, sha256};

/// A salt made from a name: 16 bytes in base64url.
#[must_use]
pub fn salt(name: &str) -> String {
    b64url(&sha256(name.as_bytes())[..16])
}

/// The disclosure string of a member.
#[must_use]
pub fn member(salt: &str, name: &str, value: &Json) -> String {
    encode(&Json::Arr(vec![salt.into(), name.into(), value.clone()]))
}

/// The disclosure string of an array element.
#[must_use]
pub fn element(salt: &str, value: &Json) -> String {
    encode(&Json::Arr(vec![salt.into(), value.clone()]))
}

/// Base64url of a JSON text.
#[must_use]
pub fn encode(json: &Json) -> String {
    b64url(json.text().as_bytes())
}

/// The digest of a disclosure string.
#[must_use]
pub fn digest(disclosure: &str) -> String {
    b64url(&sha256(disclosure.as_bytes()))
}

/// The stand-in for a concealed array element.
#[must_use]
pub fn stand_in(disclosure: &str) -> Json {
    Json::object([("...", digest(disclosure).into())])
}

/// Conceals members of an object: each is taken out and its digest put into `_sd`, sorted.
/// Returns the disclosures in the order of the names.
///
/// # Panics
///
/// If the value is not an object that has these members.
pub fn conceal(object: &mut Json, names: &[&str], salt_name: &str) -> Vec<String> {
    let mut disclosures = Vec::new();
    for name in names {
        let value = object.at(&[name]).clone();
        *object = object.clone().without(name);
        disclosures.push(member(&salt(&format!("{salt_name}/{name}")), name, &value));
    }
    let mut digests: Vec<String> = disclosures.iter().map(|d| digest(d)).collect();
    digests.sort();
    object.set("_sd", Json::from(digests));
    disclosures
}

/// Conceals an element of an array, and returns its disclosure.
///
/// # Panics
///
/// If there is no such element.
pub fn conceal_element(array: &mut Json, at: usize, salt_name: &str) -> String {
    let slot = array.at(&[&at.to_string()]);
    let disclosure = element(&salt(&format!("{salt_name}/{at}")), slot);
    *slot = stand_in(&disclosure);
    disclosure
}
