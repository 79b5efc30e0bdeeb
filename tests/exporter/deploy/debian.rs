//! The Debian package: built from this binary, looked into, and installed, upgraded, removed and purged below a folder.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use tempfile::TempDir;

use super::files::{below, ending};
use super::systemd::accepted;
use crate::harness::{binary, printed, read, root, tool};

const UNIT: &str = "usr/lib/systemd/system/avepoint-exporter.service";
const CONFIGURATION: &str = "etc/avepoint-exporter/exporter.yaml";
const OPTIONS: &str = "etc/default/avepoint-exporter";
const LINK: &str = "etc/systemd/system/multi-user.target.wants/avepoint-exporter.service";
const STATE: &str = "var/lib/private/avepoint-exporter/state.json";

/// The package, built once for all tests.
static PACKAGE: LazyLock<Package> = LazyLock::new(Package::build);

/// What it would install, below a folder.
pub(super) static UNPACKED: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = PACKAGE.folder.path().join("unpacked");
    printed(tool("dpkg-deb", "dpkg").arg("--extract").arg(&PACKAGE.path).arg(&folder));
    folder
});

/// The package for the system that runs: its scripts take the folder of the tests for that.
static AT_HOME: LazyLock<PathBuf> = LazyLock::new(|| PACKAGE.changed("at-home", |_| ()));

struct Package {
    folder: TempDir,
    path: PathBuf,
}

impl Package {
    /// As `make deb` does it, from the binary of the tests.
    fn build() -> Self {
        let tools = root().join("target/tools/bin");
        assert!(tools.join("cargo-deb").is_file(), "cargo-deb is missing: `make target/tools/bin/cargo-deb`");
        let folder = tempfile::tempdir().unwrap();
        let release = folder.path().join("release");
        fs::create_dir(&release).unwrap();
        let built = binary();
        // With what a debugger wants to know it would be five times as large.
        printed(tool("strip", "binutils").arg("-o").arg(release.join("avepoint-exporter")).arg(built.get_program()));
        printed(
            Command::new(root().join("deploy/debian/stage"))
                .arg(built.get_program())
                .arg(root().join("target/package")),
        );
        let path = folder.path().join("avepoint-exporter.deb");
        let mut command = Command::new(env!("CARGO"));
        command.current_dir(root()).env("CARGO_TARGET_DIR", folder.path()).env("PATH", with_path(&[&tools]));
        command.args(["deb", "--locked", "--no-build", "--no-strip", "--no-dbgsym", "--fast", "--output"]).arg(&path);
        printed(&mut command);
        Self { folder, path }
    }

    fn field(&self, name: &str) -> String {
        printed(tool("dpkg-deb", "dpkg").arg("--field").arg(&self.path).arg(name)).trim().to_owned()
    }

    /// The next version of [`AT_HOME`], whose example of a configuration is another one.
    fn next(&self) -> PathBuf {
        self.changed("next", |folder| {
            change(&folder.join("DEBIAN/control"), |text| text.replace(&self.field("Version"), "1000.0.0"));
            for changed in [CONFIGURATION, OPTIONS] {
                change(&folder.join(changed), |text| format!("{text}# new\n"));
            }
        })
    }

