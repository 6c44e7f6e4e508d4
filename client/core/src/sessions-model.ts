// What people's sessions with an agent are, below /api/rooms/{room}/sessions. Generated from
// src/copilot/{model,facilities,port}.rs; do not edit. To write it anew:
//   TANDEM_BLESS=1 cargo test --test wire

/**
 * An agent's name for a session, a message, a part, a question or a permission.
 */
export type Id = string;

/**
 * One conversation.
 */
export type Session = { id: Id, title: string, 
/**
 * The session whose agent started this one as its subagent.
 */
parent: Id | null, 
/**
 * Milliseconds since 1970, as all times here.
 */
created: number, updated: number, 
/**
 * In US dollars, as the agent reckons.
 */
cost: number, tokens: Tokens, 
/**
 * What was used last: a model as `provider/model`, and an agent by its name.
 */
model: string | null, agent: string | null, 
/**
 * How much of the model's memory is in use; nothing until that is known.
 */
context: ContextUse | null, 
/**
 * What was undone, until the next prompt; `unrevert` brings it back.
 */
reverted: Reverted | null, } & ({ "state": "idle" } | { "state": "busy" } | { "state": "retrying", until: number, reason: string, } | { "state": "failed", reason: string, });

/**
 * What a session is doing.
 */
export type SessionState = { "state": "idle" } | { "state": "busy" } | { "state": "retrying", until: number, reason: string, } | { "state": "failed", reason: string, };

/**
 * How full the model's memory is, in tokens.
 */
export type ContextUse = { used: number, 
/**
 * Nothing when nobody knows.
 */
limit: number | null, };

/**
 * From where on a session is undone.
 */
export type Reverted = { 
/**
 * This message and all after it do not count.
 */
message: Id, };

export type Tokens = { input: number, output: number, reasoning: number, cache_read: number, cache_write: number, };

export type Author = "user" | "agent";

/**
 * A message without what it says.
 */
export type MessageHead = { id: Id, role: Author, 
/**
 * Why it ended early, in words.
 */
error: string | null, created: number, 
/**
 * No more will be said.
 */
done: boolean, };

/**
 * A message.
 */
export type Message = { parts: Array<Part>, id: Id, role: Author, 
/**
 * Why it ended early, in words.
 */
error: string | null, created: number, 
/**
 * No more will be said.
 */
done: boolean, };

/**
 * A piece of a message.
 */
export type Part = { id: Id, 
/**
 * Who put it there, if neither the person nor the agent did.
 */
origin?: Origin, } & ({ "kind": "text", text: string, 
/**
 * Nothing will be added.
 */
done: boolean, } | { "kind": "reasoning", text: string, done: boolean, } | { "kind": "tool" } & ToolCall | { "kind": "file" } & FileView | { "kind": "patch", files: Array<string>, } | { "kind": "step", cost: number, tokens: Tokens, });

/**
 * Who else puts words into a conversation.
 */
export type Origin = "room";

export type Content = { "kind": "text", text: string, 
/**
 * Nothing will be added.
 */
done: boolean, } | { "kind": "reasoning", text: string, done: boolean, } | { "kind": "tool" } & ToolCall | { "kind": "file" } & FileView | { "kind": "patch", files: Array<string>, } | { "kind": "step", cost: number, tokens: Tokens, };

/**
 * A tool at work.
 */
export type ToolCall = { 
/**
 * What permissions and questions name it by.
 */
call: string, name: string, title: string, state: ToolState, 
/**
 * Its arguments.
 */
input: unknown, 
/**
 * What it answered, or why it failed.
 */
output: string, started: number | null, ended: number | null, images: Array<FileView>, 
/**
 * The number of its line in the room's record, if it is one of Tandem's own tools.
 */
record: number | null, 
/**
 * The session of the subagent that does its work, as the agent says.
 */
child: Id | null, };

export type ToolState = "pending" | "running" | "waiting" | "done" | "failed";

/**
 * A file in a message.
 */
export type FileView = { name: string, mime: string, 
/**
 * A data address with the content, or the address of a file.
 */
url: string, };

export type Todo = { text: string, 
/**
 * pending, in_progress, completed or cancelled.
 */
state: string, priority: string, };

/**
 * What an agent may not do without a yes.
 */
export type Permission = { id: Id, 
/**
 * Who asks; a subagent has a session of its own.
 */
session: Id, 
/**
 * The session that people opened: the same, or an ancestor.
 */
root: Id, call: string | null, tool: string, 
/**
 * The call's real arguments; null until they are known.
 */
input: unknown, 
/**
 * Whether those are all of its arguments, as the tool will get them.
 */
complete: boolean, 
/**
 * What the agent would call the thing: a command, a path.
 */
patterns: Array<string>, 
/**
 * What a yes to "always" would allow, until the agent's next start.
 */
always: Array<string>, };

