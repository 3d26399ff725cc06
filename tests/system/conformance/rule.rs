//! What a rule is: a sentence, a request, the answer that has to come, and what the extension has to see.

use system_tests::Machine;

use crate::samples::Column;

/// One rule of ISAPI.
pub struct Rule {
    /// The function of the extension, `3.1/exact`.
    pub function: &'static str,
    /// Section of the contract, `3.1`.
    pub section: &'static str,
    /// The rule in words. With the section it names the rule in the support table.
    pub sentence: &'static str,
    /// What the client does.
    pub request: Request,
    /// What it gets.
    pub answer: Answer,
    /// What the extension reports afterwards.
    pub observed: Option<String>,
    /// How IIS and Apache's mod_isapi keep it.
    pub iis: Elsewhere,
    pub apache: Elsewhere,
    /// What happens instead, where the rule is known not to be kept.
    pub deviation: Option<&'static str>,
    /// The code or flag that it shows something of: the key of a `catalogue::Part`.
    pub part: Option<&'static str>,
    /// What it shows is that the part is refused with the documented error.
    pub refuses: bool,
    /// Where it is tried.
    pub scope: Scope,
    /// It has an extension of its own; then request, answer and observation count for nothing.
    pub alone: Option<Alone>,
}

/// An extension of its own, in a pool of its own, for a rule about loading, dying or ending.
pub struct Alone {
    /// How `tests/conformance/alone/extension.c` is compiled.
    pub options: &'static [&'static str],
    /// A line of the pool's section.
    pub pool: &'static str,
    /// Requests, one after another: the query, and the status that has to come.
    pub asks: Vec<(&'static str, u16)>,
    /// Words that stand together in a line that the gateway logs about the pool until its end.
    pub log: Vec<&'static [&'static str]>,
    /// Whether `TerminateExtension` is called: once, by exactly one worker, with `HSE_TERM_MUST_UNLOAD` and no request open.
    pub terminates: bool,
    /// What becomes of the file when the extension is loaded; the gateway would refuse to begin with such a file.
    pub then: Then,
}

/// What becomes of the file of a loaded extension.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Then {
    Stays,
    Vanishes,
    /// It is replaced by one that is compiled with these options.
    Becomes(&'static [&'static str]),
}

/// The columns that a rule makes sense in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    All,
    Native,
    Windows,
    /// Windows on x86.
    X86,
}

impl Scope {
    /// Whether it has this column.
    pub fn holds(self, column: Column) -> bool {
        match self {
            Self::All => true,
            Self::Native => column == Column::Native,
            Self::Windows => column != Column::Native,
            Self::X86 => column == Column::Windows(Machine::I686),
        }
    }
}

/// A request.
pub struct Request {
    pub method: &'static str,
    /// Path and query instead of `/conformance.dll/FUNCTION`; the function is then named in a header.
    pub target: Option<&'static str>,
    pub query: &'static str,
    /// Instead of the server's address.
    pub host: Option<&'static str>,
    pub headers: Vec<String>,
    pub body: Body,
    pub client: Client,
}

/// The body of a request.
pub enum Body {
    None,
    /// With Content-Length.
    Bytes(Vec<u8>),
    /// In chunks of this size.
    Chunked(Vec<u8>, usize),
    /// With a Content-Length that says more than there is.
    Short(u64, Vec<u8>),
}

/// What a client does besides waiting for the answer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Client {
    Waits,
    /// Speaks HTTP/1.0.
    Old,
    /// Goes away when the head of the answer has come.
    LeavesAfterHead,
    /// Sends so many of the body's last bytes only when the head of the answer has come.
    HoldsBack(usize),
}

/// The answer that has to come.
pub enum Answer {
    /// Nothing that the client would see.
    None,
    /// The gateway's own answer, with this status.
    Own(u16),
    /// This head, up to the Date that the gateway adds, and this body. `{framing}` is the line that tells how the gateway
    /// frames a body whose length the extension did not tell: in chunks, or by its length if all of it is there.
    Exact {
        head: String,
        body: Content,
        end: End,
    },
}

impl Answer {
    pub fn is_cut(&self) -> bool {
        matches!(self, Self::Exact { end: End::Cut, .. })
    }

    /// Whether it is cut and the client has not been told its length.
    pub fn is_cut_without_length(&self) -> bool {
        matches!(self, Self::Exact { head, .. } if !head.contains("content-length"))
            && self.is_cut()
    }
}

/// A body.
pub enum Content {
    Bytes(Vec<u8>),
    /// So many bytes of the pattern: byte i is i modulo 251.
    Pattern(u64),
}

/// What comes behind the answer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The connection is kept: the next request is answered on it.
    Kept,
    /// The answer is whole and the connection ends.
    Closed,
    /// The answer is not whole, and the client can tell. How much of it arrives is a matter of chance.
    Cut,
}

