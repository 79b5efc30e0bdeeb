//! `deploy/README.md`: its commands are about what is there.

use super::files::{text, yaml};
use super::image::Image;
use crate::harness::document::Document;
use crate::harness::{read, root};

const GUIDE: &str = "deploy/README.md";
const PROGRAM: &str = env!("CARGO_PKG_NAME");
const ARCHIVE: &str = concat!("avepoint-exporter-", env!("CARGO_PKG_VERSION"), "-linux-x86_64");

#[test]
fn its_commands_name_what_exists() {
    let mut folder = root();
    let kustomization = yaml("deploy/kubernetes/kustomization.yaml");
    let image = &kustomization["images"][0];
    let image = format!("{}:{}", text(&image["newName"]), text(&image["newTag"]));
    let namespace = text(&kustomization["namespace"]);
    let commands = Document::at(GUIDE).blocks_of("sh").concat();
    for line in commands.lines() {
        let words: Vec<_> = line.split_whitespace().skip_while(|word| *word == "sudo").collect();
        let exists = |name: &str| folder.join(name).exists();
        // What is written by hand or built, and so is not there yet.
        let comes = |name: &str| {
            name.ends_with("client_secret") || name.strip_prefix("target/release/").unwrap_or(name) == PROGRAM
        };
        let good = match words[..] {
            ["tar", "-xzf", archive] => archive == format!("{ARCHIVE}.tar.gz"),
            // Its folder has the layout of the repository.
            ["cd", ARCHIVE] => {
                folder = root();
                true
            }
            ["cd", to] => {
                folder = root().join(to);
                folder.is_dir()
            }
            ["docker", "compose", "up"] => exists("compose.yaml"),
            ["docker", "compose", "-f", file, "-f", more, "up", "--detach"]
            | ["docker", "compose", "-f", file, "-f", more, "run", "--rm", "exporter", "check", "--live"] => {
                exists(file) && exists(more)
            }
            ["docker", "build", "--tag", tag, "."] | ["docker", "push", tag] => tag == image,
            ["chown", _, first, second] => exists(first) && comes(second),
            ["chmod", "0400", file] => comes(file),
            ["kubectl", "apply", "-k", to, ..] => root().join(to).join("kustomization.yaml").is_file(),
            ["kubectl", "--namespace", space, "rollout", "status", object] => {
                space == namespace && object == "deployment/avepoint-exporter"
            }
            ["kubectl", "--namespace", space, "port-forward", object, port] => {
                space == namespace && object == "service/avepoint-exporter" && port == Image::new().port.to_string()
            }
            ["kubectl", "--namespace", space, "exec", object, "--", program, "check", "--live"] => {
                space == namespace
                    && object == "deployment/avepoint-exporter"
                    && Image::new().binary.ends_with(&format!("/{program}"))
            }
            ["kubectl", "--namespace", space, "debug", .., "--container=avepoint-exporter", "--", program, "check"] => {
                space == namespace && Image::new().binary.ends_with(&format!("/{program}"))
            }
            ["kubectl", "--namespace", space, "delete", "pod", _] => space == namespace,
            ["systemd-run", "--pipe", "--wait", "--collect", property, program, "check", "--live", config] => {
                let paths = property.strip_prefix("--property=BindReadOnlyPaths=").and_then(|it| it.split_once(':'));
                let configuration = read("deploy/systemd/exporter.yaml");
                paths.is_some_and(|(from, to)| comes(from) && configuration.contains(&format!(": {to}\n")))
                    && is_where_the_unit_looks(program)
                    && is_where_the_unit_looks(config.trim_start_matches("--config.file="))
            }
            ["install", "-d", "-m", "0755", to] => to == Image::new().config,
            ["install", "-m", _, "/dev/stdin", to] => comes(to),
            ["install", "-m", _, from, to] => {
                (comes(from) || root().join(from).is_file()) && is_where_the_unit_looks(to)
            }
            ["apt", "install", package] => {
                package == concat!("./avepoint-exporter_", env!("CARGO_PKG_VERSION"), "_amd64.deb")
            }
            ["cargo", "build", "--release", "--locked"] | ["systemctl", "daemon-reload"] => true,
            ["systemctl", "enable", "--now", unit] => root().join(format!("deploy/systemd/{unit}.service")).is_file(),
            ["curl", "--silent", url] => url == format!("http://127.0.0.1:{}/metrics", Image::new().port),
            _ => panic!("what is `{line}`?"),
        };
        assert!(good, "{line}");
        if line.starts_with("docker compose -f") && line.ends_with("--detach") {
            folder = root();
        }
    }
    assert!(commands.lines().count() > 15, "{commands}");
}

/// Whether the unit, that of the package or the shipped one, names the path, or it is the unit's own.
fn is_where_the_unit_looks(path: &str) -> bool {
    let unit = read("deploy/systemd/avepoint-exporter.service");
    let installed = unit.contains(&path.replacen("/usr/bin/", "/usr/local/bin/", 1));
    installed || path == "/etc/systemd/system/avepoint-exporter.service"
}

#[test]
fn every_page_that_it_lists_is_published() {
    let guide = read(GUIDE);
    let compose = read("deploy/compose/compose.yaml");
    let mut pages = 0;
    for rest in guide.split("<http://127.0.0.1:").skip(1) {
        let port = rest.split('>').next().unwrap();
        assert!(compose.contains(&format!("\"127.0.0.1:{port}:")), "{port}");
        pages += 1;
    }
    assert_eq!(pages, 4);
}
