use std::fs;

use avepoint_exporter::config::Config;
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256};

use crate::message::is_readable;
use crate::place::Place;

/// What `${…}` stands for. It is long enough not to be met by chance.
const SECRET: &str = "open-sesame-2048";

/// `exporter.yaml`, beside the files that the documents name: it is refused with a message that can be read and repeats no
/// secret, or all that it says can be used.
pub fn exporter_yaml(input: &[u8]) -> bool {
    thread_local!(static PLACE: Place = beside_credentials());
    let path = PLACE.with(|place| place.holding(input));
    let is_told = |message: &str| {
        is_readable(message);
        assert!(!message.contains(SECRET), "a secret is repeated: {message}");
    };
    let says = |key: &str| input.windows(key.len()).any(|window| window == key.as_bytes());
    // What the text may say itself stands in no variable; others are there, unless they say that they are not.
    let variable = |name: &str| {
        let is_missing = match name {
            "AVEPOINT_CLIENT_ID" => says("client_id"),
            "AVEPOINT_CLIENT_SECRET" => says("client_secret") || says("certificate"),
            name => name.starts_with("NO"),
        };
        (!is_missing).then(|| SECRET.to_owned())
    };
    let is_accepted = match Config::load_with(&path, &variable) {
        Ok(config) => {
            let summary = config.summary(&[]);
            assert!(summary.targets >= summary.customers, "a customer without products is refused: {summary:?}");
            let again = Config::load_with(&path, &variable).expect("it was valid a moment ago");
            assert_eq!(config, again, "the same text means the same");
            true
        }
        Err(error) => {
            is_told(&error.to_string());
            false
        }
    };
    Config::named_files(&path, input.to_vec());
    match Config::load_with_doubts(&path) {
        Ok((_, doubts)) => doubts.iter().for_each(|doubt| is_told(doubt)),
        Err(error) => is_told(&error.to_string()),
    }
    is_accepted
}

fn beside_credentials() -> Place {
    let place = Place::of("exporter.yaml");
    let key = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap();
    let certificate = CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap().pem();
    let files = [("app.crt", &certificate), ("app.key", &key.serialize_pem()), ("ca.pem", &certificate)];
    for (name, text) in files.into_iter().chain([("client_secret", &SECRET.to_owned())]) {
        fs::write(place.beside(name), text).unwrap();
    }
    place
}