/// How another server keeps a rule.
#[derive(Clone, Copy)]
pub enum Elsewhere {
    Same,
    /// No public document says.
    Unknown,
    Differs(&'static str),
}

/// A rule that is observed with a GET.
pub fn rule(function: &'static str, sentence: &'static str) -> Rule {
    let (section, _) = function.split_once('/').unwrap();
    Rule {
        function,
        section,
        sentence,
        request: Request {
            method: "GET",
            target: None,
            query: "",
            host: None,
            headers: Vec::new(),
            body: Body::None,
            client: Client::Waits,
        },
        answer: Answer::None,
        observed: None,
        iis: Elsewhere::Same,
        apache: Elsewhere::Same,
        deviation: None,
        part: None,
        refuses: false,
        scope: Scope::All,
        alone: None,
    }
}

/// So many bytes of the pattern that the extension knows.
pub fn pattern(size: usize) -> Vec<u8> {
    (0..size).map(|at| (at % 251) as u8).collect()
}

impl Rule {
    /// The extension of a rule that has its own.
    pub fn alone(&self) -> &Alone {
        self.alone
            .as_ref()
            .expect("a rule with an extension of its own")
    }

    pub fn section(mut self, section: &'static str) -> Self {
        self.section = section;
        self
    }

    pub fn method(mut self, method: &'static str) -> Self {
        self.request.method = method;
        self
    }

    /// Another URL than that of the function.
    pub fn target(mut self, target: &'static str) -> Self {
        self.request.target = Some(target);
        let function = self.function;
        self.header(format!("X-Rule: {function}"))
    }

    pub fn query(mut self, query: &'static str) -> Self {
        self.request.query = query;
        self
    }

    pub fn header(mut self, line: impl Into<String>) -> Self {
        self.request.headers.push(line.into());
        self
    }

    /// Asks for this host, and port, instead of the server's address.
    pub fn host(mut self, host: &'static str) -> Self {
        self.request.host = Some(host);
        self
    }

    /// A body with its Content-Length; the method is POST unless there is another already.
    pub fn post(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.request.method = "POST";
        self.request.body = Body::Bytes(body.into());
        self
    }

    pub fn post_chunked(mut self, body: impl Into<Vec<u8>>, size: usize) -> Self {
        self.request.method = "POST";
        self.request.body = Body::Chunked(body.into(), size);
        self
    }

    pub fn post_short(mut self, announced: u64, body: impl Into<Vec<u8>>) -> Self {
        self.request.method = "POST";
        self.request.body = Body::Short(announced, body.into());
        self
    }

    /// The client speaks HTTP/1.0.
    pub fn old(self) -> Self {
        self.client(Client::Old)
    }

    pub fn client(mut self, client: Client) -> Self {
        self.request.client = client;
        self
    }

    /// The report is the answer, and this is it. `Stage::expand` tells what stands in `{…}`.
    pub fn says(mut self, report: &str) -> Self {
        self.observed = Some(report.into());
        self
    }

    /// The answer is this one: status line without version, header lines, body.
    pub fn answers(self, status: &str, headers: &str, body: impl Into<Vec<u8>>) -> Self {
        self.exact(status, headers, Content::Bytes(body.into()), End::Kept)
    }

    /// The same, but the client can tell that it is not whole.
    pub fn breaks_off(self, status: &str, headers: &str, body: impl Into<Vec<u8>>) -> Self {
        self.exact(status, headers, Content::Bytes(body.into()), End::Cut)
    }

    /// The same with a long body.
    pub fn answers_pattern(self, status: &str, headers: &str, size: u64) -> Self {
        self.exact(status, headers, Content::Pattern(size), End::Kept)
    }

    /// The connection ends behind the answer.
    pub fn then_closes(mut self) -> Self {
        if let Answer::Exact { end, .. } = &mut self.answer {
            *end = End::Closed;
        }
        self
    }

    /// The gateway answers with a page of its own.
    pub fn answers_with_error(mut self, status: u16) -> Self {
        self.answer = Answer::Own(status);
        self
    }

    /// Besides, the extension reports this.
    pub fn observes(self, report: &str) -> Self {
        self.says(report)
    }

    /// No public document tells what IIS does.
    pub fn iis_unknown(mut self) -> Self {
        self.iis = Elsewhere::Unknown;
        self
    }

    pub fn iis(mut self, differs: &'static str) -> Self {
        self.iis = Elsewhere::Differs(differs);
        self
    }

    pub fn apache(mut self, differs: &'static str) -> Self {
        self.apache = Elsewhere::Differs(differs);
        self
    }

    pub fn apache_unknown(mut self) -> Self {
        self.apache = Elsewhere::Unknown;
        self
    }

    /// The rule is not kept: this happens instead. The run fails as soon as it is kept.
    pub fn deviates(mut self, instead: &'static str) -> Self {
        self.deviation = Some(instead);
        self
    }

    /// It shows something of this code or flag.
    pub fn of(mut self, part: &'static str) -> Self {
        self.part = Some(part);
        self
    }

    /// It shows that this code or flag is refused as documented.
    pub fn refuses(mut self, part: &'static str) -> Self {
        self.refuses = true;
        self.of(part)
    }

    /// It makes sense only there.
    pub fn only(mut self, scope: Scope) -> Self {
        self.scope = scope;
        self
    }

    fn exact(mut self, status: &str, headers: &str, body: Content, end: End) -> Self {
        let mut head = format!("{status}\r\n");
        for line in headers.lines() {
            head.push_str(line);
            head.push_str("\r\n");
        }
        self.answer = Answer::Exact { head, body, end };
        self
    }
}
