//! Users and groups of the system, by name or number, from its own files.

use std::fs;
use std::io;
use std::path::PathBuf;

/// A user whose processes workers can be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Number of the user.
    pub id: u32,
    /// Number of the group.
    pub group: u32,
    /// The home folder.
    pub home: PathBuf,
}

/// Why there is no such user or group.
#[derive(Debug, thiserror::Error)]
pub enum UserError {
    /// The file cannot be read.
    #[error("{file}: {error}")]
    Unreadable {
        /// The file.
        file: &'static str,
        /// Why.
        error: io::Error,
    },
    /// The file does not name it.
    #[error("{0} does not name it")]
    Unknown(&'static str),
}

const USERS: &str = "/etc/passwd";
const GROUPS: &str = "/etc/group";

/// Finds a user by name or number (passwd(5)).
///
/// # Errors
/// When there is none.
pub fn find(name: &str) -> Result<User, UserError> {
    parse_user(&read(USERS)?, name).ok_or(UserError::Unknown(USERS))
}

/// Finds the number of a group by its name or number (group(5)).
///
/// # Errors
/// When there is none.
pub fn find_group(name: &str) -> Result<u32, UserError> {
    parse_group(&read(GROUPS)?, name).ok_or(UserError::Unknown(GROUPS))
}

fn read(file: &'static str) -> Result<String, UserError> {
    fs::read_to_string(file).map_err(|error| UserError::Unreadable { file, error })
}

/// `NAME:PASSWORD:UID:GID:COMMENT:HOME:SHELL`.
fn parse_user(text: &str, wanted: &str) -> Option<User> {
    text.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, _, id, group, _, home, _] = fields.as_slice() else {
            return None;
        };
        (*name == wanted || *id == wanted).then_some(())?;
        Some(User {
            id: id.parse().ok()?,
            group: group.parse().ok()?,
            home: PathBuf::from(home),
        })
    })
}

/// `NAME:PASSWORD:GID:MEMBERS`.
fn parse_group(text: &str, wanted: &str) -> Option<u32> {
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, id) = (fields.next()?, fields.nth(1)?);
        (name == wanted || id == wanted).then(|| id.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_users_and_groups_by_name_and_number() {
        let users =
            "root:x:0:0:root:/root:/bin/bash\n# nonsense\nwww:x:33:34:,,,:/var/www:/bin/false\n";
        let www = User {
            id: 33,
            group: 34,
            home: "/var/www".into(),
        };
        assert_eq!(parse_user(users, "www"), Some(www.clone()));
        assert_eq!(parse_user(users, "33"), Some(www));
        assert_eq!(parse_user(users, "34"), None);
        let groups = "root:x:0:\nstaff:x:50:a,b\n";
        assert_eq!(parse_group(groups, "staff"), Some(50));
        assert_eq!(parse_group(groups, "50"), Some(50));
        assert_eq!(parse_group(groups, "x"), None);
    }
}
