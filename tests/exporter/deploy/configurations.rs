//! Every `exporter.yaml` that is shipped runs against the simulator, in the folders that its way of deploying makes.

use std::fs;
use std::path::{Path, PathBuf};

use avepoint_exporter::config::Config;
use elements_sim::{Simulator, World};
use tempfile::TempDir;

use crate::harness::{Exporter, binary, read, world};

const SHIPPED: [&str; 3] = ["deploy/compose/config", "deploy/kubernetes", "deploy/systemd"];

/// A machine of its own: absolute paths begin at a folder.
struct Machine(TempDir);

impl Machine {
    /// Puts the configuration and the secret where they are looked for.
    fn with(folder: &str, simulator: Option<&Simulator>, secret: &str) -> Self {
        let machine = Self(tempfile::tempdir().unwrap());
        let mut text = read(&format!("{folder}/exporter.yaml"));
        for path in ["/var/lib", "/run/credentials"] {
            text = text.replace(&format!(": {path}/"), &format!(": {}/", machine.at(path).display()));
        }
        let secret_file = text.lines().find_map(|line| line.trim().strip_prefix("client_secret_file: ")).unwrap();
        // One that stands beside the file is a relative path.
        let secret_file = machine.at("/etc/avepoint-exporter").join(secret_file);
        let state_file = text.lines().find_map(|line| line.strip_prefix("state_file: ")).unwrap();
        for file in [&secret_file, Path::new(state_file), &machine.config()] {
            fs::create_dir_all(file.parent().unwrap()).unwrap();
        }
        fs::write(secret_file, secret).unwrap();
        if let Some(simulator) = simulator {
            let (base, token, world) = (simulator.base_url(), simulator.token_url(), World::default());
            text = text.replace("00000000-0000-0000-0000-000000000000", &world.client_id);
            text = text.replace("api:\n", &format!("api:\n  base_url: {base}\n  token_url: {token}\n"));
        }
        fs::write(machine.config(), text).unwrap();
        machine
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.path().join(path.trim_start_matches('/'))
    }

    fn config(&self) -> PathBuf {
        self.at("/etc/avepoint-exporter/exporter.yaml")
    }
}

#[test]
fn the_exporter_accepts_each_as_it_stands() {
    for folder in SHIPPED {
        let machine = Machine::with(folder, None, "secret");
        Config::load_with(&machine.config(), &|_| None).unwrap_or_else(|error| panic!("{folder}: {error}"));
    }
}

#[tokio::test]
async fn the_exporter_runs_with_each_and_finds_secret_and_state() {
    for folder in SHIPPED {
        let simulator = Simulator::start(world()).await.unwrap();
        // With the line break that an editor leaves.
        let secret = format!("{}\n", World::default().client_secret.unwrap());
        let machine = Machine::with(folder, Some(&simulator), &secret);
        let mut command = binary();
        command.arg("--config.file").arg(machine.config()).args(["--web.listen-address", "127.0.0.1:0"]);
        let exporter = Exporter::spawn(&mut command).await;
        exporter.until("avepoint_poll_targets{state=\"ok\"}", 3.0).await;
        exporter.stop().await;
        assert!(machine.at("/var/lib/avepoint-exporter/state.json").is_file(), "{folder}: the state is saved");
    }
}
