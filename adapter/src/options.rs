//! The worker's command line.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use lexopt::Arg;
use lexopt::ValueExt as _;

use crate::drives::Drives;
#[cfg(unix)]
use crate::limit::Limit;
use crate::os::MOST_PROCESSORS;
#[cfg(unix)]
use crate::sandbox::{Network, Profile};
use crate::threads::{MOST_SOURCES, MOST_THREADS};
use crate::trace::Level;

/// What `--help` prints.
pub const HELP: &str = "\
isapi-worker: runs one ISAPI extension in a process of its own

Usage: isapi-worker [OPTIONS] EXTENSION

Three ways to run, chosen as libfcgi and php-cgi choose:
  cgi     GATEWAY_INTERFACE is in the environment: one request, then exit
  listen  --listen is given, or standard input is a listening socket: a FastCGI application
  stdio   otherwise: the isapi-gateway is at the other end of standard input and output

Options:
      --listen ADDRESS    listen on unix:PATH or HOST:PORT
      --threads N         threads that run the extension, 1 to 256 [default: 8]
      --connections N     connections at the same time with --listen, 1 to 4096 [default: 256]
      --stop-timeout SEC  how long running requests may take when the worker is to end [default: 30]
      --no-shadow-copy    do not make the extension independent of its file; that must then not be overwritten in place
      --trace LEVEL       which calls of the extension and by it are told to the web server's log, without a gateway:
                          off, failed, calls, data [default: off]
      --fd N              a further connection to the gateway, inherited as descriptor N (may be repeated)
      --buffers N         memory for long bodies and answers, shared with the gateway, inherited as descriptor N
      --processor N       on Linux, the processor on which the gateway writes to its first connection: its requests are
                          begun there (may be repeated, for further connections)
      --limit NAME=SOFT:HARD  on Linux, a limit of this process (setrlimit(2)): open-files, processes, core-size, cpu-time
                          (seconds) or address-space; sizes in bytes (may be repeated)
      --sandbox           on Linux, what the extension may do: read its own folder and what every library needs, and
                          connect over the network; the rest as these say (each may be repeated):
      --sandbox-read PATH     also read this file or folder
      --sandbox-write PATH    also read and change it
      --sandbox-execute PATH  also start this program, or those in this folder
      --sandbox-network HOW   all (also wait for connections), connect, none [default: connect]
      --sandbox-required      do not run at all where the system cannot keep all of this
      --drive NAME=FOLDER on Windows, what extensions call a Unix folder: C=/srv or C:\\inetpub=/srv/inetpub; the
                          longest folder wins, everything else is below Z:\\ (may be repeated)
      --start-programs    on Linux, run no extension, but start CGI programs for the gateway at standard input and output
  -h, --help              print this help
  -V, --version           print the version

EXTENSION may also be given as environment variable ISAPI_EXTENSION; as a CGI program the worker then ignores its
arguments, since those come from the client.

Example: a FastCGI application for nginx (fastcgi_pass unix:/run/hello.sock)
  isapi-worker --listen unix:/run/hello.sock ./hello.so
";

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    /// Serve an extension.
    Run(Box<Options>),
    /// Start CGI programs for the gateway.
    #[cfg(target_os = "linux")]
    StartPrograms,
    /// Print [`HELP`].
    Help,
    /// Print the version.
    Version,
}

/// How to serve.
#[derive(Debug, PartialEq, Eq)]
pub struct Options {
    /// The extension's file.
    pub extension: PathBuf,
    /// Where to listen, if not on standard input.
    pub listen: Option<Address>,
    /// Threads at most.
    pub threads: usize,
    /// Connections at most, in listen mode.
    pub connections: usize,
    /// How long running requests may take at the end.
    pub stop_timeout: Duration,
    /// Whether the extension's file may be overwritten while it runs.
    pub shadow_copy: bool,
    /// Which calls are told, where neither gateway nor request says otherwise.
    pub trace: Level,
    /// Descriptors of further connections to the gateway.
    pub descriptors: Vec<i32>,
    /// Descriptor of memory that is shared with the gateway.
    pub buffers: Option<i32>,
    /// Processors on which the gateway's connections are read, in their order.
    pub processors: Vec<usize>,
    /// Windows' names of folders.
    pub drives: Drives,
    /// What the process may have.
    #[cfg(unix)]
    pub limits: Vec<Limit>,
    /// What the extension's process may do; `None`: what its user may.
    #[cfg(unix)]
    pub sandbox: Option<Profile>,
}

/// An address to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// Path of a Unix socket.
    Unix(PathBuf),
    /// `HOST:PORT`.
    Tcp(String),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
            Address::Tcp(address) => f.write_str(address),
        }
    }
}

