//! Rings for models: a server of the Model Context Protocol, with one ring.

mod asking;
mod deciding;
mod result;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ringfence::Request;
use ringfence_policy::Flags;
use rmcp::handler::server::tool::{InputResponses, RequestState};
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{
    CallToolResponse, CallToolResult, ContentBlock, Implementation, ServerCapabilities,
    ServerConfig,
};
use rmcp::service::{RequestContext, RoleServer, ServiceExt};
use rmcp::{ErrorData, ServerHandler, tool, tool_handler, tool_router};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::command::Running;
use crate::denial::{Denial, of_command};
use crate::fault::Fault;
use crate::noticed::News;
use crate::output::bytes_of;
use crate::protocol::{Input, STDIN_MAX, Sink, StartCommand, TerminalSize, WhenFull};
use crate::report;
use crate::rings::{Rings, lock};
use asking::{
    Asked, AskedGrant, Decision, GrantParams, Heard, can_ask, hear, in_policy, later, said,
};
use result::{came, failed, failed_with, kept_to, structured, told};

/// Output that is kept of a command.
const KEPT: u64 = 4 * 1024 * 1024;
/// How long `run` waits, unless it is told.
const RUN_FOR: u64 = 120;
/// The longest that it can be told, in seconds.
const RUN_MAX: u64 = 60 * 60;
/// Names that were moved aside, and repositories, that one answer tells of. More come with the next.
const NEWS_MAX: usize = 16;

/// A server for one model.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    rings: Arc<Rings>,
    request: Request,
    /// The ring, once something has run.
    ring: Arc<tokio::sync::Mutex<Option<u64>>>,
    asked: Arc<Mutex<Asked<GrantParams, AskedGrant>>>,
    /// Commands, by the numbers of their questions.
    asked_commands: Arc<Mutex<Asked<CommandParams, u64>>>,
    /// What the client calls itself.
    client: Arc<Mutex<Option<String>>>,
    /// What the ring has been granted; another ring has none of it.
    granted: Arc<Mutex<Flags>>,
}

/// A command, in a shell's words or in its own.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RunParams {
    /// A command line for `bash -c` (`sh -c` where there is no bash).
    #[serde(default)]
    command: Option<String>,
    /// Instead of `command`: program and arguments, as they are.
    #[serde(default)]
    argv: Option<Vec<String>>,
    /// Where it starts; relative to the workspace.
    #[serde(default)]
    directory: Option<String>,
    /// Text that it reads on stdin.
    #[serde(default)]
    stdin: Option<String>,
    /// Seconds after which it is ended; 120 without it. What takes longer is for `start`.
    #[serde(default)]
    timeout_s: Option<u64>,
}

