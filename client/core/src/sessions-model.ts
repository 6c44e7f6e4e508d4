// The model of people's sessions with an agent, as src/copilot/model.rs has it.

export type Id = string;

export type SessionState =
  | { state: "idle" }
  | { state: "busy" }
  | { state: "retrying"; until: number; reason: string }
  | { state: "failed"; reason: string };

export type Tokens = {
  input: number;
  output: number;
  reasoning: number;
  cache_read: number;
  cache_write: number;
};

export type Session = {
  id: Id;
  title: string;
  parent: Id | null;
  created: number;
  updated: number;
  cost: number;
  tokens: Tokens;
  model?: string | null;
  agent?: string | null;
  context?: { used: number; limit: number } | null;
  reverted?: { message: Id } | null;
} & SessionState;

export type Author = "user" | "agent";

export type MessageHead = {
  id: Id;
  role: Author;
  error: string | null;
  created: number;
  done: boolean;
};

export type Message = MessageHead & { parts: Part[] };

export type FileView = { name: string; mime: string; url: string };

export type ToolState = "pending" | "running" | "waiting" | "done" | "failed";

export type ToolCall = {
  call: string;
  name: string;
  title: string;
  state: ToolState;
  input: unknown;
  output: string;
  started: number | null;
  ended: number | null;
  images: FileView[];
  record?: number | null;
};

export type Content =
  | { kind: "text"; text: string; done: boolean }
  | { kind: "reasoning"; text: string; done: boolean }
  | ({ kind: "tool" } & ToolCall)
  | ({ kind: "file" } & FileView)
  | { kind: "patch"; files: string[] }
  | { kind: "step"; cost: number; tokens: Tokens };

export type Part = { id: Id; origin?: string | null } & Content;

export type Todo = { text: string; state: string; priority: string };

export type Permission = {
  id: Id;
  session: Id;
  root: Id;
  call: string | null;
  tool: string;
  input: unknown;
  patterns: string[];
  always: string[];
};

export type Choice = { label: string; description: string };
export type QuestionItem = {
  header: string;
  text: string;
  options: Choice[];
  multiple: boolean;
};
export type Question = {
  id: Id;
  session: Id;
  root: Id;
  call: string | null;
  items: QuestionItem[];
};

export type Gone = "answered" | "ended" | "restarted" | "expired";

export type AgentState =
  | { state: "off" }
  | { state: "starting" }
  | { state: "ready"; version: string; notice: string | null }
  | { state: "restarting"; reason: string }
  | { state: "failed"; reason: string };

export type Update =
  | { type: "session"; session: Session }
  | { type: "session_gone"; session: Id }
  | { type: "message"; session: Id; message: MessageHead }
  | { type: "message_gone"; session: Id; message: Id }
  | { type: "part"; session: Id; message: Id; part: Part }
  | { type: "part_gone"; session: Id; message: Id; part: Id }
  | { type: "piece"; session: Id; message: Id; part: Id; text: string }
  | { type: "todos"; session: Id; todos: Todo[] }
  | { type: "permission"; permission: Permission }
  | { type: "permission_gone"; session: Id; permission: Id; why: Gone }
  | { type: "question"; question: Question }
  | { type: "question_gone"; session: Id; question: Id; why: Gone }
  | { type: "agent"; agent: AgentState }
  | { type: "snapshot" };
