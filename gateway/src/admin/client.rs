//! The other end: what the commands use to ask a gateway that runs.

use std::time::Duration;

use anyhow::{Context as _, anyhow};
use http::header::{AUTHORIZATION, CONNECTION, HOST};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::shown;
use crate::alarms::timeout;
use crate::config::Secret;
use crate::front::fastcgi::Address;
use crate::os;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Most bytes of an answer.
const LONGEST: usize = 64 * 1024 * 1024;

/// The admin listener of a gateway.
#[derive(Clone, Debug)]
pub struct Remote {
    /// Where it is.
    pub address: Address,
    /// What it wants to be shown.
    pub token: Option<Secret>,
}

/// An answer.
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its body.
    pub text: String,
}

impl Remote {
    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// When there is none, in words for the operator.
    pub fn ask(&self, method: Method, path: &str) -> anyhow::Result<Answer> {
        self.ask_within(PATIENCE, method, path)
    }

    /// The same for what may take so long.
    ///
    /// # Errors
    /// As for [`Self::ask`].
    pub fn ask_within(
        &self,
        patience: Duration,
        method: Method,
        path: &str,
    ) -> anyhow::Result<Answer> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let answer = async {
            timeout(patience, self.exchange(method, path))
                .await
                .unwrap_or_else(|_| Err(anyhow!("no answer within {patience:?}")))
        };
        let answer = runtime.block_on(answer).with_context(|| {
            let address = shown(&self.address);
            format!(
                "no gateway answers on {address}; is it running, and does it have this [admin]?"
            )
        })?;
        match answer.status {
            StatusCode::UNAUTHORIZED => Err(anyhow!(
                "the gateway wants its token: name the configuration with --config, or set ISAPI_GATEWAY_TOKEN"
            )),
            _ => Ok(answer),
        }
    }

    async fn exchange(&self, method: Method, path: &str) -> anyhow::Result<Answer> {
        match &self.address {
            Address::Unix(path_of) => {
                let stream = os::connect_file(path_of).await?;
                self.talk(stream, method, path).await
            }
            Address::Tcp(address) => {
                let stream = TcpStream::connect(address).await?;
                self.talk(stream, method, path).await
            }
        }
    }

    async fn talk(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin,
        method: Method,
        path: &str,
    ) -> anyhow::Result<Answer> {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, "localhost")
            .header(CONNECTION, "close");
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, format!("Bearer {}", token.reveal()));
        }
        let request = request.body(Empty::<Bytes>::new())?;
        let answer = async {
            let response = sender.send_request(request).await?;
            let status = response.status();
            let body = Limited::new(response.into_body(), LONGEST).collect().await;
            let body = body.map_err(|error| anyhow!(error))?.to_bytes();
            let text = String::from_utf8_lossy(&body).into_owned();
            anyhow::Ok(Answer { status, text })
        };
        let mut answer = std::pin::pin!(answer);
        let mut connection = std::pin::pin!(connection);
        tokio::select! {
            answer = &mut answer => return answer,
            // Its end comes before the answer has been taken from it.
            ended = &mut connection => ended?,
        }
        answer.await
    }
}
