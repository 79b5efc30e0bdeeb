//! The image of the shipped Dockerfile: built once, for all tests.

use std::fs;
use std::io::{Write, stderr};
use std::process::Command;
use std::sync::Once;

use serde_json::Value;
use tokio::sync::OnceCell;
use tokio::task::spawn_blocking;

use super::bases;
use super::buildah::{Buildah, outcome};
use super::refusal;
use crate::harness::keys::Authority;
use crate::harness::{MACHINE, root};

/// The revision that the build is given.
pub const REVISION: &str = "0123456789abcdef0123456789abcdef01234567";

const NAME: &str = "avepoint-exporter";

enum Trouble {
    /// This machine does not let buildah build anything.
    Refused(String),
    Failed(String),
}

/// The image; none where this machine does not let buildah build any. That is said once on stderr, past the test
/// runner, which shows nothing of a test that passes.
///
/// # Panics
/// If the image cannot be built for any other reason.
pub async fn image() -> Option<&'static Image> {
    static IMAGE: OnceCell<Result<Image, Trouble>> = OnceCell::const_new();
    static SAID: Once = Once::new();
    let build = async || {
        // The compiler takes every core that there is.
        let _alone = MACHINE.write().await;
        spawn_blocking(Image::build).await.unwrap()
    };
    match IMAGE.get_or_init(build).await {
        Ok(image) => return Some(image),
        Err(Trouble::Refused(message)) => {
            SAID.call_once(|| stderr().write_all(message.as_bytes()).unwrap());
        }
        Err(Trouble::Failed(message)) => panic!("{message}"),
    }
    None
}

pub struct Image {
    pub buildah: Buildah,
    /// The one that its base trusts.
    pub authority: Authority,
}

impl Image {
    fn build() -> Result<Self, Trouble> {
        let (buildah, authority) = (Buildah::new(), Authority::new("Base"));
        let (toolchain, runtime) = bases::names();
        // What the machine refuses, it refuses to a small image of one program as well. Nothing else is forgiven.
        try_out(&buildah, &runtime, &authority).map_err(|said| match refusal::reason(&said) {
            Some(reason) => {
                Trouble::Refused(format!("The image is NOT tested, since {reason}. buildah says:\n{said}\n"))
            }
            None => Trouble::Failed(said),
        })?;
        bases::toolchain(&buildah, &toolchain).map_err(Trouble::Failed)?;
        let mut arguments = vec![format!("--build-arg=AVEPOINT_EXPORTER_REVISION={REVISION}")];
        arguments.extend(bases::volumes().iter().map(|volume| format!("--volume={volume}")));
        buildah.build(&root(), NAME, &arguments).map_err(Trouble::Failed)?;
        Ok(Self { buildah, authority })
    }

    /// How it is run, and what it says of itself.
    pub fn config(&self) -> Value {
        let said = outcome(self.buildah.command("inspect").args(["--type", "image", NAME])).unwrap();
        serde_json::from_str::<Value>(&said).unwrap()["OCIv1"]["config"].take()
    }

    /// What it adds to its base.
    pub fn layer(&self) -> Vec<Entry> {
        let folder = self.buildah.folder("pushed");
        outcome(self.buildah.command("push").arg(NAME).arg(format!("dir:{}", folder.display()))).unwrap();
        let manifest: Value = serde_json::from_slice(&fs::read(folder.join("manifest.json")).unwrap()).unwrap();
        let [_, layer] = &manifest["layers"].as_array().unwrap()[..] else { panic!("two layers, and not {manifest}") };
        let (_, digest) = layer["digest"].as_str().unwrap().split_once(':').unwrap();
        let mut tar = Command::new("tar");
        tar.args(["--list", "--verbose", "--numeric-owner", "--gzip", "--file"]).arg(folder.join(digest));
        outcome(&mut tar).unwrap().lines().map(Entry::read).collect()
    }

    /// A container that nothing runs in yet; its name.
    pub fn container(&self) -> String {
        self.buildah.container(NAME).unwrap()
    }
}

/// Makes the base that the exporter runs on, and runs the only program that it has.
fn try_out(buildah: &Buildah, runtime: &str, authority: &Authority) -> Result<(), String> {
    bases::runtime(buildah, runtime, &authority.pem())?;
    let container = buildah.container(runtime)?;
    outcome(buildah.isolated("run").args([&container, "--", bases::loader(), "--version"])).map(drop)
}

/// A file or folder in a layer.
#[derive(Debug)]
pub struct Entry {
    pub mode: String,
    pub owner: String,
    pub size: u64,
    /// A folder's ends with a slash.
    pub path: String,
}

impl Entry {
    /// Reads a line such as `-rwxr-xr-x 0/0 35443288 2026-11-22 18:39 usr/local/bin/avepoint-exporter`.
    fn read(line: &str) -> Self {
        let words: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
        let [mode, owner, size, _, _, path] = &words[..] else { panic!("not of tar: {line}") };
        Self { mode: mode.clone(), owner: owner.clone(), size: size.parse().unwrap(), path: path.clone() }
    }

    pub fn is_folder(&self) -> bool {
        self.path.ends_with('/')
    }
}
