import { describe, expect, it } from "vitest";
import { entriesOf, refusedList, withoutPlace } from "../src/entries.ts";
import { firstKnown } from "../src/language.ts";

describe("lists that people write", () => {
  it("have one entry a line, or commas, and each once", () => {
    expect(
      entriesOf(" 10.0.0.0/8, a.example\n\n*.b.example:8443;a.example\t[fd00::1]:443 "),
    ).toEqual(["10.0.0.0/8", "a.example", "*.b.example:8443", "[fd00::1]:443"]);
    expect(entriesOf(" \n, ")).toEqual([]);
  });

  it("are told apart by the entry that is refused", () => {
    const lists = { allow: ["10.0.0.0/8"], deny: ["10.0.0.0/99"] };
    const why = "'10.0.0.0/99' is no address, range or name; write 10.0.0.0/8, 10.0.0.5:8443";
    expect(refusedList(why, lists)).toBe("deny");
    expect(refusedList("'*' in allow says nothing", { allow: ["*"], deny: ["*"] })).toBe("allow");
    const many = Array.from({ length: 1001 }, (_, at) => `h${at}.example`);
    const long = "a list has at most 1000 entries";
    expect(refusedList(long, { allow: [], deny: many })).toBe("deny");
    expect(refusedList("the server answered 500", lists)).toBe(null);
  });

  it("are refused without the place in a body that nobody sees", () => {
    expect(withoutPlace("the body is not right: 'x/' is no address at line 1 column 12")).toBe(
      "'x/' is no address",
    );
    const rules = "line 4, column 7: there is no field efect";
    expect(withoutPlace(rules)).toBe(rules);
  });
});

describe("the language of a page", () => {
  const known = { en: "English", de: "Deutsch" };
  it("is the first that is known, whatever its region", () => {
    expect(firstKnown(known, [null, "fr-CH", "DE-at", "en"], "English")).toBe("Deutsch");
    expect(firstKnown(known, [undefined, ""], "English")).toBe("English");
    expect(firstKnown(known, ["constructor", "dez"], "English")).toBe("English");
  });
});
