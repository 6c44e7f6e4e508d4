/** An agent: MCP over streamable HTTP, as plain as the protocol allows. */

import type { Tandem } from "./server.ts";

interface Answer {
  text: string;
  isError: boolean;
}

export class Agent {
  #next = 1;
  #session: string | undefined;

  private constructor(
    readonly tandem: Tandem,
    readonly token: string,
  ) {}

  static async connect(tandem: Tandem, name = "Atlas"): Promise<Agent> {
    const agent = new Agent(tandem, await tandem.token("agent", name));
    await agent.#request("initialize", {
      protocolVersion: "2025-11-25",
      capabilities: {},
      clientInfo: { name, version: "1" },
    });
    await agent.#post({ jsonrpc: "2.0", method: "notifications/initialized" });
    return agent;
  }

  async call(tool: string, args: Record<string, unknown> = {}): Promise<Answer> {
    const result = (await this.#request("tools/call", { name: tool, arguments: args })) as {
      content: { type: string; text?: string }[];
      isError?: boolean;
    };
    const text = result.content.map(part => part.text ?? `[${part.type}]`).join("\n");
    return { text, isError: result.isError ?? false };
  }

  async tools(): Promise<string[]> {
    const result = (await this.#request("tools/list", {})) as { tools: { name: string }[] };
    return result.tools.map(tool => tool.name);
  }

  async #request(method: string, params: unknown): Promise<unknown> {
    const id = this.#next++;
    const text = await this.#post({ jsonrpc: "2.0", id, method, params });
    const messages = text.startsWith("{")
      ? [text]
      : text
          .split("\n")
          .filter(line => line.startsWith("data:"))
          .map(line => line.slice(5).trim())
          .filter(line => line.startsWith("{"));
    for (const message of messages) {
      const parsed = JSON.parse(message);
      if (parsed.id !== id) continue;
      if (parsed.error) throw new Error(`${method}: ${JSON.stringify(parsed.error)}`);
      return parsed.result;
    }
    throw new Error(`${method}: no answer in ${text.slice(0, 400)}`);
  }

  async #post(message: unknown): Promise<string> {
    const headers: Record<string, string> = {
      authorization: `Bearer ${this.token}`,
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
    };
    if (this.#session) headers["mcp-session-id"] = this.#session;
    const answer = await fetch(`${this.tandem.origin}/mcp`, {
      method: "POST",
      headers,
      body: JSON.stringify(message),
    });
    this.#session ??= answer.headers.get("mcp-session-id") ?? undefined;
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${answer.status} ${text}`);
    return text;
  }
}
