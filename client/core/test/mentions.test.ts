import { describe, expect, it } from "vitest";
import { mentionsIn, referencesIn } from "../src/mentions.ts";

describe("a file that is named in a prompt", () => {
  it("stands after an @ at the beginning of a word, and is no address of mail", () => {
    expect(mentionsIn("@a.ts and @src/b.ts, mail x@y.example\n@c @a.ts")).toEqual([
      "a.ts",
      "src/b.ts,",
      "c",
    ]);
    expect(mentionsIn("nothing @ all")).toEqual([]);
    expect(
      mentionsIn("@f ".repeat(3) + Array.from({ length: 40 }, (_, n) => `@${n}`).join(" ")),
    ).toHaveLength(16);
  });

  it("goes along by its place when the project has it, without the end of the sentence", async () => {
    const has = new Set(["a.ts", "src/b.png", "docs/"]);
    const found = await referencesIn(
      "Compare @a.ts, @src/b.png. Look in @docs/ not @none.",
      async path => has.has(path),
    );
    expect(found).toEqual([
      { name: "a.ts", mime: "text/plain", path: "a.ts" },
      { name: "b.png", mime: "image/png", path: "src/b.png" },
      { name: "docs", mime: "application/x-directory", path: "docs/" },
    ]);
    expect(await referencesIn("@a.ts @a.ts,", async path => has.has(path))).toHaveLength(1);
  });
});
