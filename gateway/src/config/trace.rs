//! `trace` and `trace_header` of a pool: which callbacks of its extension are logged.

use toml::de::DeValue;

use super::diagnostic::Wrong;
use super::secret::Secret;
use super::value;

/// Which callbacks are logged, and how much of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TraceLevel {
    /// None.
    #[default]
    Off,
    /// Those that fail.
    Failed,
    /// All.
    Calls,
    /// All, with the data that they carry.
    Data,
}

impl TraceLevel {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Off, Self::Failed, Self::Calls, Self::Data];

    /// Its name in the configuration, in the header and towards workers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Failed => "failed",
            Self::Calls => "calls",
            Self::Data => "data",
        }
    }

    /// The level of this name.
    pub fn named(name: &[u8]) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|level| level.name().as_bytes() == name)
    }

    /// Reads `trace`.
    ///
    /// # Errors
    /// Anything but a name of a level.
    pub fn read(value: &DeValue) -> Result<Self, Wrong> {
        let text = value::string(value)?;
        Self::named(text.as_bytes()).ok_or_else(|| {
            Wrong::with_remedy(
                format!("\"{text}\" is not a level of the trace"),
                r#"the levels are "off", "failed", "calls" and "data""#,
            )
        })
    }
}

/// A header by which a client that knows the secret has its request traced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceHeader {
    /// Its name.
    name: http::HeaderName,
    secret: Secret,
}

impl TraceHeader {
    /// Reads `trace_header`: `"NAME: SECRET"`.
    ///
    /// # Errors
    /// Any other form, and a secret that is too short or has characters that a header cannot have.
    pub fn read(value: &DeValue) -> Result<Self, Wrong> {
        let text = value::string(value)?;
        let parts = text.split_once(':').and_then(|(name, secret)| {
            let name = http::HeaderName::from_bytes(name.trim().as_bytes()).ok()?;
            Some((name, secret.trim()))
        });
        let Some((name, secret)) = parts else {
            return Err(Wrong::with_remedy(
                "this is not a header with a secret",
                r#"write "X-Trace: " and a secret of your own, such as `openssl rand -hex 16` makes"#,
            ));
        };
        let secret = Secret::new(secret)?;
        Ok(Self { name, secret })
    }

    /// Its name.
    pub fn name(&self) -> &http::HeaderName {
        &self.name
    }

    /// What the header's value asks for: `SECRET` for calls, `SECRET;LEVEL` for another level. `None` without the
    /// secret.
    pub fn level(&self, value: &[u8]) -> Option<TraceLevel> {
        let (secret, level) = match value.iter().position(|byte| *byte == b';') {
            Some(at) => (&value[..at], TraceLevel::named(&value[at + 1..])?),
            None => (value, TraceLevel::Calls),
        };
        self.secret.is(secret).then_some(level)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn read(text: &str) -> Result<TraceHeader, Wrong> {
        TraceHeader::read(&DeValue::String(text.to_owned().into()))
    }

    #[test]
    fn the_secret_opens_and_may_choose_the_level() {
        let header = read("X-Trace: 0123456789abcdef").unwrap();
        assert_eq!(header.name(), "x-trace");
        for (value, level) in [
            ("0123456789abcdef", Some(TraceLevel::Calls)),
            ("0123456789abcdef;data", Some(TraceLevel::Data)),
            ("0123456789abcdef;all", None),
            ("0123456789abcdeX", None),
            ("0123456789abcde", None),
            ("", None),
        ] {
            assert_eq!(header.level(value.as_bytes()), level, "{value}");
        }
        assert!(!format!("{header:?}").contains("0123"));
    }

    #[test]
    fn weak_secrets_are_refused() {
        for text in [
            "X-Trace",
            "X Trace: 0123456789abcdef",
            "X-Trace: short",
            "X: 01234567;89abcdef",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
