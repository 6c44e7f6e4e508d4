//! The TypeScript of the wire is generated from the Rust types. The committed
//! copy must be the same; `TANDEM_BLESS=1 cargo test --test wire` rewrites it.

use std::fmt::Write as _;
use std::path::Path;

use tandem::base::{ActorKind, Role, Size};
use tandem::browser::{Picked, PickedBox};
use tandem::copilot::{facilities as more, model, port};
use tandem::egress::Turned;
use tandem::floor::Mode;
use tandem::policy::egress::EgressLists;
use tandem::policy::{
    Answer, Answered, ApprovalView, By, Decision, Effect, Explanation, Near, RuleRef, Scope, SecretKind,
    SessionCall,
};
use tandem::process::Limits;
use tandem::room::{
    FloorAsk, FloorView, HelpAnswer, HelpRequest, HelpTask, Line, Mark, MarkShape, PageView, Person, Phase,
    Presence, PrivateView, Profile, ReachView, RoomEvent, RoomOptions, RoomSpec, RoomView, Settled,
};
use tandem::server::admin::model as admin;
use tandem::server::wire::{ClientMessage, IceServer, PROTOCOL, ServerMessage, TokenText, WireError};
use tandem::server::{Check, MadeToken, SecretList, SecretView, TokenView};
use ts_rs::{Config, TS};

const HEADER: &str = "\
// The messages between the page and the server. Generated from src/server/wire.rs
// and src/room/view.rs; do not edit. To write it anew:
//   TANDEM_BLESS=1 cargo test --test wire
";

fn declare<T: TS>(out: &mut String, config: &Config) {
    if let Some(docs) = T::docs() {
        out.push_str(docs.trim_end());
        out.push('\n');
    }
    writeln!(out, "export {}\n", T::decl(config)).expect("a string takes all");
}