/**
 * Questions that wait for a person.
 */
export type Question = { id: Id, session: Id, root: Id, call: string | null, items: Array<QuestionItem>, };

export type QuestionItem = { header: string, text: string, options: Array<Choice>, 
/**
 * More than one option may be chosen.
 */
multiple: boolean, };

export type Choice = { label: string, description: string, };

/**
 * Why something no longer waits for a person.
 */
export type Gone = "answered" | "ended" | "restarted" | "expired";

/**
 * How the agent's process is, in words.
 */
export type AgentState = { "state": "off" } | { "state": "starting" } | { "state": "ready", version: string, 
/**
 * What is amiss all the same, such as that it cannot use the browser.
 */
notice: string | null, } | { "state": "restarting", reason: string, } | { "state": "failed", reason: string, };

/**
 * What changed.
 */
export type Update = { "type": "session", session: Session, } | { "type": "session_gone", session: Id, } | { "type": "message", session: Id, message: MessageHead, } | { "type": "message_gone", session: Id, message: Id, } | { "type": "part", session: Id, message: Id, part: Part, } | { "type": "part_gone", session: Id, message: Id, part: Id, } | { "type": "piece", session: Id, message: Id, part: Id, text: string, } | { "type": "todos", session: Id, todos: Array<Todo>, } | { "type": "permission", permission: Permission, } | { "type": "permission_gone", session: Id, permission: Id, why: Gone, } | { "type": "question", question: Question, } | { "type": "question_gone", session: Id, question: Id, why: Gone, } | { "type": "agent", agent: AgentState, } | { "type": "snapshot" };

/**
 * The agent of a room and project.
 */
export type AgentView = { can: Can, } & ({ "state": "off" } | { "state": "starting" } | { "state": "ready", version: string, 
/**
 * What is amiss all the same, such as that it cannot use the browser.
 */
notice: string | null, } | { "state": "restarting", reason: string, } | { "state": "failed", reason: string, });

/**
 * What an agent can do besides answering.
 */
export type Can = { fork: boolean, revert: boolean, summarise: boolean, commands: boolean, models: boolean, files: boolean, diff: boolean, };

/**
 * What a prompt may choose.
 */
export type Choices = { agents: Array<AgentChoice>, models: Array<ModelChoice>, commands: Array<CommandChoice>, };

/**
 * A way of working: `build`, `plan`.
 */
export type AgentChoice = { name: string, description: string, };

export type ModelChoice = { 
/**
 * As `provider/model`.
 */
id: string, name: string, provider: string, 
/**
 * What is used when nobody chooses.
 */
default: boolean, };

/**
 * A slash command.
 */
export type CommandChoice = { name: string, description: string, };

/**
 * Files that a session changed.
 */
export type Diff = { files: Array<FileChange>, };

export type FileChange = { path: string, before?: string, after?: string, 
/**
 * In the unified form.
 */
patch: string, added: number, removed: number, };

/**
 * The subagents of a session.
 */
export type Children = { sessions: Array<Session>, };

/**
 * Files that can be named in a prompt.
 */
export type Files = { 
/**
 * Relative to the project's directory; at most 50.
 */
files: Array<string>, };

/**
 * A directory in which an agent works.
 */
export type Project = { id: Id, name: string, dir: string, };

/**
 * The projects of a room, the first one first.
 */
export type Projects = { projects: Array<Project>, 
/**
 * Below these, more can be added.
 */
roots: Array<string>, };

/**
 * What a person says to an agent.
 */
export type Prompt = { text: string, 
/**
 * Images and other files.
 */
files?: Array<Attachment>, 
/**
 * Told as context; no answer is asked for.
 */
quiet?: boolean, 
/**
 * As `provider/model`, from now on; what was used last when left out.
 */
model?: string, 
/**
 * The agent's name, from now on.
 */
agent?: string, };

/**
 * A file by its content, or by its place below the project's directory: one of the two.
 */
export type Attachment = { name: string, mime: string, 
/**
 * The content in base64.
 */
data?: string, path?: string, };

/**
 * Part of a transcript.
 */
export type Page = { 
/**
 * Oldest first.
 */
messages: Array<Message>, todos: Array<Todo>, 
/**
 * Give this as `before` to read what came before.
 */
before: string | null, 
/**
 * The id of the last update that is in here, as the stream of events has
 * it. Updates after it, and no others, change what this says.
 */
at: string, };

/**
 * Everything that waits for a person.
 */
export type Pending = { permissions: Array<Permission>, questions: Array<Question>, };