/// Reads the arguments (without the program's name).
///
/// `environment` is ISAPI_EXTENSION. A CGI program's arguments come from the client (RFC 3875 §4.4), so with `cgi` and
/// an extension in the environment they are not looked at.
///
/// # Errors
/// A sentence that says what is wrong.
pub fn parse(
    arguments: impl IntoIterator<Item = OsString>,
    environment: Option<OsString>,
    cgi: bool,
) -> Result<Command, lexopt::Error> {
    let theirs = cgi && environment.is_some();
    let arguments = arguments.into_iter().filter(|_| !theirs);
    let mut parser = lexopt::Parser::from_args(arguments);
    let mut extension = None;
    let mut options = Options {
        extension: PathBuf::new(),
        listen: None,
        threads: 8,
        connections: 256,
        stop_timeout: Duration::from_secs(30),
        shadow_copy: true,
        trace: Level::Off,
        descriptors: Vec::new(),
        buffers: None,
        processors: Vec::new(),
        drives: Drives::default(),
        #[cfg(unix)]
        limits: Vec::new(),
        #[cfg(unix)]
        sandbox: None,
    };
    #[cfg(unix)]
    let mut sandbox = Sandbox::default();
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Long("listen") => options.listen = Some(parser.value()?.parse_with(address)?),
            Arg::Long("threads") => {
                options.threads = parser
                    .value()?
                    .parse_with(|text| within(text, 1, MOST_THREADS))?
            }
            Arg::Long("connections") => {
                options.connections = parser.value()?.parse_with(|text| within(text, 1, 4096))?
            }
            Arg::Long("stop-timeout") => {
                options.stop_timeout = Duration::from_secs(parser.value()?.parse()?)
            }
            Arg::Long("no-shadow-copy") => options.shadow_copy = false,
            Arg::Long("trace") => options.trace = parser.value()?.parse_with(level)?,
            Arg::Long("fd") => {
                if options.descriptors.len() + 1 == MOST_SOURCES {
                    return Err(format!("more than {} times --fd", MOST_SOURCES - 1).into());
                }
                options.descriptors.push(parser.value()?.parse()?)
            }
            Arg::Long("buffers") => options.buffers = Some(parser.value()?.parse()?),
            Arg::Long("processor") => {
                if options.processors.len() == MOST_SOURCES {
                    return Err(format!("more than {MOST_SOURCES} times --processor").into());
                }
                let number = parser.value()?;
                let number = number.parse_with(|text| within(text, 0, MOST_PROCESSORS - 1))?;
                options.processors.push(number)
            }
            Arg::Long("drive") if cfg!(windows) => parser
                .value()?
                .parse_with(|text| options.drives.add(text))?,
            #[cfg(unix)]
            Arg::Long("limit") => options
                .limits
                .push(parser.value()?.parse_with(Limit::parse)?),
            #[cfg(unix)]
            Arg::Long("sandbox") => sandbox.is_on = true,
            #[cfg(unix)]
            Arg::Long(name) if name.starts_with("sandbox-") => {
                let name = name.to_owned();
                sandbox.option(&name, &mut parser)?;
            }
            #[cfg(target_os = "linux")]
            Arg::Long("start-programs") => return Ok(Command::StartPrograms),
            Arg::Short('h') | Arg::Long("help") => return Ok(Command::Help),
            Arg::Short('V') | Arg::Long("version") => return Ok(Command::Version),
            Arg::Value(path) if extension.is_none() => extension = Some(path),
            other => return Err(other.unexpected()),
        }
    }
    #[cfg(unix)]
    {
        options.sandbox = sandbox.into_profile()?;
    }
    let Some(mut extension) = extension.or(environment) else {
        return Err("no EXTENSION given (see --help)".into());
    };
    if cfg!(windows) {
        // Without a drive it would be sought on that of the working directory.
        let path = options.drives.to_windows(extension.as_encoded_bytes());
        extension = String::from_utf8_lossy(&path).into_owned().into();
    }
    // A name without a folder would make the system's loader search its library path.
    options.extension = std::path::absolute(extension).map_err(|error| error.to_string())?;
    Ok(Command::Run(Box::new(options)))
}

/// What the command line says of the sandbox.
#[cfg(unix)]
#[derive(Default)]
struct Sandbox {
    is_on: bool,
    profile: Profile,
}