    /// The package for the system that runs, with more changes.
    fn changed(&self, name: &str, with: impl Fn(&Path)) -> PathBuf {
        const ELSEWHERE: &str = r#"[ -z "$DPKG_ROOT" ] && [ -d /run/systemd/system ]"#;
        let folder = self.folder.path().join(name);
        printed(tool("dpkg-deb", "dpkg").arg("--raw-extract").arg(&self.path).arg(&folder));
        for script in ["postinst", "prerm", "postrm"] {
            change(&folder.join("DEBIAN").join(script), |text| {
                assert_eq!(text.matches(ELSEWHERE).count(), 1, "{script}");
                text.replace(ELSEWHERE, r#"[ -d "$DPKG_ROOT/run/systemd/system" ]"#)
            });
        }
        with(&folder);
        let path = self.folder.path().join(name).with_extension("deb");
        printed(
            tool("dpkg-deb", "dpkg").args(["--root-owner-group", "-Zgzip", "-z1", "--build"]).arg(&folder).arg(&path),
        );
        path
    }
}

fn change(file: &Path, how: impl Fn(String) -> String) {
    fs::write(file, how(fs::read_to_string(file).unwrap())).unwrap();
}

/// PATH with folders before it, and those where root finds programs after it.
fn with_path(folders: &[&Path]) -> String {
    let folders: Vec<_> = folders.iter().map(|folder| folder.to_str().unwrap()).collect();
    format!("{}:{}:/usr/sbin:/sbin", folders.join(":"), std::env::var("PATH").unwrap())
}

#[test]
fn the_package_has_every_file_in_its_place_with_its_mode() {
    let listed = printed(tool("dpkg-deb", "dpkg").arg("--contents").arg(&PACKAGE.path));
    let mut files = Vec::new();
    for line in listed.lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        let (mode, owner, path) = (words[0], words[1], words[5].trim_start_matches("./"));
        let expected = match path {
            folder if folder.ends_with('/') => "drwxr-xr-x",
            "usr/bin/avepoint-exporter" => "-rwxr-xr-x",
            _ => "-rw-r--r--",
        };
        assert_eq!((mode, owner), (expected, "0/0"), "{line}");
        if !path.ends_with('/') {
            files.push(path.to_owned());
        }
    }
    let documents = "usr/share/doc/avepoint-exporter";
    let mut expected: Vec<_> = [
        "usr/bin/avepoint-exporter",
        UNIT,
        CONFIGURATION,
        OPTIONS,
        "usr/share/bash-completion/completions/avepoint-exporter",
        "usr/share/zsh/vendor-completions/_avepoint-exporter",
        "usr/share/fish/vendor_completions.d/avepoint-exporter.fish",
    ]
    .map(str::to_owned)
    .into();
    let copied = ["README.md", "deploy/README.md", "copyright", "changelog.gz", "examples/exporter.yaml"];
    expected.extend(copied.map(|name| format!("{documents}/{name}")));
    expected.extend(ending("docs", ".md").iter().map(|name| format!("{documents}/docs/{name}")));
    expected.extend(below("alerts").iter().map(|name| format!("usr/share/avepoint-exporter/alerts/{name}")));
    let dashboards = ending("dashboards", ".json");
    expected.extend(dashboards.iter().map(|name| format!("usr/share/avepoint-exporter/dashboards/{name}")));
    expected.extend(below("target/package/man").iter().map(|name| format!("usr/share/man/man1/{name}.gz")));
    files.sort();
    expected.sort();
    assert_eq!(files, expected);
    assert!(files.len() > 25, "with the pages of the manual");
}

#[test]
fn the_packages_program_runs_and_its_version_is_the_packages() {
    let said = printed(Command::new(UNPACKED.join("usr/bin/avepoint-exporter")).arg("--version"));
    assert!(said.contains(env!("CARGO_PKG_VERSION")), "{said}");
    assert_eq!(PACKAGE.field("Version"), env!("CARGO_PKG_VERSION"));
    let depends = PACKAGE.field("Depends");
    assert!(depends.contains("libc6 (>= "), "{depends}");
    assert!(depends.split(", ").any(|name| name == "ca-certificates"), "nothing is asked without them: {depends}");
}

#[test]
fn the_packages_unit_is_the_shipped_one_with_the_program_in_usr() {
    let unit = fs::read_to_string(UNPACKED.join(UNIT)).unwrap();
    let shipped = read("deploy/systemd/avepoint-exporter.service");
    let differ: Vec<_> = unit.lines().zip(shipped.lines()).filter(|(one, other)| one != other).collect();
    let [(packaged, shipped_line)] = differ[..] else { panic!("{differ:?}") };
    assert_eq!(packaged, shipped_line.replace("ExecStart=/usr/local/bin/", "ExecStart=/usr/bin/"));
    assert_eq!(unit.lines().count(), shipped.lines().count());
    assert!(
        unit.contains(&format!("\nEnvironmentFile=-/{OPTIONS}\n")) && unit.contains(&format!("=/{CONFIGURATION} "))
    );
    accepted(&unit, "/usr/bin/avepoint-exporter");
    let (_, page) = unit.split_once("\nDocumentation=man:").unwrap();
    let (name, section) = page.split_once(')').unwrap().0.split_once('(').unwrap();
    let page = format!("usr/share/man/man{section}/{name}.{section}.gz");
    assert!(UNPACKED.join(&page).is_file(), "{page}");
}

/// A system of its own below a folder, with stand-ins for the programs that the package's scripts call. They fail, as
/// those of a broken system do: that must hold up no package.
struct System {
    root: TempDir,
    tools: TempDir,
}

impl System {
    fn new() -> Self {
        let system = Self { root: tempfile::tempdir().unwrap(), tools: tempfile::tempdir().unwrap() };
        for folder in ["var/lib/dpkg/info", "var/lib/dpkg/updates", "var/log", "run/systemd/system"] {
            fs::create_dir_all(system.file(folder)).unwrap();
        }
        for file in ["var/lib/dpkg/status", "var/lib/dpkg/available"] {
            fs::write(system.file(file), "").unwrap();
        }
        for name in ["systemctl", "deb-systemd-invoke"] {
            let stand_in = system.tools.path().join(name);
            let called = system.tools.path().join("called");
            fs::write(&stand_in, format!("#!/bin/sh\necho \"{name} $*\" >>{}\nexit 1\n", called.display())).unwrap();
            fs::set_permissions(&stand_in, PermissionsExt::from_mode(0o755)).unwrap();
        }
        system
    }

