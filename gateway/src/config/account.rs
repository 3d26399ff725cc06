//! Users and groups by name, from the system's own files: services run under accounts that are there.

use std::fs;

/// The number of a user, or of a group, by its name.
#[derive(Clone, Copy)]
pub enum Database {
    /// `/etc/passwd`
    Users,
    /// `/etc/group`
    Groups,
}

impl Database {
    /// The number of a name; `None` when there is no such name.
    pub fn number(self, name: &str) -> Option<u32> {
        let text = fs::read_to_string(self.file()).ok()?;
        find(&text, name)
    }

    /// Where the names are.
    pub fn file(self) -> &'static str {
        match self {
            Self::Users => "/etc/passwd",
            Self::Groups => "/etc/group",
        }
    }
}

/// Both files have the name in the first and the number in the third field.
fn find(text: &str, name: &str) -> Option<u32> {
    let mut lines = text.lines().map(|line| line.split(':'));
    let mut fields = lines.find_map(|mut fields| (fields.next()? == name).then_some(fields))?;
    fields.nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_the_number_of_its_line() {
        let text = "root:x:0:0:root:/root:/bin/bash\nwww-data:x:33:33::/var/www:\nbad:x\n";
        assert_eq!(find(text, "www-data"), Some(33));
        for name in ["www", "", "bad", "x"] {
            assert_eq!(find(text, name), None, "{name}");
        }
        assert_eq!(Database::Users.number("root"), Some(0));
        assert_eq!(Database::Groups.number("root"), Some(0));
    }
}
