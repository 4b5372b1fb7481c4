//! `tropomq password`: the hash of a password, for `console.users`.

use std::io::{BufRead, IsTerminal};

use anyhow::{Context, ensure};
use secrecy::{ExposeSecret, SecretString};

use crate::output::print;

/// `tropomq password`
#[derive(Debug, clap::Args)]
pub(crate) struct Password {}

impl Password {
    /// Asks for a password twice, without showing it; where nobody sits, reads a line of standard input. Prints its hash.
    ///
    /// # Errors
    /// There is none, the two differ, or it cannot be hashed.
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let stdin = std::io::stdin();
        let password = if stdin.is_terminal() { asked()? } else { read(&mut stdin.lock())? };
        print(&line(&password)?);
        Ok(())
    }
}

/// As it goes into the configuration. In single quotes, for nothing in it means anything to TOML or a shell then.
fn line(password: &SecretString) -> anyhow::Result<String> {
    Ok(format!("password_hash = '{}'\n", console::hash(password)?))
}

fn asked() -> anyhow::Result<SecretString> {
    let ask = |prompt: &str| rpassword::prompt_password(prompt).map(SecretString::from).context("ask for a password");
    let password = ask("Password: ")?;
    let again = ask("Once more: ")?;
    ensure!(password.expose_secret() == again.expose_secret(), "these were two different passwords");
    Ok(password)
}

fn read(input: &mut impl BufRead) -> anyhow::Result<SecretString> {
    let mut line = String::new();
    input.read_line(&mut line).context("read the password from standard input")?;
    Ok(SecretString::from(line.trim_end_matches(['\r', '\n'])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_standard_input_is_the_password_as_it_is() {
        for (input, password) in [(" two words \r\nmore", " two words "), ("no end", "no end"), ("", "")] {
            assert_eq!(read(&mut input.as_bytes()).unwrap().expose_secret(), password);
        }
        assert!(read(&mut [0xff, b'\n'].as_slice()).is_err());
    }

    #[test]
    fn what_is_printed_can_stand_in_the_configuration() {
        let printed = line(&SecretString::from("correct horse")).unwrap();
        let read: toml::Table = toml::from_str(&printed).unwrap();
        let hash = read["password_hash"].as_str().unwrap();
        assert!(hash.starts_with("$argon2id$v=19$"), "{hash}");
        assert!(!printed.contains("horse"));
        assert_ne!(line(&SecretString::from("correct horse")).unwrap(), printed, "each has a salt of its own");
    }

    #[test]
    fn a_password_that_is_too_short_is_refused() {
        let refused = line(&SecretString::from("1234567")).unwrap_err();
        assert!(refused.to_string().contains("8 characters"), "{refused}");
    }
}