    fn file(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::create_dir_all(self.file(name).parent().unwrap()).unwrap();
        fs::write(self.file(name), text).unwrap();
    }

    /// Runs dpkg as an administrator who keeps what was changed, and returns what the scripts called.
    fn dpkg(&self, what: &str, package: &Path) -> Vec<String> {
        let called = self.tools.path().join("called");
        fs::write(&called, "").unwrap();
        let mut dpkg = tool("dpkg", "dpkg");
        dpkg.env("PATH", with_path(&[self.tools.path()])).arg("--root").arg(self.root.path());
        // What it depends on is not below this folder, and neither is a shell.
        dpkg.args(["--force-not-root", "--force-script-chrootless", "--force-depends", "--force-confdef"]);
        printed(dpkg.args(["--force-unsafe-io", what]).arg(package));
        fs::read_to_string(called).unwrap().lines().map(str::to_owned).collect()
    }

    fn install(&self, package: &Path) -> Vec<String> {
        self.dpkg("--install", package)
    }

    /// What is there, besides what dpkg keeps and the system had.
    fn files(&self) -> Vec<String> {
        let all = below(self.root.path().to_str().unwrap());
        all.into_iter().filter(|name| !name.starts_with("var/lib/dpkg/") && !name.starts_with("var/log/")).collect()
    }
}

#[test]
fn it_starts_nothing_at_first_restarts_what_runs_keeps_what_was_changed_and_leaves_nothing() {
    const RELOADED: &str = "systemctl daemon-reload";
    let (system, name) = (System::new(), Path::new("avepoint-exporter"));
    assert_eq!(system.install(&AT_HOME), [RELOADED], "there is no account to poll yet");
    assert!(!system.file(LINK).exists(), "nor is it enabled");
    let example = fs::read_to_string(system.file(CONFIGURATION)).unwrap();

    // An administrator configures, enables and starts it.
    let changed = example.replace("00000000-0000-0000-0000-000000000000", "11111111-1111-1111-1111-111111111111");
    system.write(CONFIGURATION, &changed);
    system.write(OPTIONS, "ARGS=\"--log.format=json\"\n");
    system.write(STATE, "{}");
    symlink("private/avepoint-exporter", system.file("var/lib/avepoint-exporter")).unwrap();
    fs::create_dir_all(system.file(LINK).parent().unwrap()).unwrap();
    symlink(format!("/{UNIT}"), system.file(LINK)).unwrap();

    let restarted = [RELOADED, "deb-systemd-invoke try-restart avepoint-exporter.service"];
    assert_eq!(system.install(&PACKAGE.next()), restarted, "it runs until the new version takes over");
    let kept = |name: &str| fs::read_to_string(system.file(name)).unwrap();
    assert_eq!((kept(CONFIGURATION), kept(OPTIONS).as_str()), (changed.clone(), "ARGS=\"--log.format=json\"\n"));
    assert_eq!(
        kept(&format!("{CONFIGURATION}.dpkg-dist")),
        format!("{example}# new\n"),
        "the new example lies beside it"
    );
    // And back.
    assert_eq!(system.install(&AT_HOME), restarted);
    assert_eq!(kept(CONFIGURATION), changed);

    let stopped = ["deb-systemd-invoke stop avepoint-exporter.service", RELOADED];
    assert_eq!(system.dpkg("--remove", name), stopped);
    assert!(!system.file("usr/bin/avepoint-exporter").exists() && !system.file(UNIT).exists());
    assert_eq!((kept(CONFIGURATION), kept(STATE).as_str()), (changed, "{}"), "who comes back finds all as it was");

    assert_eq!(system.dpkg("--purge", name), [RELOADED]);
    assert_eq!(system.files(), [""; 0]);
    assert!(fs::symlink_metadata(system.file("var/lib/avepoint-exporter")).is_err());
}

#[test]
fn its_scripts_call_nothing_without_systemd_and_for_a_system_that_does_not_run() {
    let name = Path::new("avepoint-exporter");
    let (without, elsewhere) = (System::new(), System::new());
    fs::remove_dir_all(without.file("run/systemd")).unwrap();
    for (system, package) in [(without, &*AT_HOME), (elsewhere, &PACKAGE.path)] {
        assert_eq!(system.install(package), [""; 0]);
        assert_eq!(system.dpkg("--purge", name), [""; 0]);
        assert_eq!(system.files(), [""; 0]);
    }
}
