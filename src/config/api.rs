//! The section `api`. No message repeats a value of it, which may be a secret.

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::Path;
use std::time::Duration;

use ::url::Url;
use bounded_file::without_margins;
use checked_yaml::value::{self, expected, number, positive, text};
use checked_yaml::{Field, Key, Problems, Refused, file};
use elements_api::{CertificateSource, Credential, Secret, SecretSource, Settings};

use super::url::url;
use super::{document, doubts};

/// The variable that may take the place of `api.client_id`.
const CLIENT_ID_VARIABLE: &str = "AVEPOINT_CLIENT_ID";
/// The variable that may take the place of `api.client_secret`.
const CLIENT_SECRET_VARIABLE: &str = "AVEPOINT_CLIENT_SECRET";

/// What a configuration depends on besides its text.
#[derive(Clone, Copy)]
pub(super) struct Surroundings<'s> {
    /// The file itself.
    pub(super) configuration: &'s Path,
    /// Where relative paths begin.
    pub(super) folder: &'s Path,
    /// The process's environment.
    pub(super) variable: &'s dyn Fn(&str) -> Option<String>,
}

pub(super) fn settings(
    raw: &document::Api,
    discovery: bool,
    around: Surroundings<'_>,
    problems: &mut Problems<'_>,
) -> Result<Settings, Refused> {
    let key = |name| Key::of("api").then(name);
    let environment = problems.read(&key("environment"), &raw.environment, environment);
    let base_url = problems.read(&key("base_url"), &raw.base_url, url);
    let token_url = problems.read(&key("token_url"), &raw.token_url, url);
    let client_id = client_id(raw, around, problems);
    let credential = credential(raw, around, problems);
    let ca_file = problems.read(&key("ca_file"), &raw.ca_file, |field| file::readable(field, around.folder));
    let timeout = problems.read(&key("timeout"), &raw.timeout, value::unrepeated_duration);
    let max_in_flight =
        problems.read(&key("max_in_flight"), &raw.max_in_flight, |field| positive(field, Settings::MAX_IN_FLIGHT));
    let requests_per_second = problems.read(&key("requests_per_second"), &raw.requests_per_second, |field| {
        positive(field, Settings::MAX_REQUESTS_PER_SECOND)
    });
    let max_retries = problems.read(&key("max_retries"), &raw.max_retries, |field| number(field, 0..=20));

    let environment = environment?.unwrap_or(&ENVIRONMENTS[0]);
    Ok(Settings {
        user_agent: super::USER_AGENT,
        base_url: base_url?.unwrap_or_else(|| known_url(environment.base_url)),
        token_url: token_url?.unwrap_or_else(|| known_url(environment.token_url)),
        client_id: client_id?,
        credential: credential?,
        ca_file: ca_file?,
        timeout: timeout?.unwrap_or(Duration::from_secs(30)),
        max_in_flight: max_in_flight?.unwrap_or(const { NonZeroUsize::new(16).expect("16 is not zero") }),
        requests_per_second: requests_per_second?.unwrap_or(const { NonZeroU32::new(20).expect("20 is not zero") }),
        max_retries: max_retries?.unwrap_or(3),
        discovery,
    })
}

/// One of the vendor's clouds.
struct Environment {
    name: &'static str,
    base_url: &'static str,
    token_url: &'static str,
}

/// As the vendor documents them; the first one is the default.
const ENVIRONMENTS: [Environment; 4] = [
    Environment {
        name: "commercial",
        base_url: "https://graph.avepointonlineservices.com",
        token_url: "https://identity.avepointonlineservices.com/connect/token",
    },
    Environment {
        name: "us_government",
        base_url: "https://graph-gov.avepointonlineservices.com",
        token_url: "https://identity-gov.avepointonlineservices.com/connect/token",
    },
    Environment {
        name: "aos2",
        base_url: "https://graph-aos2.avepointonlineservices.com",
        token_url: "https://identity-aos2.avepointonlineservices.com/connect/token",
    },
    Environment {
        name: "fedramp",
        base_url: "https://graphusgovapi.online15.net",
        token_url: "https://identity.online15.net/connect/token",
    },
];

fn environment(field: &Field) -> Result<&'static Environment, String> {
    let found = match field {
        Field::Text(name) => ENVIRONMENTS.iter().find(|environment| environment.name == name),
        _ => None,
    };
    let names = ENVIRONMENTS.map(|environment| environment.name);
    found.map_or_else(|| expected(&format!("one of {}", names.join(", ")), field), Ok)
}

#[expect(clippy::expect_used, reason = "a test parses every URL of ENVIRONMENTS")]
fn known_url(text: &str) -> Url {
    text.parse().expect("the URLs of ENVIRONMENTS are valid")
}

fn client_id(raw: &document::Api, around: Surroundings<'_>, problems: &mut Problems<'_>) -> Result<String, Refused> {
    let key = Key::of("api").then("client_id");
    let configured = problems.read(&key, &raw.client_id, one_line);
    match (configured?, (around.variable)(CLIENT_ID_VARIABLE)) {
        (Some(_), Some(_)) => Err(problems.add(&key, several_sources(&["client_id", CLIENT_ID_VARIABLE]))),
        (Some(id), None) => {
            doubts::of_client_id(&id, &raw.client_id, &key, problems);
            Ok(id)
        }
        (None, Some(id)) => variable(CLIENT_ID_VARIABLE, &id, problems),
        (None, None) => {
            Err(problems.add(&key, format!("is missing: write it here or set the variable {CLIENT_ID_VARIABLE}")))
        }
    }
}