fn generate() -> String {
    let config = Config::new().with_large_int("number");
    let mut out =
        format!("{HEADER}\n/** The version of these messages. */\nexport const PROTOCOL = {PROTOCOL};\n\n");
    declare::<ClientMessage>(&mut out, &config);
    declare::<ServerMessage>(&mut out, &config);
    declare::<TokenText>(&mut out, &config);
    declare::<WireError>(&mut out, &config);
    declare::<IceServer>(&mut out, &config);
    declare::<RoomView>(&mut out, &config);
    declare::<Phase>(&mut out, &config);
    declare::<Presence>(&mut out, &config);
    declare::<FloorView>(&mut out, &config);
    declare::<PrivateView>(&mut out, &config);
    declare::<FloorAsk>(&mut out, &config);
    declare::<Mode>(&mut out, &config);
    declare::<ApprovalView>(&mut out, &config);
    declare::<SessionCall>(&mut out, &config);
    declare::<Answer>(&mut out, &config);
    declare::<Answered>(&mut out, &config);
    declare::<RuleRef>(&mut out, &config);
    declare::<Scope>(&mut out, &config);
    declare::<HelpRequest>(&mut out, &config);
    declare::<HelpTask>(&mut out, &config);
    declare::<HelpAnswer>(&mut out, &config);
    declare::<Mark>(&mut out, &config);
    declare::<MarkShape>(&mut out, &config);
    declare::<PageView>(&mut out, &config);
    declare::<RoomEvent>(&mut out, &config);
    declare::<Settled>(&mut out, &config);
    declare::<Size>(&mut out, &config);
    declare::<Role>(&mut out, &config);
    declare::<ActorKind>(&mut out, &config);
    declare::<Picked>(&mut out, &config);
    declare::<PickedBox>(&mut out, &config);
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

const SESSIONS_HEADER: &str = "\
// What people's sessions with an agent are, below /api/rooms/{room}/sessions. Generated from
// src/copilot/{model,facilities,port}.rs; do not edit. To write it anew:
//   TANDEM_BLESS=1 cargo test --test wire
";

fn generate_sessions() -> String {
    let config = Config::new().with_large_int("number");
    let mut out = format!("{SESSIONS_HEADER}\n");
    declare::<model::Id>(&mut out, &config);
    declare::<model::Session>(&mut out, &config);
    declare::<model::SessionState>(&mut out, &config);
    declare::<model::ContextUse>(&mut out, &config);
    declare::<model::Reverted>(&mut out, &config);
    declare::<model::Tokens>(&mut out, &config);
    declare::<model::Author>(&mut out, &config);
    declare::<model::MessageHead>(&mut out, &config);
    declare::<model::Message>(&mut out, &config);
    declare::<model::Part>(&mut out, &config);
    declare::<model::Origin>(&mut out, &config);
    declare::<model::Content>(&mut out, &config);
    declare::<model::ToolCall>(&mut out, &config);
    declare::<model::ToolState>(&mut out, &config);
    declare::<model::FileView>(&mut out, &config);
    declare::<model::Todo>(&mut out, &config);
    declare::<model::Permission>(&mut out, &config);
    declare::<model::Question>(&mut out, &config);
    declare::<model::QuestionItem>(&mut out, &config);
    declare::<model::Choice>(&mut out, &config);
    declare::<model::Gone>(&mut out, &config);
    declare::<model::AgentState>(&mut out, &config);
    declare::<model::Update>(&mut out, &config);
    declare::<more::AgentView>(&mut out, &config);
    declare::<more::Can>(&mut out, &config);
    declare::<more::Choices>(&mut out, &config);
    declare::<more::AgentChoice>(&mut out, &config);
    declare::<more::ModelChoice>(&mut out, &config);
    declare::<more::CommandChoice>(&mut out, &config);
    declare::<more::Diff>(&mut out, &config);
    declare::<more::FileChange>(&mut out, &config);
    declare::<more::Children>(&mut out, &config);
    declare::<more::Files>(&mut out, &config);
    declare::<more::Project>(&mut out, &config);
    declare::<more::Projects>(&mut out, &config);
    declare::<port::Prompt>(&mut out, &config);
    declare::<port::Attachment>(&mut out, &config);
    declare::<port::Page>(&mut out, &config);
    declare::<port::Pending>(&mut out, &config);
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

const ADMIN_HEADER: &str = "\
// What the page of whoever administers the server is told. Generated from src/server/admin/model.rs,
// src/room/{rest,presence,port,reach}.rs, src/server/{tokens,secrets}.rs and src/policy/{rules,secret}.rs;
// do not edit. To write it anew:
//   TANDEM_BLESS=1 cargo test --test wire
";

fn generate_admin() -> String {
    let config = Config::new().with_large_int("number");
    let mut out = format!(
        "{ADMIN_HEADER}\nimport type {{ ActorKind, Mode, PageView, Phase, Role, RuleRef, Size }} from \"./protocol.ts\";\n\n"
    );
    declare::<admin::Overview>(&mut out, &config);
    declare::<Check>(&mut out, &config);
    declare::<admin::Machine>(&mut out, &config);
    declare::<admin::Sample>(&mut out, &config);
    declare::<admin::RoomLine>(&mut out, &config);
    declare::<admin::Takes>(&mut out, &config);
    declare::<Person>(&mut out, &config);
    declare::<Line>(&mut out, &config);
    declare::<RoomSpec>(&mut out, &config);
    declare::<RoomOptions>(&mut out, &config);
    declare::<Profile>(&mut out, &config);
    declare::<Limits>(&mut out, &config);
    declare::<EgressLists>(&mut out, &config);
    declare::<ReachView>(&mut out, &config);
    declare::<Turned>(&mut out, &config);
    declare::<SecretList>(&mut out, &config);
    declare::<SecretView>(&mut out, &config);
    declare::<SecretKind>(&mut out, &config);
    declare::<TokenView>(&mut out, &config);
    declare::<MadeToken>(&mut out, &config);
    declare::<Explanation>(&mut out, &config);
    declare::<Decision>(&mut out, &config);
    declare::<By>(&mut out, &config);
    declare::<Near>(&mut out, &config);
    declare::<Effect>(&mut out, &config);
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

#[test]
fn the_committed_typescript_is_what_the_types_say() {
    let files = [
        ("protocol.ts", generate()),
        ("sessions-model.ts", generate_sessions()),
        ("admin-model.ts", generate_admin()),
    ];
    for (name, wanted) in files {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("client/core/src").join(name);
        if std::env::var_os("TANDEM_BLESS").is_some() {
            std::fs::write(&path, &wanted).expect("written");
        }
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            found == wanted,
            "{} is out of date; run TANDEM_BLESS=1 cargo test --test wire",
            path.display()
        );
    }
}
