//! The base images of the Dockerfile. No registry of images is asked: what stands in for them under their own names is
//! made of this machine's files, and holds as little as they promise.

use std::env::consts::ARCH;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::buildah::Buildah;
use crate::harness::dockerfile::Dockerfile;
use crate::harness::{printed, tool};

/// What of `distroless/cc` a Rust program may need: of Debian's packages `libc6` and `libgcc-s1`. A binary that needs
/// another library does not start on it.
const LIBRARIES: [&str; 8] = [
    "libc.so.6",
    "libm.so.6",
    "libdl.so.2",
    "libpthread.so.0",
    "librt.so.1",
    "libresolv.so.2",
    "libnss_dns.so.2",
    "libgcc_s.so.1",
];

/// The names of the images that the Dockerfile builds with and runs on.
pub fn names() -> (String, String) {
    let dockerfile = Dockerfile::read();
    let mut names = dockerfile.all("FROM").into_iter().filter_map(|base| base.split(' ').next());
    let stages = (names.next(), names.next(), names.next());
    let (Some(build), Some(runtime), None) = stages else { panic!("two stages, and not {stages:?}") };
    (build.to_owned(), runtime.to_owned())
}

/// The program that starts all others: it is where binaries look for it, or nothing runs.
pub fn loader() -> &'static str {
    match ARCH {
        "x86_64" => "/lib64/ld-linux-x86-64.so.2",
        "aarch64" => "/lib/ld-linux-aarch64.so.1",
        other => panic!("where does {other} have its loader?"),
    }
}

/// Stands in for what the exporter runs on: the C library, users, one authority to trust, and no program.
pub fn runtime(buildah: &Buildah, name: &str, authority: &str) -> Result<(), String> {
    let base = Base::new(buildah, "runtime");
    base.copy(loader(), loader());
    for library in LIBRARIES {
        let path = line("cc", "gcc", &[&format!("-print-file-name={library}")]);
        base.copy(&path, &format!("/lib/{ARCH}-linux-gnu/{library}"));
    }
    base.write("/etc/passwd", "root:x:0:0::/:/sbin/nologin\nnonroot:x:65532:65532::/:/sbin/nologin\n");
    base.write("/etc/group", "root:x:0:\nnonroot:x:65532:\n");
    base.write("/etc/ssl/certs/ca-certificates.crt", authority);
    for folder in ["/tmp", "/var/lib"] {
        base.folder(folder);
    }
    let certificates = "ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt";
    base.build(buildah, name, &[certificates, "USER 65532"])
}

/// Stands in for what the exporter is built with: places to mount this machine's [toolchain](volumes) at. It is never
/// online, and makes the build cheap where that does not change what the Dockerfile is tested for.
pub fn toolchain(buildah: &Buildah, name: &str) -> Result<(), String> {
    let base = Base::new(buildah, "toolchain");
    for link in ["bin", "lib", "lib64"] {
        symlink(format!("usr/{link}"), base.path(link)).unwrap();
    }
    for folder in ["/usr", "/etc/alternatives", "/rust", "/cargo/registry", "/cache", "/tmp"] {
        base.folder(folder);
    }
    base.build(
        buildah,
        name,
        &[
            "ENV PATH=/rust/bin:/usr/bin",
            "ENV CARGO_HOME=/cargo CARGO_NET_OFFLINE=true CARGO_BUILD_BUILD_DIR=/cache",
            "ENV CARGO_PROFILE_RELEASE_OPT_LEVEL=0 CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=256",
        ],
    )
}

/// What of this machine is mounted for the time of the build: programs, the compiler, the crates that cargo fetched to
/// build this test, and a folder that keeps the built ones for the next time.
pub fn volumes() -> Vec<String> {
    let cargo = cargo_home();
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("image-cache");
    fs::create_dir_all(&cache).unwrap();
    let rust = line("rustc", "rustup's toolchain", &["--print", "sysroot"]);
    let mut volumes = vec![
        "/usr:/usr:ro".to_owned(),
        "/etc/alternatives:/etc/alternatives:ro".to_owned(),
        format!("{rust}:/rust:ro"),
        format!("{}:/cargo/registry:ro", cargo.join("registry").display()),
        format!("{}:/cache", cache.display()),
    ];
    // It may say that another registry replaces the usual one: the crates then lie under that one's name.
    let config = cargo.join("config.toml");
    if config.is_file() {
        volumes.push(format!("{}:/cargo/config.toml:ro", config.display()));
    }
    volumes
}

/// Where cargo keeps what it fetched, as its documentation says.
fn cargo_home() -> PathBuf {
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo"));
    std::env::var_os("CARGO_HOME").map(PathBuf::from).or_else(home).expect("CARGO_HOME or HOME is set")
}

/// The files of an image that is made from nothing.
struct Base(PathBuf);

impl Base {
    fn new(buildah: &Buildah, name: &str) -> Self {
        let base = Self(buildah.folder(name));
        base.folder("/");
        base
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.join("root").join(path.trim_start_matches('/'))
    }

    fn folder(&self, path: &str) {
        fs::create_dir_all(self.path(path)).unwrap();
    }

    fn file(&self, path: &str) -> PathBuf {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    fn write(&self, path: &str, contents: &str) {
        fs::write(self.file(path), contents).unwrap();
    }

    fn copy(&self, from: &str, path: &str) {
        fs::copy(from, self.file(path)).unwrap_or_else(|error| panic!("{from}: {error}"));
    }

    fn build(&self, buildah: &Buildah, name: &str, instructions: &[&str]) -> Result<(), String> {
        let dockerfile = ["FROM scratch", "COPY root /"].iter().chain(instructions).copied().collect::<Vec<_>>();
        fs::write(self.0.join("Dockerfile"), dockerfile.join("\n") + "\n").unwrap();
        buildah.build(&self.0, name, &[]).map(drop)
    }
}

/// The one line that a program prints.
fn line(program: &str, package: &str, arguments: &[&str]) -> String {
    printed(tool(program, package).args(arguments)).trim().to_owned()
}
