use std::fs;

use exporter_web::WebConfig;

use crate::message::{is_a_readable_line, is_readable};
use crate::place::Place;

/// The web configuration file, beside a certificate `server.crt` with its key `server.key` that it may name: it is refused
/// with a message that can be read, or it can be summed up in a line.
pub fn web_yaml(input: &[u8]) -> bool {
    thread_local!(static PLACE: Place = beside_a_certificate());
    let path = PLACE.with(|place| place.holding(input));
    let loaded = WebConfig::load(&path);
    match &loaded {
        Ok(config) => is_a_readable_line(&config.summary()),
        Err(error) => is_readable(&error.to_string()),
    }
    loaded.is_ok()
}

fn beside_a_certificate() -> Place {
    let place = Place::of("web.yml");
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(place.beside("server.crt"), certified.cert.pem()).unwrap();
    fs::write(place.beside("server.key"), certified.signing_key.serialize_pem()).unwrap();
    place
}
