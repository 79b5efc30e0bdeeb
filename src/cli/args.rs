//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use exporter_web::ListenAddress;

use crate::pages::TelemetryPath;
use crate::status::Build;

/// Prometheus exporter for the user seats that AvePoint customers have purchased.
///
/// Without a command it runs the exporter: it asks AvePoint's API in the background, and serves what it knows on
/// /metrics.
#[derive(Debug, Parser)]
#[command(name = "avepoint-exporter", version = Build::THIS.version, max_term_width = 100)]
pub struct Arguments {
    #[command(flatten)]
    pub options: Options,
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// In Prometheus' own style. None of them takes a secret: others on this machine could read it.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// The configuration.
    #[arg(long = "config.file", value_name = "FILE", default_value = "exporter.yaml", global = true)]
    pub config_file: PathBuf,

    /// Load the configuration again when its file changes, or one that it names.
    #[arg(long = "config.enable-auto-reload", global = true)]
    pub auto_reload: bool,

    /// Where to listen: `:port`, `host:port` or `[v6]:port`. Repeat it for more. [default: :10878, for demo
    /// 127.0.0.1:10878]
    #[arg(long = "web.listen-address", value_name = "ADDRESS", global = true)]
    pub listen: Vec<ListenAddress>,

    /// The path of the metrics.
    #[arg(long = "web.telemetry-path", value_name = "PATH", default_value_t, global = true)]
    pub telemetry_path: TelemetryPath,

    /// TLS, users, headers and a rate limit, in the format of Prometheus' exporter-toolkit. It is followed when it
    /// changes. [default: none]
    #[arg(long = "web.config.file", value_name = "FILE", global = true)]
    pub web_config_file: Option<PathBuf>,

    /// Allow `POST /-/reload`, which loads the configuration again.
    #[arg(long = "web.enable-lifecycle", global = true)]
    pub enable_lifecycle: bool,

    /// What is logged: this level and those above it.
    #[arg(long = "log.level", value_name = "LEVEL", default_value = "info", global = true)]
    pub log_level: LogLevel,

    /// How it is logged.
    #[arg(long = "log.format", value_name = "FORMAT", default_value = "logfmt", global = true)]
    pub log_format: LogFormat,
}

#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Say whether the configuration is right, without a network.
    Check {
        /// Get a token as well, and ask for one overview per customer.
        #[arg(long)]
        live: bool,
    },
    /// Poll every target once and print what was answered; exit 1 if any target failed.
    Poll {
        #[arg(long, value_name = "FORMAT", default_value = "table")]
        output: PollOutput,
    },
    /// List the customers that the credentials can see.
    Customers {
        #[arg(long, value_name = "FORMAT", default_value = "table")]
        output: CustomersOutput,
    },
    /// List the subscriptions of all customers that the credentials can see: what ends first on top.
    Subscriptions {
        #[arg(long, value_name = "FORMAT", default_value = "table")]
        output: Output,
    },
    /// List the tenants of the customers with their assigned and available seats; exit 1 if any could not be listed.
    Tenants {
        #[arg(long, value_name = "FORMAT", default_value = "table")]
        output: Output,
    },
    /// List the products of AvePoint's catalogue.
    Products {
        #[arg(long, value_name = "FORMAT", default_value = "table")]
        output: Output,
    },
    /// Run the whole exporter on a simulated API: no account, no configuration.
    Demo,
    /// Print a script that completes commands and options in a shell.
    Completions { shell: Shell },
    /// Write the manual, for those who pack the program: a page for it and one for each command.
    #[command(hide = true)]
    Man { folder: PathBuf },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    Logfmt,
    Json,
}

/// How a list is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    Table,
    Csv,
    Json,
}

/// How the customers are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CustomersOutput {
    Table,
    Csv,
    Json,
    /// As entries of `customers` in the configuration, named after their organizations.
    Yaml,
}

/// How the outcome of a poll is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PollOutput {
    Table,
    Csv,
    Json,
    /// As /metrics would show it.
    Metrics,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn the_help_names_the_default_address() {
        let command = Arguments::command();
        let listen = command.get_arguments().find(|option| option.get_long() == Some("web.listen-address"));
        let help = listen.and_then(|option| option.get_help()).expect("an option with help").to_string();
        assert!(help.contains(&format!("[default: {},", crate::cli::DEFAULT_ADDRESS)), "{help}");
    }

    #[test]
    fn options_may_follow_the_command() {
        let arguments =
            Arguments::try_parse_from(["avepoint-exporter", "check", "--config.file", "x.yaml"]).expect("valid");
        assert_eq!(arguments.options.config_file, PathBuf::from("x.yaml"));
    }

    #[test]
    fn no_option_takes_a_secret() {
        for option in Arguments::command().get_arguments() {
            let name = option.get_long().unwrap_or_default();
            assert!(!["secret", "password", "token", "key"].iter().any(|word| name.contains(word)), "--{name}");
        }
    }
}
