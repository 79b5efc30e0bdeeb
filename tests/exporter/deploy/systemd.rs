//! The unit of `deploy/systemd`, as systemd's own programs see it.

use std::fs;

use serde_yaml::Value;

use super::files::{text, yaml};
use super::image::{Image, arguments, is_in};
use crate::harness::{Ended, printed, read, root, tool};

const NAME: &str = "avepoint-exporter.service";

fn unit() -> String {
    read(&format!("deploy/systemd/{NAME}"))
}

/// What the unit sets a key to; a key that is set twice is a mistake here.
fn set(key: &str) -> String {
    let unit = unit();
    let mut values = unit.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    let value = values.next().unwrap_or_else(|| panic!("no {key}"));
    assert!(values.next().is_none(), "{key} is set twice");
    value.to_owned()
}

#[test]
fn systemd_accepts_the_unit_without_a_warning() {
    accepted(&unit(), &Image::new().binary);
}

/// systemd takes the unit, which runs `program`.
pub fn accepted(unit: &str, program: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(NAME);
    let installed = assert_cmd::cargo::cargo_bin!("avepoint-exporter");
    // It checks that the program exists, which on this machine is elsewhere.
    fs::write(&path, unit.replace(program, &installed.to_string_lossy())).unwrap();
    let ended = Ended::of(tool("systemd-analyze", "systemd").args(["verify", "--man=no"]).arg(&path));
    // A misspelt key does not make it fail, but it warns.
    assert_eq!((ended.code, ended.text()), (Some(0), String::new()));
}

#[test]
fn systemd_rates_the_sandbox_as_tight() {
    let path = root().join("deploy/systemd").join(NAME);
    let said = printed(tool("systemd-analyze", "systemd").args(["security", "--offline=true", "--no-pager"]).arg(path));
    let (_, level) = said.split_once(&format!("exposure level for {NAME}: ")).unwrap_or_else(|| panic!("{said}"));
    let level: f64 = level.split_whitespace().next().unwrap().parse().unwrap();
    assert!(level <= 1.2, "{said}");
    assert_eq!(set("ProtectSystem"), "strict", "the level alone does not show it");
}

#[test]
fn the_unit_runs_the_exporter_where_the_image_has_it() {
    let (command, image) = (set("ExecStart"), Image::new());
    let words: Vec<_> = command.split_whitespace().map(str::to_owned).collect();
    assert_eq!(words[0], image.binary);
    let [options @ .., more] = &words[1..] else { panic!("{command}") };
    assert_eq!(more, "$ARGS");
    let options = arguments(options).options;
    assert_eq!(options.config_file.parent().unwrap().to_str().unwrap(), image.config);
    assert_eq!(set("ExecReload"), "/bin/kill -HUP $MAINPID");
    assert_eq!(set("Restart"), "on-failure");
    assert_eq!((set("Type").as_str(), set("WatchdogSec").as_str()), ("notify", "2min"));
}

#[test]
fn the_configuration_names_the_units_credential_and_its_folder_of_state() {
    let configuration: Value = yaml("deploy/systemd/exporter.yaml");
    let credential = set("LoadCredential");
    let (name, file) = credential.split_once(':').unwrap();
    let shown = format!("/run/credentials/{NAME}/{name}");
    assert_eq!(text(&configuration["api"]["client_secret_file"]), shown);
    assert!(is_in(file, &Image::new().config), "it lies beside exporter.yaml, for root alone");

    let state = format!("/var/lib/{}", set("StateDirectory"));
    assert_eq!(state, Image::new().state);
    assert!(is_in(&text(&configuration["state_file"]), &state));
    assert_eq!(set("DynamicUser"), "yes");
}
