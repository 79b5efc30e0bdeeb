//! What a shell and `man` are told of the command line.

use std::io::{self, Write as _};
use std::path::Path;

use anyhow::{Context, Result};
use clap::{Command, CommandFactory as _};
use clap_complete::Shell;
use clap_mangen::Man;

use super::{Arguments, Outcome};

/// Prints the script that completes commands and options in `shell`.
pub(super) fn completions(shell: Shell) -> Result<Outcome> {
    io::stdout().write_all(script(shell).as_bytes())?;
    Ok(Outcome::Done)
}

fn script(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut shown(), env!("CARGO_PKG_NAME"), &mut script);
    let script = String::from_utf8_lossy(&script);
    // In Bash, clap_complete takes a hyphen in the program's name for a space where it tells commands apart, and not where
    // it names the one that was typed: nothing would be completed after a command.
    script.replace("avepoint__subcmd__exporter__subcmd__", "avepoint__exporter__subcmd__")
}

/// The command line without what is hidden: clap_complete offers that, too, and clap cannot remove a command.
fn shown() -> Command {
    let all = Arguments::command();
    let commands = all.get_subcommands().filter(|command| !command.is_hide_set());
    Command::new(env!("CARGO_PKG_NAME"))
        .version(env!("CARGO_PKG_VERSION"))
        .args(all.get_arguments())
        .subcommands(commands.cloned())
}

/// Writes a page for the program and one for each command into a folder, which must exist.
pub(super) fn pages(folder: &Path) -> Result<Outcome> {
    // `help` has no page: each command has one.
    let mut program = Arguments::command().disable_help_subcommand(true);
    program.build();
    let commands = program.get_subcommands().filter(|command| !command.is_hide_set());
    for command in commands.chain([&program]) {
        let page = Man::new(command.clone());
        let file = folder.join(page.get_filename());
        page.generate_to(folder).with_context(|| format!("cannot write to {}", file.display()))?;
    }
    Ok(Outcome::Done)
}

#[cfg(test)]
mod tests {
    use std::{fs, process};

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
    fn each_shell_completes_every_command_and_option_and_nothing_hidden() {
        let words = words();
        assert!(words.len() > 15, "{words:?}");
        for shell in Shell::value_variants() {
            let script = script(*shell);
            for word in &words {
                assert!(script.contains(word), "{shell}: {word}");
            }
            assert!(
                !script.contains("Write the manual") && !script.contains("subcmd__man"),
                "{shell}: a hidden command"
            );
        }
    }

    /// What Bash offers for the last of the words after the program's name, in order.
    fn offered_by_bash(typed: &[&str]) -> Vec<String> {
        const ASK: &str = r#"
            . "$0"
            COMP_WORDS=(avepoint-exporter "$@") COMP_CWORD=$#
            [[ $(complete -p avepoint-exporter) =~ -F\ ([^ ]+) ]]
            "${BASH_REMATCH[1]}" avepoint-exporter "${COMP_WORDS[-1]}" "${COMP_WORDS[-2]}"
            printf '%s\n' "${COMPREPLY[@]}"
        "#;
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), script(Shell::Bash)).unwrap();
        let mut bash = process::Command::new("bash");
        let bash = bash.args(["--norc", "-c", ASK]).arg(file.path()).args(typed);
        let output = bash.output().unwrap_or_else(|error| panic!("bash is missing, install its package: {error}"));
        let mut offered: Vec<_> = String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
        assert!(output.status.success(), "{typed:?}: {}", String::from_utf8_lossy(&output.stderr));
        offered.sort();
        offered
    }

    #[test]
    fn bash_completes_commands_their_options_and_the_values_of_these() {
        let mut program = Arguments::command();
        program.build();
        let commands: Vec<_> = program.get_subcommands().filter(|command| !command.is_hide_set()).collect();
        let mut names: Vec<_> = commands.iter().map(|command| command.get_name()).collect();
        names.sort_unstable();
        assert_eq!(offered_by_bash(&["help", ""]), names);
        let offered = offered_by_bash(&[""]);
        let bare: Vec<_> = offered.iter().filter(|word| !word.starts_with('-')).collect();
        assert_eq!(bare, names.iter().collect::<Vec<_>>());

        let mut values = 0;
        for command in commands.into_iter().filter(|command| command.get_name() != "help") {
            let name = command.get_name();
            let options: Vec<_> = command.get_arguments().filter(|argument| argument.get_long().is_some()).collect();
            let mut longs: Vec<_> = options.iter().map(|option| format!("--{}", option.get_long().unwrap())).collect();
            longs.sort();
            assert_eq!(offered_by_bash(&[name, "--"]), longs, "{name}");
            for option in options.iter().filter(|option| option.get_action().takes_values()) {
                let mut possible: Vec<_> =
                    option.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
                possible.sort();
                if !possible.is_empty() {
                    let long = format!("--{}", option.get_long().unwrap());
                    assert_eq!(offered_by_bash(&[name, &long, ""]), possible, "{name} {long}");
                    values += 1;
                }
            }
        }
        assert!(values > 5, "{values}");
        assert_eq!(offered_by_bash(&["check", "--li"]), ["--live"]);
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
    }

    #[test]
    fn a_page_that_cannot_be_written_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let page = folder.path().join("avepoint-exporter-demo.1");
        fs::create_dir(&page).unwrap();
        let refusal = |folder: &Path| format!("{:#}", pages(folder).unwrap_err());
        let reason = refusal(folder.path());
        assert!(reason.starts_with(&format!("cannot write to {}: Is a directory", page.display())), "{reason}");
        let reason = refusal(&folder.path().join("nowhere"));
        assert!(reason.contains("nowhere/avepoint-exporter-check.1: No such file"), "{reason}");
    }
}