#[cfg(unix)]
impl Sandbox {
    /// Reads `--sandbox-…`.
    fn option(&mut self, name: &str, parser: &mut lexopt::Parser) -> Result<(), lexopt::Error> {
        let profile = &mut self.profile;
        let paths = match name {
            "sandbox-read" => &mut profile.read,
            "sandbox-write" => &mut profile.write,
            "sandbox-execute" => &mut profile.execute,
            "sandbox-network" => {
                profile.network = parser.value()?.parse_with(|name| {
                    Network::named(name).ok_or("expected all, connect or none")
                })?;
                return Ok(());
            }
            "sandbox-required" => {
                profile.required = true;
                return Ok(());
            }
            _ => return Err(Arg::Long(name).unexpected()),
        };
        paths.push(parser.value()?.into());
        Ok(())
    }

    fn into_profile(self) -> Result<Option<Profile>, lexopt::Error> {
        if !self.is_on && self.profile != Profile::default() {
            return Err("the options --sandbox-… have no meaning without --sandbox".into());
        }
        Ok(self.is_on.then_some(self.profile))
    }
}

fn within(text: &str, low: usize, high: usize) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|number| (low..=high).contains(number))
        .ok_or_else(|| format!("expected a number from {low} to {high}"))
}

fn level(text: &str) -> Result<Level, String> {
    Level::named(text.as_bytes()).ok_or_else(|| "expected off, failed, calls or data".to_owned())
}

fn address(text: &str) -> Result<Address, String> {
    match text.strip_prefix("unix:") {
        Some("") => Err("unix: needs a path".into()),
        Some(path) => Ok(Address::Unix(path.into())),
        None if text
            .rsplit_once(':')
            .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok()) =>
        {
            Ok(Address::Tcp(text.into()))
        }
        None => Err("expected unix:PATH or HOST:PORT".into()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn run(arguments: &[&str]) -> Result<Command, lexopt::Error> {
        parse(arguments.iter().map(OsString::from), None, false)
    }

    #[test]
    fn reads_options() {
        let Command::Run(options) = run(&[
            "--threads=3",
            "--fd",
            "3",
            "--fd=4",
            "--processor=0",
            "--processor=5",
            "--no-shadow-copy",
            "--listen",
            "unix:/x",
            "--trace=failed",
            "/a.so",
        ])
        .unwrap() else {
            panic!()
        };
        assert_eq!((options.threads, options.descriptors), (3, vec![3, 4]));
        assert_eq!(options.processors, [0, 5]);
        assert!(!options.shadow_copy);
        assert_eq!(options.trace, Level::Failed);
        assert_eq!(options.listen, Some(Address::Unix("/x".into())));
        assert_eq!(options.extension, PathBuf::from("/a.so"));
    }

    #[cfg(unix)]
    #[test]
    fn reads_the_sandbox() {
        let sandbox = |arguments: &[&str]| {
            let Command::Run(options) = run(&[arguments, &["/a.so"]].concat()).unwrap() else {
                panic!()
            };
            options.sandbox
        };
        assert_eq!(sandbox(&[]), None);
        assert_eq!(sandbox(&["--sandbox"]), Some(Profile::default()));
        let arguments = "--sandbox-read /a --sandbox --sandbox-read=/b --sandbox-write /c --sandbox-execute /d \
            --sandbox-network none --sandbox-required";
        let arguments: Vec<&str> = arguments.split_whitespace().collect();
        let expected = Profile {
            read: vec!["/a".into(), "/b".into()],
            write: vec!["/c".into()],
            execute: vec!["/d".into()],
            network: Network::None,
            required: true,
        };
        assert_eq!(sandbox(&arguments), Some(expected));
    }

    #[test]
    fn refuses_what_it_does_not_understand() {
        for arguments in [
            &[][..],
            &["--threads", "0", "a"],
            &["--listen", "9000", "a"],
            &["--trace", "all", "a"],
            &["a", "b"],
            &["--nonsense", "a"],
            &["--limit", "all=1:1", "a"],
            &["--sandbox-read", "/srv", "a"],
            &["--sandbox", "--sandbox-network", "some", "a"],
            &["--sandbox", "--sandbox-nonsense", "a"],
        ] {
            assert!(run(arguments).is_err(), "{arguments:?}");
        }
    }

    #[test]
    fn the_environment_names_the_extension_where_the_command_line_does_not() {
        let extension = |arguments: &[&str], cgi| {
            let arguments = arguments.iter().map(OsString::from);
            let Command::Run(options) = parse(arguments, Some("/e.so".into()), cgi).unwrap() else {
                panic!()
            };
            options.extension
        };
        assert_eq!(extension(&[], false), PathBuf::from("/e.so"));
        assert_eq!(extension(&["/a.so"], false), PathBuf::from("/a.so"));
        // What a client puts behind the question mark loads nothing.
        assert_eq!(extension(&["/tmp/evil.so"], true), PathBuf::from("/e.so"));
    }
}
