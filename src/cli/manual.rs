//! What a shell and `man` are told of the command line.

use std::io::{self, Write as _};
use std::path::Path;

use anyhow::{Context, Result};
use clap::CommandFactory as _;
use clap_complete::Shell;

use super::{Arguments, Outcome};

/// Prints the script that completes commands and options in `shell`.
pub(super) fn completions(shell: Shell) -> Result<Outcome> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), env!("CARGO_PKG_NAME"), &mut script);
    io::stdout().write_all(&script)?;
    Ok(Outcome::Done)
}

/// Writes a page for the program and one for each command into a folder, which must exist.
pub(super) fn pages(folder: &Path) -> Result<Outcome> {
    // `help` has no page: each command has one.
    let command = Arguments::command().disable_help_subcommand(true);
    clap_mangen::generate_to(command, folder).with_context(|| format!("cannot write to {}", folder.display()))?;
    Ok(Outcome::Done)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use clap::ValueEnum as _;

    use super::*;

    /// The commands that are shown, and the long options of the program and of each.
    fn words() -> Vec<String> {
        let mut command = Arguments::command();
        command.build();
        let commands: Vec<_> = command.get_subcommands().filter(|command| !command.is_hide_set()).collect();
        let options = commands.iter().flat_map(|command| command.get_arguments()).chain(command.get_arguments());
        let options = options.filter_map(|option| option.get_long()).filter(|name| *name != "version");
        let mut words: Vec<_> =
            commands.iter().map(|command| command.get_name()).chain(options).map(str::to_owned).collect();
        words.sort();
        words.dedup();
        words
    }

    #[test]
    fn each_shell_completes_every_command_and_option() {
        for shell in Shell::value_variants() {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Arguments::command(), "avepoint-exporter", &mut script);
            let script = String::from_utf8(script).unwrap();
            let words = words();
            assert!(words.len() > 15, "{words:?}");
            for word in words {
                assert!(script.contains(&word), "{shell}: {word}");
            }
        }
    }

    #[test]
    fn the_pages_name_every_command_and_option_and_nothing_hidden() {
        let folder = tempfile::tempdir().unwrap();
        pages(folder.path()).unwrap();
        let mut all = String::new();
        let mut names: Vec<_> = Vec::new();
        for entry in fs::read_dir(folder.path()).unwrap() {
            let entry = entry.unwrap();
            names.push(entry.file_name().into_string().unwrap());
            // In roff a hyphen that is not to break a line is written so.
            all.push_str(&fs::read_to_string(entry.path()).unwrap().replace("\\-", "-"));
        }
        for word in words() {
            assert!(all.contains(&word), "{word}");
        }
        names.sort();
        assert_eq!((names[0].as_str(), names.len()), ("avepoint-exporter-check.1", 9), "{names:?}");
        assert!(!all.contains("Write the manual"), "a hidden command");
        let nowhere = folder.path().join("nowhere");
        let error = pages(&nowhere).unwrap_err();
        assert!(format!("{error:#}").contains("nowhere: No such file"), "{error:#}");
    }
}
