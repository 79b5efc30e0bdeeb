//! `deploy/README.md`: its commands are about what is there.

use std::path::PathBuf;

use super::files::{text, yaml};
use super::image::Image;
use crate::harness::{read, root};

const GUIDE: &str = "deploy/README.md";

/// The lines of its blocks of commands.
fn commands() -> Vec<String> {
    let guide = read(GUIDE);
    let blocks = guide.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap().to_owned());
    blocks.flat_map(|block| block.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
}

#[test]
fn its_commands_name_what_exists() {
    let mut folder = root();
    let kustomization = yaml("deploy/kubernetes/kustomization.yaml");
    let image = &kustomization["images"][0];
    let image = format!("{}:{}", text(&image["newName"]), text(&image["newTag"]));
    let namespace = text(&kustomization["namespace"]);
    let commands = commands();
    for line in &commands {
        let words: Vec<_> = line.split_whitespace().skip_while(|word| *word == "sudo").collect();
        let exists = |name: &str| folder.join(name).exists();
        // What is written by hand or built, and so is not there yet.
        let comes = |name: &str| name.ends_with("client_secret") || name == "target/release/avepoint-exporter";
        let good = match words[..] {
            ["cd", to] => {
                folder = root().join(to);
                folder.is_dir()
            }
            ["docker", "compose", "up"] => exists("compose.yaml"),
            ["docker", "compose", "-f", file, "-f", more, "up", "--detach"] => exists(file) && exists(more),
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
            ["install", "-d", "-m", "0755", to] => to == Image::new().config,
            ["install", "-m", _, "/dev/stdin", to] => comes(to),
            ["install", "-m", _, from, to] => {
                (comes(from) || root().join(from).is_file()) && is_where_the_unit_looks(to)
            }
            ["cargo", "build", "--release", "--locked"] | ["systemctl", "daemon-reload"] => true,
            ["systemctl", "enable", "--now", unit] => root().join(format!("deploy/systemd/{unit}.service")).is_file(),
            ["curl", "--silent", url] => url == format!("http://127.0.0.1:{}/metrics", Image::new().port),
            _ => panic!("what is `{line}`?"),
        };
        assert!(good, "{line}");
        if line.starts_with("docker compose -f") {
            folder = root();
        }
    }
    assert!(commands.len() > 15, "{commands:?}");
}

/// Whether the unit names the path, or it is the unit's own.
fn is_where_the_unit_looks(path: &str) -> bool {
    let unit = read("deploy/systemd/avepoint-exporter.service");
    unit.contains(path) || path == "/etc/systemd/system/avepoint-exporter.service"
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

#[test]
fn its_links_lead_somewhere() {
    let guide = read(GUIDE);
    let anchors = |document: &str| -> Vec<String> {
        let heading = |line: &str| Some(line.strip_prefix("## ")?.to_lowercase().replace(' ', "-"));
        document.lines().filter_map(heading).collect()
    };
    let mut links = 0;
    for rest in guide.split("](").skip(1) {
        let link = rest.split(')').next().unwrap();
        let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
        let name = if file.is_empty() { GUIDE.into() } else { PathBuf::from("deploy").join(file) };
        assert!(root().join(&name).exists(), "{link}");
        let name = name.to_string_lossy().replace("deploy/../", "");
        assert!(anchor.is_empty() || anchors(&read(&name)).contains(&anchor.to_owned()), "{link}");
        links += 1;
    }
    assert!(links >= 4, "{links}");
}
