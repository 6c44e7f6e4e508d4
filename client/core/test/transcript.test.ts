import { describe, expect, it } from "vitest";
import { colourCode, languageOf } from "../src/code-colours.ts";
import { type DiffLine, diffTexts, readPatch } from "../src/diff.ts";
import type { Message, ToolCall } from "../src/sessions-model.ts";
import {
  ago,
  diffOfTool,
  duration,
  inputOf,
  many,
  money,
  spentIn,
  titleOf,
  wordsOfTool,
} from "../src/transcript.ts";

const shown = (lines: DiffLine[]) =>
  lines.map(line =>
    line.is === "gap" ? "⋯" : `${{ same: " ", added: "+", removed: "-" }[line.is]}${line.text}`,
  );
/** Numbers that are the same in each run. */
function dice(seed: number) {
  let state = seed;
  return (below: number): number => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return (state >>> 8) % below;
  };
}

describe("a diff", () => {
  it("shows what changed with a few lines around it", () => {
    const lines = Array.from({ length: 30 }, (_, n) => `line ${n}`);
    const after = lines.with(4, "other").toSpliced(20, 1);
    const diff = diffTexts(lines.join("\n"), after.join("\n"));
    expect([diff.added, diff.removed]).toEqual([1, 2]);
    expect(shown(diff.lines)).toEqual([
      " line 1",
      " line 2",
      " line 3",
      "-line 4",
      "+other",
      " line 5",
      " line 6",
      " line 7",
      "⋯",
      " line 17",
      " line 18",
      " line 19",
      "-line 20",
      " line 21",
      " line 22",
      " line 23",
    ]);
  });

  it("gives back both texts, whatever they are", () => {
    const roll = dice(7);
    for (let round = 0; round < 300; round += 1) {
      // So short that no line is left out, and never the same.
      const make = (mark: string) =>
        [...Array.from({ length: roll(4) }, () => "abc"[roll(3)]), mark].join("\n");
      const [before, after] = [make("old"), make("new")];
      const side = (kind: "added" | "removed") =>
        diffTexts(before, after)
          .lines.flatMap(line => (line.is === kind || line.is === "same" ? [line.text] : []))
          .join("\n");
      expect(side("removed")).toBe(before);
      expect(side("added")).toBe(after);
    }
  });

  it("of texts too large to compare says that all between has changed", () => {
    const text = (letter: string) => Array.from({ length: 1500 }, (_, n) => letter + n).join("\n");
    const diff = diffTexts(text("a"), text("b"));
    expect([diff.added, diff.removed]).toEqual([1500, 1500]);
  });

  it("is read out of a patch, with its numbers", () => {
    const diff = readPatch(
      "--- a/x\n+++ b/x\n@@ -10,3 +10,3 @@ fn main() {\n one\n-two\n+three\n four\n",
    );
    expect(shown(diff.lines)).toEqual(["⋯", " one", "-two", "+three", " four"]);
    expect(diff.lines[2]).toMatchObject({ old: 11, new: null });
    expect(readPatch("nothing of a patch").lines).toEqual([]);
  });
});

describe("colours for code", () => {
  const kinds = (code: string, language: string) =>
    colourCode(code, language)
      .filter(piece => piece.kind !== "plain")
      .map(piece => `${piece.kind}:${piece.text}`);

  it("lose no character", () => {
    for (const code of ["", "a 'b", "/* open", "`x$", "0x1F + 1.5e3", "# no\n// yes", "«ünï»"]) {
      for (const language of ["ts", "py", "sql", "text"]) {
        expect(
          colourCode(code, language)
            .map(piece => piece.text)
            .join(""),
        ).toBe(code);
      }
    }
  });

  it("know words, strings, numbers and comments by the language", () => {
    expect(kinds('return f("a") + 1; // end', "ts")).toEqual([
      "word:return",
      "name:f",
      'string:"a"',
      "number:1",
      "comment:// end",
    ]);
    expect(kinds("x = 1 # end", "py")).toEqual(["number:1", "comment:# end"]);
    expect(kinds("return 1", "text")).toEqual([]);
    expect(languageOf("/a/b/x.test.ts")).toBe("ts");
  });

  it("are quick with what is made to be slow", () => {
    const code = `${"'\\".repeat(20_000)}${"/*".repeat(5000)}`;
    const start = performance.now();
    colourCode(code, "ts");
    expect(performance.now() - start).toBeLessThan(2000);
  });
});

