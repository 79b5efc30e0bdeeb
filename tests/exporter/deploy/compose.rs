//! `deploy/compose`: the services, what they mount, and Prometheus' configuration.

use std::fs;
use std::path::Path;

use avepoint_exporter::cli::Command;
use serde_yaml::Value;

use super::files::{each, ending, text, texts, yaml};
use super::image::{Image, arguments, is_in};
use crate::harness::{printed, read, root, tool};

pub const FOLDER: &str = "deploy/compose";

/// A service of `compose.yaml`.
pub struct Service(Value);

impl Service {
    pub fn of(name: &str) -> Self {
        Self::in_file("compose.yaml", name)
    }

    fn in_file(file: &str, name: &str) -> Self {
        let service = yaml(&format!("{FOLDER}/{file}"))["services"][name].clone();
        assert!(service.is_mapping(), "no service {name}");
        Self(service)
    }

    fn command(&self) -> Vec<String> {
        texts(&self.0["command"])
    }

    /// What is mounted at a path of the container: a path of the repository, or the name of a volume.
    pub fn mounted(&self, at: &str) -> String {
        let volumes = texts(&self.0["volumes"]);
        let found = volumes.iter().find_map(|volume| {
            let (source, target) = volume.split_once(':').unwrap();
            (target.trim_end_matches(":ro") == at).then(|| source.to_owned())
        });
        let source = found.unwrap_or_else(|| panic!("nothing is mounted at {at}"));
        match (source.strip_prefix("../../"), source.strip_prefix("./")) {
            (Some(path), _) => path.to_owned(),
            (_, Some(path)) => format!("{FOLDER}/{path}"),
            _ => source,
        }
    }

    /// The value that the command gives to a flag.
    fn flag(&self, name: &str) -> String {
        let command = self.command();
        let value = command.iter().find_map(|word| word.strip_prefix(&format!("--{name}=")));
        value.unwrap_or_else(|| panic!("no --{name} in {command:?}")).to_owned()
    }

    pub fn environment(&self, name: &str) -> String {
        text(&self.0["environment"][name])
    }

    /// The port that it listens on.
    fn port(&self) -> String {
        let [port] = &texts(&self.0["ports"])[..] else { panic!("one port") };
        port.rsplit(':').next().unwrap().to_owned()
    }
}

/// Whether `host:port` names a service and the port that it listens on.
pub fn is_a_service(address: &str) -> bool {
    address.split_once(':').is_some_and(|(name, port)| Service::of(name).port() == port)
}

fn services() -> Vec<(String, Value)> {
    let services = yaml(&format!("{FOLDER}/compose.yaml"))["services"].clone();
    services.as_mapping().unwrap().iter().map(|(name, service)| (text(name), service.clone())).collect()
}

#[test]
fn docker_compose_accepts_the_files() {
    let file = format!("{FOLDER}/compose.yaml");
    let known = read(&file);
    // The distribution's docker-compose does not know `name` yet, and everything else.
    let older = known.replacen("name: avepoint\n", "", 1);
    assert_ne!(known, older, "{file} names its project, or else its volumes would be another `compose` folder's");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("compose.yaml");
    fs::write(&path, older).unwrap();
    let check = |more: &[&str]| {
        let mut docker = tool("docker-compose", "docker-compose");
        docker.current_dir(root().join(FOLDER)).arg("--project-directory").arg(".").arg("-f").arg(&path).args(more);
        printed(docker.args(["config", "-q"]));
    };
    check(&[]);
    check(&["-f", "compose.account.yaml"]);
}

#[test]
fn these_four_run_without_privileges_and_are_reached_from_this_machine_alone() {
    let services = services();
    let names: Vec<_> = services.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["exporter", "prometheus", "alertmanager", "grafana"]);
    for (name, service) in &services {
        assert_eq!(service["read_only"], true, "{name}");
        assert_eq!(texts(&service["cap_drop"]), ["ALL"], "{name}");
        assert_eq!(texts(&service["security_opt"]), ["no-new-privileges:true"], "{name}");
        assert_eq!(service["restart"], "unless-stopped", "{name}");
        for port in texts(&service["ports"]) {
            assert!(port.starts_with("127.0.0.1:"), "{name} is published on {port}");
        }
    }
}

