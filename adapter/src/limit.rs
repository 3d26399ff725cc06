//! Limits of the process (setrlimit(2)) that it sets for itself: to set them for a process of another user takes a
//! privilege that a gateway in a container does not have.

use std::io;

use rustix::process::{Resource, Rlimit, setrlimit};

/// What a process may have of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    name: &'static str,
    resource: Resource,
    soft: u64,
    hard: u64,
}

/// Kinds by their names on the command line.
const KINDS: [(&str, Resource); 5] = [
    ("open-files", Resource::Nofile),
    ("processes", Resource::Nproc),
    ("core-size", Resource::Core),
    ("cpu-time", Resource::Cpu),
    ("address-space", Resource::As),
];

impl Limit {
    /// Reads `NAME=SOFT:HARD`.
    ///
    /// # Errors
    /// What is expected.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let (name, soft, hard) = text
            .split_once('=')
            .and_then(|(name, values)| {
                let (soft, hard) = values.split_once(':')?;
                Some((name, soft.parse().ok()?, hard.parse().ok()?))
            })
            .ok_or("expected NAME=SOFT:HARD")?;
        let kind = KINDS.into_iter().find(|(known, _)| *known == name);
        let (name, resource) = kind.ok_or("there is no limit of this name")?;
        Ok(Self {
            name,
            resource,
            soft,
            hard,
        })
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Sets it for this process and those that it starts.
    ///
    /// # Errors
    /// When it is more than what the process has.
    pub fn set(&self) -> io::Result<()> {
        let limit = Rlimit {
            current: Some(self.soft),
            maximum: Some(self.hard),
        };
        Ok(setrlimit(self.resource, limit)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_is_right() {
        let expected = Limit {
            name: "cpu-time",
            resource: Resource::Cpu,
            soft: 5,
            hard: 6,
        };
        assert_eq!(Limit::parse("cpu-time=5:6"), Ok(expected));
        for wrong in ["", "cpu-time", "cpu-time=5", "cpu-time=5:-1", "time=5:6"] {
            assert!(Limit::parse(wrong).is_err(), "{wrong}");
        }
    }
}