/// A command that goes on.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct StartParams {
    /// A command line for `bash -c`.
    #[serde(default)]
    command: Option<String>,
    /// Instead of `command`: program and arguments, as they are.
    #[serde(default)]
    argv: Option<Vec<String>>,
    /// Where it starts; relative to the workspace.
    #[serde(default)]
    directory: Option<String>,
    /// Give it a terminal, for programs that want one.
    #[serde(default)]
    terminal: bool,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ReadParams {
    /// Its number, as `start` gave it.
    id: u64,
    /// From which byte of its output on; 0 is the beginning. `next` of the last answer goes on from there.
    #[serde(default)]
    from: u64,
    /// Wait so many seconds at most for something new, or its end; 0 without it, 60 at most.
    #[serde(default)]
    wait_s: u64,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WriteParams {
    /// Its number, as `start` gave it.
    id: u64,
    /// What it reads.
    #[serde(default)]
    text: String,
    /// Nothing comes after this.
    #[serde(default)]
    eof: bool,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct StopParams {
    /// Its number, as `start` gave it.
    id: u64,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WhyParams {
    /// A path, absolute or relative to the workspace; it need not exist.
    path: String,
}

type Answer = Result<CallToolResult, ErrorData>;
type Response = Result<CallToolResponse, ErrorData>;

/// By which answers are told apart.
const GRANT: &str = "grant";
const COMMAND: &str = "command";

/// A call that wants a command, as a person is asked about it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum CommandParams {
    Run(RunParams),
    Start(StartParams),
}

/// What comes with a call that may be the second about the same.
struct Again {
    params: CommandParams,
    state: Option<String>,
    responses: InputResponses,
}

/// What the call is answered with instead.
struct NotStarted(Response);

impl From<Fault> for NotStarted {
    fn from(fault: Fault) -> NotStarted {
        NotStarted(Ok(failed(&fault).into()))
    }
}

impl NotStarted {
    fn because(text: String) -> NotStarted {
        NotStarted(Ok(failed_with(text).into()))
    }
}

#[tool_router]
impl Server {
    fn new(rings: Arc<Rings>, request: Request) -> Server {
        Server {
            rings,
            request,
            ring: Arc::default(),
            asked: Arc::default(),
            asked_commands: Arc::default(),
            client: Arc::default(),
            granted: Arc::default(),
        }
    }

    /// Run a command in the ring and wait for its end. The ring is a sandbox that the operating system
    /// enforces: the workspace is writable, other files are read-only, secrets are hidden, and there is no
    /// network but localhost inside. Files and servers of one command are there for the next. Stdout and
    /// stderr come together. If the ring refused something, `denied` says what and how to ask for it. `taken_away` are
    /// files that it moved aside, `made` repositories that a person should look at: tell them.
    #[tool(annotations(open_world_hint = false))]
    async fn run(
        &self,
        Parameters(params): Parameters<RunParams>,
        RequestState(state): RequestState,
        responses: InputResponses,
        context: RequestContext<RoleServer>,
    ) -> Response {
        self.meet(&context);
        let again = Again {
            params: CommandParams::Run(params.clone()),
            state,
            responses,
        };
        let RunParams {
            command,
            argv,
            directory,
            stdin,
            timeout_s,
        } = params;
        let limit = timeout_s.unwrap_or(RUN_FOR).clamp(1, RUN_MAX);
        let done = async {
            if stdin.as_ref().is_some_and(|text| text.len() > STDIN_MAX) {
                return Err(Fault::Params(format!("stdin: {STDIN_MAX} bytes at most")).into());
            }
            let mut start = self.start_of(command, argv, directory).await?;
            start.time_limit_ms = Some(limit * 1000);
            if stdin.is_some() {
                start.stdin = Input::Pipe;
            }
            let running = self.start_asked(start, again, &context).await?;
            if let Some(text) = stdin {
                // One that does not read all of it, or has ended by now, is within its rights.
                let _unread = running.write(text.into_bytes(), true);
            }
            tokio::select! {
                ended = running.settled() => {
                    let _known = self.rings.forget(running.number);
                    let mut came = came(&running, None);
                    if ended.code != Some(0) {
                        came.denied = self.denied(&came.output).await;
                    }
                    came.news = self.news(&running).await;
                    Ok(came)
                }
                () = context.ct.cancelled() => {
                    running.kill()?;
                    Ok(came(&running, None))
                }
            }
        };
        match done.await {
            Ok(came) => Ok(told(Ok(came)).into()),
            Err(NotStarted(response)) => response,
        }
    }

    /// Start a command that goes on while you do other things (a server, a watcher, a long build). It runs in
    /// the same ring: `run` reaches its localhost.
    #[tool(annotations(open_world_hint = false))]
    async fn start(
        &self,
        Parameters(params): Parameters<StartParams>,
        RequestState(state): RequestState,
        responses: InputResponses,
        context: RequestContext<RoleServer>,
    ) -> Response {
        self.meet(&context);
        let again = Again {
            params: CommandParams::Start(params.clone()),
            state,
            responses,
        };
        let StartParams {
            command,
            argv,
            directory,
            terminal,
        } = params;
        let done = async {
            let mut start = self.start_of(command, argv, directory).await?;
            if terminal {
                start.stderr = Sink::Pipe;
                start.terminal = Some(TerminalSize {
                    rows: 24,
                    columns: 80,
                });
            } else {
                start.stdin = Input::Pipe;
            }
            let running = self.start_asked(start, again, &context).await?;
            Ok(json!({ "id": running.number }))
        };
        match done.await {
            Ok(started) => {
                let text = format!("started: id {}", started["id"]);
                Ok(structured(text, started, false).into())
            }
            Err(NotStarted(response)) => response,
        }
    }

    /// Read what a started command has printed, and whether it has ended.
    #[tool(annotations(read_only_hint = true, open_world_hint = false))]
    async fn read(&self, Parameters(params): Parameters<ReadParams>) -> Answer {
        let ReadParams { id, from, wait_s } = params;
        let done = async {
            let running = self.own_command(id).await?;
            let wait = Duration::from_secs(wait_s.min(60));
            let mut changed = running.changed.subscribe();
            let something = async {
                loop {
                    changed.mark_unchanged();
                    if running.ended().is_some() || kept_to(&running) > from {
                        return;
                    }
                    let _told = changed.changed().await;
                }
            };
            // What is there when the time is up is the answer.
            let _in_time = tokio::time::timeout(wait, something).await;
            let mut came = came(&running, Some(from));
            if came.code.is_some_and(|code| code != 0) {
                came.denied = self.denied(&came.output).await;
            }
            came.news = self.news(&running).await;
            Ok(came)
        };
        Ok(told(done.await))
    }

    /// Write to the stdin (or type at the terminal) of a started command.
    #[tool(annotations(open_world_hint = false))]
    async fn write(&self, Parameters(params): Parameters<WriteParams>) -> Answer {
        let WriteParams { id, text, eof } = params;
        let bytes = bytes_of(Some(text), None).unwrap_or_default();
        let done = self
            .own_command(id)
            .await
            .and_then(|running| running.write(bytes, eof));
        Ok(match done {
            Ok(written) => match tokio::time::timeout(Duration::from_secs(5), written).await {
                Ok(Ok(true)) => CallToolResult::success(vec![ContentBlock::text("written")]),
                Err(_) => CallToolResult::success(vec![ContentBlock::text(
                    "it does not read at the moment; it will be written when it does",
                )]),
                _ => failed(&Fault::Stdin(id)),
            },
            Err(fault) => failed(&fault),
        })
    }

    /// End a started command and everything it started.
    #[tool(annotations(open_world_hint = false, idempotent_hint = true))]
    async fn stop(&self, Parameters(params): Parameters<StopParams>) -> Answer {
        let done = async {
            let running = self.own_command(params.id).await?;
            running.kill()?;
            running.settled().await;
            let mut came = came(&running, Some(0));
            came.news = self.news(&running).await;
            Ok(came)
        };
        Ok(told(done.await))
    }

    /// Ask the person to let the ring write one more path, see one thing that is hidden, or connect to one socket outside, until it ends. Ask for
    /// the smallest that does: `denied` of a failed command names it. Commands that start afterwards have it;
    /// nothing has to be run again but the one that failed.
    #[tool(annotations(open_world_hint = false))]
    async fn request_grant(
        &self,
        Parameters(params): Parameters<GrantParams>,
        RequestState(state): RequestState,
        responses: InputResponses,
        context: RequestContext<RoleServer>,
    ) -> Response {
        self.meet(&context);
        let refused = |text: String| Ok(failed_with(text).into());
        // Newer clients answer by calling once more.
        if let Some(state) = state {
            let Some(asked) = lock(&self.asked).take(&state, &params) else {
                return refused("this is not what was asked; ask anew".to_owned());
            };
            let allowed = said::<Decision>(&responses, GRANT).is_some_and(|said| said.allow);
            return Ok(self.decided(asked, allowed).await.into());
        }
        let (asked, message) = match self.plan(params).await {
            Ok(planned) => planned,
            Err(fault) => return Ok(failed(&fault).into()),
        };
        if asked.planned.paths().is_empty() {
            return refused(
                "the ring is that wide already; what failed has another reason".to_owned(),
            );
        }
        if !can_ask(&context) {
            self.unanswered(&asked);
            return refused(format!(
                "nobody can be asked through this client: it has no elicitation. A person can \
                 allow it in the policy instead: {}",
                in_policy(&asked.params)
            ));
        }
        let within = match self.may_ask().await {
            Ok(within) => within,
            Err(why) => {
                self.unanswered(&asked);
                return refused(why);
            }
        };
        match hear::<Decision>(&context, &message, within).await {
            Heard::Said(Decision { allow }) => Ok(self.decided(asked, allow).await.into()),
            Heard::No => Ok(self.decided(asked, false).await.into()),
            Heard::Later => {
                let state = lock(&self.asked).keep(asked.params.clone(), asked);
                later::<Decision>(GRANT, message, state)
            }
            Heard::Failed(why) => {
                self.unanswered(&asked);
                refused(why)
            }
        }
    }

    /// Say what the ring does with a path, who said so, and what would change it.
    #[tool(annotations(read_only_hint = true, open_world_hint = false))]
    async fn why(&self, Parameters(params): Parameters<WhyParams>) -> Answer {
        let request = self.as_granted();
        let asked = tokio::task::spawn_blocking(move || report::why_path(request, &params.path));
        Ok(match asked.await {
            Ok(Ok(report)) => structured(format!("{report:#}"), report, false),
            Ok(Err(fault)) => failed(&fault),
            Err(error) => failed(&Fault::System("asking", io::Error::other(error))),
        })
    }
}

impl Server {
    /// Who speaks, for the ledger.
    fn meet(&self, context: &RequestContext<RoleServer>) {
        let Some(client) = context.client_info() else {
            return;
        };
        let name = format!("{} {}", client.name, client.version);
        let name = name.chars().filter(|c| !c.is_control()).take(64);
        *lock(&self.client) = Some(name.collect());
    }

    /// The ring: this one, or another where it is gone.
    async fn ring(&self) -> Result<u64, Fault> {
        let mut ring = self.ring.lock().await;
        if let Some(number) = *ring
            && self.rings.ring(number).is_ok()
        {
            return Ok(number);
        }
        let mut request = self.request.clone();
        request.by.client = lock(&self.client).clone();
        let (open, _) = self
            .rings
            .open_by(request, Some("mcp".to_owned()), false, None)
            .await?;
        *ring = Some(open.number);
        *lock(&self.granted) = Flags::default();
        Ok(open.number)
    }

    /// A command of this model's ring. Others that the server holds are other people's.
    async fn own_command(&self, number: u64) -> Result<Arc<Running>, Fault> {
        let own = *self.ring.lock().await;
        let running = self.rings.command(number)?;
        if own == Some(running.ring) {
            Ok(running)
        } else {
            Err(Fault::Command(number))
        }
    }

    async fn start_of(
        &self,
        command: Option<String>,
        argv: Option<Vec<String>>,
        directory: Option<String>,
    ) -> Result<StartCommand, Fault> {
        let argv = match (command, argv) {
            (Some(command), None) => {
                let bash = Path::new("/bin/bash").exists() || Path::new("/usr/bin/bash").exists();
                let shell = if bash { "bash" } else { "sh" };
                vec![shell.to_owned(), "-c".to_owned(), command]
            }
            (None, Some(argv)) => argv,
            _ => return Err(Fault::Params("one of `command` and `argv`".to_owned())),
        };
        Ok(StartCommand {
            ring: self.ring().await?,
            argv,
            directory,
            env: BTreeMap::new(),
            clear_env: false,
            stdin: Input::Null,
            stdout: Sink::Pipe,
            stderr: Sink::Stdout,
            terminal: None,
            time_limit_ms: None,
            memory_limit: None,
            keep_background: false,
            buffer: Some(KEPT),
            when_full: WhenFull::Drop,
            attach: false,
            approval: None,
        })
    }

    /// What the ring would be made by, as it is now.
    fn as_granted(&self) -> Request {
        let mut request = self.request.clone();
        let granted = lock(&self.granted);
        request.flags.write.extend(granted.write.iter().cloned());
        request.flags.reveal.extend(granted.reveal.iter().cloned());
        request
            .flags
            .sockets
            .extend(granted.sockets.iter().cloned());
        request
    }

    async fn denied(&self, output: &str) -> Vec<Denial> {
        let request = self.as_granted();
        let output = output.to_owned();
        let asked = tokio::task::spawn_blocking(move || {
            let directory = request
                .directory
                .clone()
                .or_else(|| std::env::current_dir().ok());
            Some(of_command(&request, &directory?, &output))
        });
        // An answer without a reason is better than none.
        asked.await.ok().flatten().unwrap_or_default()
    }

    /// What is new in a command's ring since the last answer.
    async fn news(&self, running: &Running) -> News {
        match self.rings.ring(running.ring) {
            Ok(open) => open.news(NEWS_MAX).await,
            // It is gone.
            Err(_) => News::default(),
        }
    }
}

#[tool_handler]
impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        let mut info = ServerConfig::new(ServerCapabilities::builder().enable_tools().build());
        info.server_info = Implementation::new("ringfence", env!("CARGO_PKG_VERSION"));
        info.instructions = Some(
            "Runs commands in a ring: a sandbox enforced by the operating system. The workspace is writable, \
             everything else is read-only, secrets are hidden, and there is no network but the ring's own \
             localhost. Use `run` for commands, `start` for what goes on beside. When something is denied, the \
             result says so: do without, or ask with `request_grant`; there is no way around it."
                .to_owned(),
        );
        info
    }
}

/// Serves a model until it is gone. Nothing of its ring is left then.
pub(crate) async fn serve(
    rings: Arc<Rings>,
    request: Request,
    from: Box<dyn AsyncRead + Send + Unpin>,
    to: Box<dyn AsyncWrite + Send + Unpin>,
) -> io::Result<()> {
    let server = Server::new(rings, request);
    match server.serve((from, to)).await {
        Ok(running) => {
            // How it ended is of no consequence: it has.
            let _ended = running.waiting().await;
            Ok(())
        }
        // One that goes before it has said hello wants nothing.
        Err(rmcp::service::ServerInitializeError::ConnectionClosed(_)) => Ok(()),
        Err(error) => Err(io::Error::other(error)),
    }
}