#[test]
fn whatever_is_mounted_exists() {
    for file in ["compose.yaml", "compose.account.yaml"] {
        let compose = yaml(&format!("{FOLDER}/{file}"));
        let declared: Vec<_> = compose["volumes"].as_mapping().unwrap().keys().map(text).collect();
        let mut used = Vec::new();
        for service in compose["services"].as_mapping().unwrap().values() {
            for volume in service["volumes"].as_sequence().into_iter().flatten() {
                let volume = text(volume);
                let (source, target) = volume.split_once(':').unwrap();
                if source.starts_with('.') {
                    assert!(root().join(FOLDER).join(source).exists(), "{file}: {source} does not exist");
                    assert!(target.ends_with(":ro"), "{file}: {source} belongs to the repository");
                } else {
                    used.push(source.to_owned());
                }
            }
        }
        assert_eq!(used, declared, "{file}");
    }
}

#[test]
fn the_exporter_is_built_from_the_dockerfile_and_is_the_demo() {
    let exporter = Service::of("exporter");
    let build = &exporter.0["build"];
    let context = root().join(FOLDER).join(text(&build["context"]));
    assert_eq!(context.canonicalize().unwrap(), root().canonicalize().unwrap());
    for argument in build["args"].as_mapping().unwrap().keys().map(text) {
        assert!(read("Dockerfile").contains(&format!("ARG {argument}=")), "{argument}");
    }
    let arguments = arguments(&exporter.command());
    assert!(matches!(arguments.command, Some(Command::Demo)));
    assert_eq!(exporter.command()[1], format!("--web.listen-address=:{}", Image::new().port));
    assert_eq!(exporter.port(), Image::new().port.to_string());
}

#[test]
fn with_an_account_the_exporter_finds_its_configuration_and_its_state() {
    let (exporter, image) = (Service::in_file("compose.account.yaml", "exporter"), Image::new());
    let arguments = arguments(&exporter.command());
    assert!(arguments.command.is_none() && arguments.options.auto_reload);
    let config = format!("{}/exporter.yaml", exporter.mounted(&image.config));
    let config = yaml(&config);
    assert_eq!(config["api"]["client_secret_file"], "client_secret", "beside it, which git ignores");
    assert!(is_in(&text(&config["state_file"]), &image.state));
    assert_eq!(exporter.mounted(&image.state), "exporter");
}

#[test]
fn prometheus_accepts_its_configuration_and_every_rule() {
    let prometheus = Service::of("prometheus");
    assert_eq!(prometheus.mounted(&prometheus.flag("storage.tsdb.path")), "prometheus");
    let configuration = read(&prometheus.mounted(&prometheus.flag("config.file")));
    let parsed: Value = serde_yaml::from_str(&configuration).unwrap();
    let [rules] = &texts(&parsed["rule_files"])[..] else { panic!("one pattern") };
    let (folder, pattern) = rules.rsplit_once('/').unwrap();
    let mounted = prometheus.mounted(folder);
    assert_eq!(mounted, "alerts");
    assert_eq!(pattern, "*.yaml");

    let here = tempfile::tempdir().unwrap();
    let path = here.path().join("prometheus.yml");
    fs::write(&path, configuration.replace(folder, &root().join(&mounted).to_string_lossy())).unwrap();
    let said = printed(tool("promtool", "prometheus").args(["check", "config"]).arg(path));
    for name in ending(&mounted, ".yaml") {
        assert!(said.contains(&format!("/{name}")), "{name} is checked:\n{said}");
    }
}

#[test]
fn prometheus_scrapes_the_exporter_and_notifies_alertmanager() {
    let prometheus = Service::of("prometheus");
    let configuration = yaml(&prometheus.mounted(&prometheus.flag("config.file")));
    let targets = |section: &Value| texts(&section["static_configs"][0]["targets"]);
    assert_eq!(each(&configuration["scrape_configs"], "job_name"), ["avepoint"]);
    let alertmanagers = targets(&configuration["alerting"]["alertmanagers"][0]);
    for target in targets(&configuration["scrape_configs"][0]).iter().chain(&alertmanagers) {
        assert!(is_a_service(target), "{target}");
    }
}

#[test]
fn the_flags_of_prometheus_and_alertmanager_exist() {
    for (service, program, package) in [
        ("prometheus", "prometheus", "prometheus"),
        ("alertmanager", "prometheus-alertmanager", "prometheus-alertmanager"),
    ] {
        let output = tool(program, package).arg("--help").output().unwrap();
        let help = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        for word in Service::of(service).command() {
            let (flag, _) = word.split_once('=').unwrap();
            assert!(help.contains(&format!("{flag}=")), "{service} has no {flag}");
        }
    }
}

#[test]
fn alertmanager_is_given_its_configuration_and_a_volume() {
    let alertmanager = Service::of("alertmanager");
    let configuration = alertmanager.mounted(&alertmanager.flag("config.file"));
    assert!(Path::new(&configuration).ends_with("alertmanager.yml"));
    assert_eq!(alertmanager.mounted(&alertmanager.flag("storage.path")), "alertmanager");
}
