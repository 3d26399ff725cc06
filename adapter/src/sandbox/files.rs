//! Which files a process may use (landlock(7)).

use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, BitFlags, LandlockStatus, PathBeneath, PathFd, PathFdError, Ruleset,
    RulesetAttr as _, RulesetCreated, RulesetCreatedAttr as _, RulesetError, RulesetStatus, Scope,
};

use super::Profile;

/// What libraries read on nearly every system, as far as it is there: other libraries, names and addresses, users,
/// time zones, languages, certificates, and what the machine has. Nothing of it is secret.
const COMMON: [&str; 35] = [
    "/lib",
    "/lib32",
    "/lib64",
    "/usr/lib",
    "/usr/lib32",
    "/usr/lib64",
    "/usr/local/lib",
    "/usr/share",
    "/usr/local/share",
    "/etc/ld.so.cache",
    "/etc/ld.so.preload",
    "/etc/nsswitch.conf",
    "/etc/resolv.conf",
    "/run/systemd/resolve",
    "/etc/hosts",
    "/etc/host.conf",
    "/etc/gai.conf",
    "/etc/services",
    "/etc/protocols",
    "/etc/passwd",
    "/etc/group",
    "/etc/localtime",
    "/etc/timezone",
    "/etc/locale.alias",
    "/etc/os-release",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/etc/pki/tls/certs",
    "/etc/pki/tls/openssl.cnf",
    "/etc/crypto-policies",
    "/etc/pki/ca-trust/extracted",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/sys/devices/system/cpu",
    "/sys/fs/cgroup",
];

/// What a process reads about itself.
const OWN: &str = "/proc/self";

/// Devices that are for everybody.
const DEVICES: [&str; 5] = [
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/random",
    "/dev/urandom",
];

/// What starts programs that are linked dynamically.
const LOADERS: [&str; 4] = [
    "/lib64/ld-linux-x86-64.so.2",
    "/lib/ld-linux-aarch64.so.1",
    "/lib/ld-linux-riscv64-lp64d.so.1",
    "/lib64/ld64.so.2",
];

/// Rights over files that the profile is about: all that Linux 6.10 knows.
const FILES: ABI = ABI::V5;
/// That signals and abstract Unix sockets stay inside: Linux 6.12.
const SCOPES: ABI = ABI::V6;

/// Why files cannot be protected.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// A file or folder of the profile cannot be found.
    #[error(transparent)]
    Path(#[from] PathFdError),
    /// Landlock is there and refuses.
    #[error("Landlock: {0}")]
    Landlock(#[from] RulesetError),
}

/// Binds this thread, and those that it starts. Returns what this system cannot keep, if there is something, and what to
/// do about it.
pub fn restrict(profile: &Profile, extension: &Path) -> Result<Option<&'static str>, FilesError> {
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let devices = AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::Truncate;
    let write = AccessFs::from_all(FILES)
        & !(AccessFs::Execute | AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::IoctlDev);
    let mut rules = Rules(
        Ruleset::default()
            .handle_access(AccessFs::from_all(FILES))?
            .scope(Scope::from_all(SCOPES))?
            .create()?,
    );
    for path in COMMON {
        rules.allow_if_there(path, read)?;
    }
    for path in DEVICES {
        rules.allow_if_there(path, devices | AccessFs::IoctlDev)?;
    }
    // Its name may be a link to a file elsewhere, which has other libraries beside it.
    let real = extension.canonicalize();
    for path in [Some(extension), real.as_deref().ok()]
        .into_iter()
        .flatten()
    {
        rules.allow(path.parent().unwrap_or(path), read)?;
    }
    for path in &profile.read {
        rules.allow(path, read)?;
    }
    for path in &profile.write {
        rules.allow(path, write)?;
    }
    for path in &profile.execute {
        rules.allow(path, read | AccessFs::Execute)?;
    }
    if !profile.execute.is_empty() {
        for path in LOADERS {
            rules.allow_if_there(path, read | AccessFs::Execute)?;
        }
    }
    // The system forgets which folder of /proc a rule was about when it forgets the folder; so it is kept open.
    if let Some(own) = rules.allow_if_there(OWN, read)? {
        std::mem::forget(own);
    }
    let status = rules.0.restrict_self()?;
    Ok(match (status.ruleset, status.landlock) {
        (RulesetStatus::FullyEnforced, _) => None,
        (_, LandlockStatus::NotImplemented) => {
            Some("this kernel has no Landlock, so files are not protected: run Linux 6.12 or later")
        }
        (_, LandlockStatus::NotEnabled) => Some(
            "Landlock is turned off, so files are not protected: add `landlock` to the kernel's `lsm=` list",
        ),
        (..) => Some(
            "this kernel knows Landlock only in part, so not all of files, signals and sockets is protected: run Linux \
             6.12 or later",
        ),
    })
}

struct Rules(RulesetCreated);

impl Rules {
    /// Allows this with a file, or with everything in a folder.
    fn allow(&mut self, path: &Path, access: BitFlags<AccessFs>) -> Result<PathFd, FilesError> {
        let file = PathFd::new(path)?;
        let access = match path.is_dir() {
            true => access,
            false => access & AccessFs::from_file(FILES),
        };
        (&mut self.0).add_rule(PathBeneath::new(&file, access))?;
        Ok(file)
    }

    /// The same; `None` when the path does not exist or is out of reach anyway.
    fn allow_if_there(
        &mut self,
        path: &str,
        access: BitFlags<AccessFs>,
    ) -> Result<Option<PathFd>, FilesError> {
        match self.allow(Path::new(path), access) {
            Err(FilesError::Path(_)) => Ok(None),
            allowed => allowed.map(Some),
        }
    }
}
