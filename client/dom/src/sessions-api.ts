/** The addresses below a room's sessions, typed. Every refusal is an `ApiError` in words. */
import type { Page } from "../../core/src/sessions.ts";
import type {
  AgentView,
  Attachment,
  Children,
  Choices,
  Diff,
  FileChange,
  Files,
  Id,
  Pending,
  Project,
  Projects,
  Prompt,
  Session,
} from "../../core/src/sessions-model.ts";

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(message);
  }

  /** Asking again as it is brings nothing. */
  get isFinal(): boolean {
    return this.status === 401 || this.status === 403 || this.status === 404;
  }
}

const sentence = (text: string): string => {
  const first = text.charAt(0).toLocaleUpperCase() + text.slice(1);
  return /[.?]$/.test(first) ? first : `${first}.`;
};

export async function refusalOf(answer: Response): Promise<ApiError> {
  try {
    const { error } = (await answer.json()) as { error: { code: string; message: string } };
    return new ApiError(answer.status, error.code, sentence(error.message));
  } catch {
    return new ApiError(answer.status, "unknown", `The server answered ${answer.status}.`);
  }
}

export type PermissionAnswer =
  | { answer: "once" }
  | { answer: "always" }
  | { answer: "reject"; message?: string };

/** What a request brings along: a token, where no cookie says who asks. */
export type Headers = () => Readonly<Record<string, string>>;
export const NO_HEADERS: Headers = () => ({});

const WITHIN_MS = 60_000;

export class SessionsApi {
  readonly #base: URL;
  readonly #project: Id | null;
  readonly #headers: Headers;

  /** `base` is the address of the room's sessions; those of the first project unless one is named. */
  constructor(base: URL, project: Id | null = null, headers: Headers = NO_HEADERS) {
    this.#base = base;
    this.#headers = headers;
    this.#project = project;
  }

  url(path: string): URL {
    const url = new URL(this.#base.href + path);
    if (this.#project !== null) url.searchParams.set("project", this.#project);
    return url;
  }

  projects = (): Promise<Projects> => this.#ask("GET", "/projects");
  addProject = (dir: string): Promise<Project> => this.#ask("POST", "/projects", { dir });
  removeProject = (project: Id): Promise<true> => this.#ask("DELETE", `/projects/${project}`);

  agent = (): Promise<AgentView> => this.#ask("GET", "/agent");
  choices = (): Promise<Choices> => this.#ask("GET", "/choices");
  pending = (): Promise<Pending> => this.#ask("GET", "/pending");

  async list(search = ""): Promise<Session[]> {
    const query = search ? `?search=${encodeURIComponent(search)}` : "";
    const found = await this.#ask<Session[] | { sessions: Session[] }>("GET", query);
    return Array.isArray(found) ? found : found.sessions;
  }

  create = (): Promise<Session> => this.#ask("POST", "", {});
  show = (session: Id): Promise<Session> => this.#ask("GET", `/${session}`);
  rename = (session: Id, title: string): Promise<Session> =>
    this.#ask("PATCH", `/${session}`, { title });
  remove = (session: Id): Promise<true> => this.#ask("DELETE", `/${session}`);
  abort = (session: Id): Promise<true> => this.#ask("POST", `/${session}/abort`);
  prompt = (session: Id, prompt: Prompt): Promise<true> =>
    this.#ask("POST", `/${session}/messages`, prompt);
  command = (session: Id, name: string, args: string, files: Attachment[]): Promise<true> =>
    this.#ask("POST", `/${session}/command`, { name, arguments: args, files });
  fork = (session: Id, message?: Id): Promise<Session> =>
    this.#ask("POST", `/${session}/fork`, message ? { message } : {});
  revert = (session: Id, message: Id): Promise<Session> =>
    this.#ask("POST", `/${session}/revert`, { message });
  unrevert = (session: Id): Promise<Session> => this.#ask("POST", `/${session}/unrevert`, {});
  summarise = (session: Id): Promise<true> => this.#ask("POST", `/${session}/summarise`, {});

  async children(session: Id): Promise<Session[]> {
    const found = await this.#ask<Children>("GET", `/${session}/children`);
    return found.sessions;
  }

  async diff(session: Id): Promise<FileChange[]> {
    return (await this.#ask<Diff>("GET", `/${session}/diff`)).files;
  }

  async files(query: string): Promise<string[]> {
    const path = `/files?query=${encodeURIComponent(query)}`;
    return (await this.#ask<Files>("GET", path)).files;
  }

  messages(session: Id, before: string | null, limit: number): Promise<Page> {
    const query = new URLSearchParams({ limit: String(limit) });
    if (before !== null) query.set("before", before);
    return this.#ask("GET", `/${session}/messages?${query}`);
  }

  answerPermission = (session: Id, permission: Id, answer: PermissionAnswer): Promise<true> =>
    this.#ask("POST", `/${session}/permissions/${permission}`, answer);
  /** `null` refuses to answer. */
  answerQuestion = (session: Id, question: Id, answers: string[][] | null): Promise<true> =>
    this.#ask("POST", `/${session}/questions/${question}`, answers ? { answers } : {});

  async #ask<T>(method: string, path: string, body?: unknown): Promise<T> {
    const headers = this.#headers();
    const init: RequestInit = { method, headers, signal: AbortSignal.timeout(WITHIN_MS) };
    if (body !== undefined) {
      init.headers = { ...headers, "content-type": "application/json" };
      init.body = JSON.stringify(body);
    }
    let answer: Response;
    try {
      answer = await fetch(this.url(path), init);
    } catch (error) {
      const late = error instanceof DOMException && error.name === "TimeoutError";
      const words = late
        ? "The agent did not answer in time. Try again."
        : "The server cannot be reached. Check the connection and try again.";
      throw new ApiError(0, "unreachable", words);
    }
    if (!answer.ok) throw await refusalOf(answer);
    const text = await answer.text();
    // What has nothing to tell is done all the same.
    return (text ? JSON.parse(text) : true) as T;
  }
}
