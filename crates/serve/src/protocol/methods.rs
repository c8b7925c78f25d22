//! The methods, and all that is said as JSON Schema.

#[allow(
    clippy::wildcard_imports,
    reason = "the table below names nearly all of them"
)]
use super::*;

/// A method: its name, and the schemas of what it takes and gives.
macro_rules! methods {
    ($($(#[doc = $doc:literal])* $name:literal: $variant:ident($params:ty) -> $result:ty;)*) => {
        /// A request that was understood.
        #[derive(Debug, Clone)]
        pub enum Call {
            $($(#[doc = $doc])* $variant($params),)*
        }

        impl Call {
            /// The call of this method; `None` for a method that is not known.
            ///
            /// # Errors
            /// What is wrong with the parameters.
            pub fn parse(
                method: &str,
                params: Option<&serde_json::value::RawValue>,
            ) -> Option<Result<Call, serde_json::Error>> {
                let params = params.map_or("{}", |params| params.get());
                match method {
                    $($name => Some(serde_json::from_str::<$params>(params).map(Call::$variant)),)*
                    _ => None,
                }
            }
        }

        fn method_schemas(of: &mut schemars::SchemaGenerator) -> serde_json::Map<String, serde_json::Value> {
            let mut all = serde_json::Map::new();
            $(
                let about = concat!($($doc,)*).trim();
                all.insert($name.to_owned(), serde_json::json!({
                    "description": about,
                    "params": of.subschema_for::<$params>(),
                    "result": of.subschema_for::<$result>(),
                }));
            )*
            all
        }
    };
}

methods! {
    /// The first request of every connection: which version is spoken.
    "initialize": Initialize(Initialize) -> Initialized;
    /// Makes a ring.
    "ring.open": OpenRing(OpenRing) -> RingOpened;
    /// Ends a ring and all that runs in it.
    "ring.close": CloseRing(OfRing) -> Nothing;
    /// The rings of this server.
    "ring.list": ListRings(Nothing) -> Rings;
    /// What a ring kept until now.
    "ring.outcome": RingOutcome(OfRing) -> RingOutcome;
    /// Makes a living ring wider, until it ends; nothing has to be run again.
    "grant.request": RequestGrant(RequestGrant) -> Nothing;
    /// Starts a command; answered when its program has been executed.
    "command.start": StartCommand(StartCommand) -> OfCommand;
    /// Writes to a command's stdin, or types at its terminal; answered when that has been written.
    "command.stdin": WriteStdin(WriteStdin) -> Nothing;
    /// Gives a command's terminal another size.
    "command.resize": Resize(Resize) -> Nothing;
    /// Sends a command a signal.
    "command.signal": Signal(SendSignal) -> Nothing;
    /// Ends a command and all that it started; one that has ended is no error.
    "command.kill": Kill(OfCommand) -> Nothing;
    /// Waits for a command's end.
    "command.wait": Wait(OfCommand) -> Ended;
    /// Reads from what is kept of a command's output.
    "command.read": Read(ReadOutput) -> OutputRead;
    /// What of an ended command's output is its ring's doing, with the smallest grant that would let it pass: for a person to be
    /// asked, and then for `grant.request`. Nothing for one that ended well.
    "command.denied": Denied(OfCommand) -> Denials;
    /// Has a command's output and end told on this connection.
    "command.attach": Attach(Attach) -> Nothing;
    /// Has them told no more.
    "command.detach": Detach(OfCommand) -> Nothing;
    /// The commands that are known.
    "command.list": ListCommands(ListCommands) -> Commands;
    /// Forgets a command that has ended, and its output.
    "command.forget": Forget(OfCommand) -> Nothing;
    /// Why a path can or cannot be used in a ring, or what a command gets there.
    "why": Why(Why) -> Report;
    /// The policy in force, with who said what.
    "policy.show": ShowPolicy(ShowPolicy) -> Report;
    /// What this machine can enforce.
    "doctor": Doctor(Nothing) -> Report;
}

/// The codes of errors that are not JSON-RPC's own, with what they say.
pub const CODES: [(i32, &str); 9] = [
    (
        -32000,
        "Ringfence failed or refused, or the program is not there: `data.how` tells",
    ),
    (-32001, "`initialize` comes first"),
    (
        -32002,
        "no version of the protocol in common: `data.versions` are spoken here",
    ),
    (-32003, "there is no such ring"),
    (-32004, "there is no such command"),
    (-32005, "the command takes no input (any more)"),
    (-32006, "too much is waiting already"),
    (-32007, "the command is not on a terminal"),
    (-32008, "the command still runs"),
];

/// All of this as JSON Schema (draft 2020-12), with the methods and notifications by their names.
#[must_use]
pub fn schema() -> serde_json::Value {
    let mut of = schemars::SchemaGenerator::default();
    let methods = method_schemas(&mut of);
    let notifications = serde_json::json!({
        "command.output": of.subschema_for::<CommandOutput>(),
        "command.ended": of.subschema_for::<CommandEnded>(),
        "command.closed": of.subschema_for::<CommandClosed>(),
        "ring.noticed": of.subschema_for::<RingNoticed>(),
        "ring.ended": of.subschema_for::<RingEnded>(),
    });
    let error = of.subschema_for::<ErrorData>();
    let codes: serde_json::Map<String, serde_json::Value> = CODES
        .iter()
        .map(|(code, says)| (code.to_string(), (*says).into()))
        .collect();
    serde_json::json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "ringfence serve",
        "description": "JSON-RPC 2.0, one message a line. The parameters and results of each method, \
                        the parameters of each notification, and the data of errors.",
        "versions": VERSIONS,
        "methods": methods,
        "notifications": notifications,
        "errors": { "codes": codes, "data": error },
        "$defs": of.take_definitions(true),
    })
}