const call = (name: string, input: unknown): ToolCall => ({
  call: "c",
  name,
  title: "",
  state: "done",
  input,
  output: "",
  started: null,
  ended: null,
  images: [],
  record: null,
  child: null,
});

describe("a tool in a person's words", () => {
  it("says what it does and on what", () => {
    const words = (name: string, input: unknown) => {
      const { verb, object } = wordsOfTool(call(name, input));
      return `${verb} ${object}`.trim();
    };
    expect(words("tandem_browser_click", { element: "Pay now", target: "e3" })).toBe(
      "Click Pay now",
    );
    expect(words("tandem_browser_navigate", { url: "https://a.example/b/" })).toBe(
      "Go to a.example/b",
    );
    expect(words("bash", { command: "ls -l" })).toBe("Run ls -l");
    expect(words("edit", { filePath: "/srv/x/y.ts" })).toBe("Edit y.ts");
    expect(words("some_new-tool", {})).toBe("Some new tool");
    expect(words("bash", null)).toBe("Run");
  });

  it("has a diff where its arguments say what changes", () => {
    const edit = diffOfTool(call("edit", { oldString: "a", newString: "b" }));
    expect([edit?.added, edit?.removed]).toEqual([1, 1]);
    expect(diffOfTool(call("write", { content: "a\nb\n" }))?.added).toBe(2);
    expect(diffOfTool(call("bash", { command: "ls" }))).toBeNull();
    expect(inputOf(call("x", { a: 1, b: "two" }))).toEqual([
      ["a", "1"],
      ["b", "two"],
    ]);
  });
});

describe("numbers as people read them", () => {
  it("are short", () => {
    expect([320, 12_000, 59_600, 185_000, 3_600_000].map(duration)).toEqual([
      "0.3 s",
      "12 s",
      "60 s",
      "3 min 5 s",
      "1 h 0 min",
    ]);
    expect([0, 999, 12_340, 999_400, 1_240_000].map(many)).toEqual([
      "0",
      "999",
      "12.3k",
      "999k",
      "1.2M",
    ]);
    expect([0, 0.0001, 0.42, 12].map(money)).toEqual(["", "< $0.01", "$0.42", "$12.00"]);
    const now = Date.UTC(2026, 4, 5, 12);
    expect([10_000, 5 * 60_000, 3 * 3_600_000].map(past => ago(now - past, now))).toEqual([
      "now",
      "5 min",
      "3 h",
    ]);
  });

  it("sum up what a message came to", () => {
    const tokens = { input: 9, output: 5, reasoning: 2, cache_read: 0, cache_write: 0 };
    const message: Message = {
      id: "m",
      role: "agent",
      error: null,
      created: 0,
      done: true,
      parts: [
        { id: "a", kind: "step", cost: 0.5, tokens },
        { id: "b", kind: "step", cost: 0.25, tokens },
      ],
    };
    expect(spentIn(message)).toEqual({ cost: 0.75, tokens: 14 });
  });

  it("call a session that nobody has named by what it is", () => {
    const title = "New session - 2026-11-21T20:40:08.669Z";
    expect(titleOf({ title, parent: null })).toBe("New session");
    expect(titleOf({ title: "", parent: "s" })).toBe("Subagent");
    expect(titleOf({ title: "Flights", parent: null })).toBe("Flights");
  });
});