fn credential(
    raw: &document::Api,
    around: Surroundings<'_>,
    problems: &mut Problems<'_>,
) -> Result<Credential, Refused> {
    let api = Key::of("api");
    let from_environment = (around.variable)(CLIENT_SECRET_VARIABLE);
    let sources: Vec<&str> = [
        ("client_secret", raw.client_secret.is_given()),
        ("client_secret_file", raw.client_secret_file.is_given()),
        ("certificate", raw.certificate.is_some()),
        (CLIENT_SECRET_VARIABLE, from_environment.is_some()),
    ]
    .into_iter()
    .filter_map(|(source, given)| given.then_some(source))
    .collect();
    let several = match sources[..] {
        [first, _, ..] => Err(problems.add(&api.then(first), several_sources(&sources))),
        _ => Ok(()),
    };

    // A secret in the configuration makes a secret of that, too.
    if raw.client_secret.is_given() {
        doubts::of_permissions(around.configuration, &api.then("client_secret"), problems);
    }
    // All are read before any is chosen: one mistake hides no other.
    let inline = problems.read(&api.then("client_secret"), &raw.client_secret, one_line);
    let file = problems
        .read(&api.then("client_secret_file"), &raw.client_secret_file, |field| file::secret(field, around.folder));
    if let Ok(Some(secret)) = &inline {
        doubts::of_secret(secret, "", &api.then("client_secret"), problems);
    }
    if let Ok(Some(path)) = &file {
        doubts::of_secret_file(path, &api.then("client_secret_file"), problems);
    }
    let certificate = raw.certificate.as_ref().map(|raw| certificate(raw, around.folder, problems)).transpose();
    several?;
    match (inline?, file?, certificate?, from_environment) {
        (Some(secret), ..) => Ok(Credential::Secret(SecretSource::Inline(Secret::new(secret)))),
        (_, Some(path), ..) => Ok(Credential::Secret(SecretSource::File(path))),
        (_, _, Some(certificate), _) => Ok(Credential::Certificate(certificate)),
        (_, _, _, Some(secret)) => variable(CLIENT_SECRET_VARIABLE, &secret, problems)
            .map(|secret| Credential::Secret(SecretSource::Inline(Secret::new(secret)))),
        _ => {
            let message = format!(
                "no credential: write client_secret_file, client_secret or certificate, or set the variable \
                 {CLIENT_SECRET_VARIABLE}"
            );
            Err(problems.add(&api, message))
        }
    }
}

fn certificate(
    raw: &document::Certificate,
    folder: &Path,
    problems: &mut Problems<'_>,
) -> Result<CertificateSource, Refused> {
    let certificate = Key::of("api").then("certificate");
    let key = |name| certificate.then(name);
    let pfx_file = problems.read(&key("pfx_file"), &raw.pfx_file, |field| file::readable(field, folder));
    let password_file = problems.read(&key("password_file"), &raw.password_file, |field| file::secret(field, folder));
    let cert_file = problems.read(&key("cert_file"), &raw.cert_file, |field| file::readable(field, folder));
    let key_file = problems.read(&key("key_file"), &raw.key_file, |field| file::readable(field, folder));
    // A certificate is public, and an archive of it holds the private key as well.
    for (name, file) in [("pfx_file", &pfx_file), ("key_file", &key_file)] {
        if let Ok(Some(path)) = file {
            doubts::of_permissions(path, &key(name), problems);
        }
    }
    if let Ok(Some(path)) = &password_file {
        doubts::of_secret_file(path, &key("password_file"), problems);
    }
    match (pfx_file?, password_file?, cert_file?, key_file?) {
        (Some(pfx_file), password_file, None, None) => Ok(CertificateSource::Pfx { pfx_file, password_file }),
        (None, None, Some(cert_file), Some(key_file)) => Ok(CertificateSource::Pem { cert_file, key_file }),
        _ => Err(problems.add(&certificate, "expected pfx_file (and its password_file), or cert_file and key_file")),
    }
}

/// A line without the white space around it, which nobody means: a secret is the same wherever it comes from.
fn one_line(field: &Field) -> Result<String, String> {
    let line = without_margins(text(field)?);
    file::plain(line).map(|()| line.to_owned())
}

fn variable(name: &str, value: &str, problems: &mut Problems<'_>) -> Result<String, Refused> {
    let line = without_margins(value);
    doubts::of_variable(name, line, problems);
    match file::plain(line) {
        Ok(()) => Ok(line.to_owned()),
        Err(message) => Err(problems.add(&Key::root(), format!("the variable {name} {message}"))),
    }
}

fn several_sources(names: &[&str]) -> String {
    format!("more than one source for one credential: {}; keep one of them", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_environment_is_reached_over_https() {
        for environment in &ENVIRONMENTS {
            for text in [environment.base_url, environment.token_url] {
                assert_eq!(known_url(text).scheme(), "https", "{}", environment.name);
            }
        }
    }
}
