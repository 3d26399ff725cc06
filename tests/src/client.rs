//! A plain HTTP client that hides nothing: what is sent is what the test says, and an answer tells whether it is whole.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};

use crate::PATIENCE;
use crate::body::{Body, Framing};

/// A connection to a server.
pub struct Client {
    stream: BufReader<TcpStream>,
    host: String,
    version: &'static str,
}

/// Status line and headers of an answer.
#[derive(Clone, Debug)]
pub struct Head {
    /// `HTTP/1.1`
    pub version: String,
    /// `200`
    pub status: u16,
    /// `OK`
    pub reason: String,
    /// Names in lower case, in the order of the answer.
    pub headers: Vec<(String, String)>,
    /// All of it as it came, up to the empty line.
    pub text: String,
}

/// An answer with its body.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Status line and headers.
    pub head: Head,
    /// The body as far as it came.
    pub body: Vec<u8>,
    /// Whether the body came to the end that the server had announced.
    pub complete: bool,
}

/// Gets a path on a connection of its own.
pub fn get(address: SocketAddr, path: &str) -> Reply {
    let mut client = Client::connect(address);
    client.request("GET", path, &["Connection: close"], b"");
    client.reply("GET")
}

/// Sends these bytes and reads what comes back until the server ends the connection.
pub fn raw(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut client = Client::connect(address);
    client.send(bytes);
    client.to_end()
}

impl Client {
    /// Connects.
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect_timeout(&address, PATIENCE).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream: BufReader::with_capacity(64 * 1024, stream),
            host: address.to_string(),
            version: "HTTP/1.1",
        }
    }

    /// Speaks HTTP/1.0 from now on.
    pub fn with_http_1_0(mut self) -> Self {
        self.version = "HTTP/1.0";
        self
    }

    /// Asks for this host, and port, from now on instead of the server's address.
    pub fn ask_for(&mut self, host: &str) {
        host.clone_into(&mut self.host);
    }

    /// A second handle to the same connection, to send while this one reads.
    pub fn sender(&self) -> TcpStream {
        self.stream.get_ref().try_clone().unwrap()
    }

    /// Sends bytes as they are. The server may have closed already; the answer tells.
    pub fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.get_mut().write_all(bytes);
    }

    /// Closes the sending side.
    pub fn finish(&self) {
        // The server may have closed already.
        let _ = self.stream.get_ref().shutdown(Shutdown::Write);
    }

    /// Sends a request with Host, these header lines, and Content-Length if there is a body or the method is POST.
    pub fn request(&mut self, method: &str, path: &str, headers: &[&str], body: &[u8]) {
        let length = format!("Content-Length: {}", body.len());
        let mut headers = headers.to_vec();
        if !body.is_empty() || method == "POST" {
            headers.push(&length);
        }
        self.request_head(method, path, &headers);
        self.send(body);
    }

    /// Sends the head of a request with Host and these header lines.
    pub fn request_head(&mut self, method: &str, path: &str, headers: &[&str]) {
        let mut head = format!(
            "{method} {path} {}\r\nHost: {}\r\n",
            self.version, self.host
        );
        for line in headers {
            head.push_str(line);
            head.push_str("\r\n");
        }
        head.push_str("\r\n");
        self.send(head.as_bytes());
    }

    /// Reads an answer to a request with this method.
    pub fn reply(&mut self, method: &str) -> Reply {
        let head = self.head().expect("the connection ended without an answer");
        let mut bytes = Vec::new();
        let complete = self.body(&head, method).read_to_end(&mut bytes).is_ok();
        Reply {
            head,
            body: bytes,
            complete,
        }
    }

    /// Reads status line and headers.
    ///
    /// # Errors
    /// When the connection ends before them, or what comes is not HTTP.
    pub fn head(&mut self) -> io::Result<Head> {
        let invalid = |line: &str| io::Error::new(io::ErrorKind::InvalidData, format!("{line:?}"));
        let status_line = self.line()?;
        let mut text = format!("{status_line}\r\n");
        let mut parts = status_line.splitn(3, ' ');
        let version = parts.next().unwrap_or_default().to_owned();
        let status = parts.next().and_then(|status| status.parse().ok());
        let status = status.filter(|_| version.starts_with("HTTP/1."));
        let status = status.ok_or_else(|| invalid(&status_line))?;
        let reason = parts.next().unwrap_or_default().to_owned();
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            text.push_str(&line);
            text.push_str("\r\n");
            let (name, value) = line.split_once(':').ok_or_else(|| invalid(&line))?;
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        Ok(Head {
            version,
            status,
            reason,
            headers,
            text,
        })
    }

    /// The body that follows this head, to be read piece by piece.
    pub fn body(&mut self, head: &Head, method: &str) -> Body<'_, BufReader<TcpStream>> {
        Body::new(&mut self.stream, head.framing(method))
    }

    /// Whether the server has closed the connection in order, with nothing more to say.
    pub fn is_closed(&mut self) -> bool {
        matches!(self.stream.fill_buf(), Ok(bytes) if bytes.is_empty())
    }

    /// Everything until the connection ends, in order or not.
    pub fn to_end(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        match self.stream.read_to_end(&mut bytes) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                panic!(
                    "the server does not end the connection after {:?}",
                    bytes.escape_ascii().to_string()
                )
            }
            _ => bytes,
        }
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line)?;
        let text = line
            .strip_suffix(b"\r\n")
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        Ok(String::from_utf8_lossy(text).into_owned())
    }
}

impl Head {
    /// The value of a header; the first, if there are several.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(other, _)| other.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    fn framing(&self, method: &str) -> Framing {
        let length = self.header("content-length");
        match self.header("transfer-encoding") {
            _ if method == "HEAD" || matches!(self.status, 100..200 | 204 | 304) => Framing::Over,
            Some(coding) if coding.eq_ignore_ascii_case("chunked") => Framing::Chunked(0),
            _ => length.map_or(Framing::Close, |length| {
                Framing::Length(length.parse().unwrap())
            }),
        }
    }
}

impl Reply {
    /// The status.
    pub fn status(&self) -> u16 {
        self.head.status
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.header(name)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The process that answered, from the header X-Process of the samples.
    pub fn process(&self) -> u32 {
        self.header("x-process").unwrap().parse().unwrap()
    }
}
