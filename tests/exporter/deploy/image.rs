//! What the Dockerfile says that every way to deploy builds on.

use std::path::Path;

use avepoint_exporter::cli::Arguments;
use clap::Parser;

use super::files::below;
use crate::harness::dockerfile::Dockerfile;
use crate::harness::read;

/// The image, as the Dockerfile makes it.
pub struct Image {
    /// Where `exporter.yaml` is looked for.
    pub config: String,
    /// Where the exporter's user may write.
    pub state: String,
    pub user: i64,
    pub port: i64,
    pub binary: String,
}

impl Image {
    pub fn new() -> Self {
        let dockerfile = Dockerfile::read();
        let last = |name| dockerfile.last(name);
        let user = last("USER");
        let (user, _) = user.split_once(':').unwrap();
        let state = last("COPY");
        Self {
            config: last("WORKDIR").to_owned(),
            state: state.strip_prefix("--from=build --chown=65532:65532 /state ").unwrap().to_owned(),
            user: user.parse().unwrap(),
            port: last("EXPOSE").parse().unwrap(),
            binary: last("ENTRYPOINT").trim_matches(['[', ']', '"']).to_owned(),
        }
    }
}

/// The exporter's arguments, as it reads them itself.
pub fn arguments(words: &[String]) -> Arguments {
    let words = ["avepoint-exporter"].into_iter().chain(words.iter().map(String::as_str));
    Arguments::try_parse_from(words).unwrap_or_else(|error| panic!("{error}"))
}

/// Whether `inside` is a file directly in `folder`.
pub fn is_in(inside: &str, folder: &str) -> bool {
    Path::new(inside).parent() == Some(Path::new(folder))
}

/// The version of a `name:1.2.3`, without what may stand before the numbers.
fn version(image: &str) -> Option<&str> {
    image.rsplit_once(':').map(|(_, tag)| tag.trim_start_matches('v'))
}

fn is_exact(version: &str) -> bool {
    version.split('.').count() == 3 && version.split('.').all(|part| part.parse::<u32>().is_ok())
}

#[test]
fn every_image_is_pinned_to_an_exact_version_and_ours_to_this_one() {
    let mut seen = 0;
    for name in below("deploy") {
        for line in read(&format!("deploy/{name}")).lines() {
            let line = line.trim();
            if let Some(tag) = line.strip_prefix("newTag: ") {
                assert_eq!(tag, env!("CARGO_PKG_VERSION"), "{name}");
                seen += 1;
            }
            // The tag of this one is kustomize's.
            let Some(image) = line.strip_prefix("image: ").filter(|image| *image != "avepoint-exporter") else {
                continue;
            };
            let version = version(image).unwrap_or_else(|| panic!("{name}: {image} has no tag"));
            assert!(is_exact(version), "{name}: {image} is another image some day");
            if image.starts_with(env!("CARGO_PKG_NAME")) {
                assert_eq!(version, env!("CARGO_PKG_VERSION"), "{name}");
            }
            seen += 1;
        }
    }
    assert_eq!(seen, 5);
}
