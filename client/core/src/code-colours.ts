/**
 * Colours for code: strings, comments, numbers and the words that most
 * languages share. A guess that is right nearly always, in one pass, and never
 * slow; not a parser of any language.
 */

export type CodeKind = "plain" | "string" | "comment" | "number" | "word" | "name";
export interface CodePiece {
  kind: CodeKind;
  text: string;
}

const WORDS = new Set(
  (
    "abstract and as async await begin bool boolean break case catch char class const continue crate " +
    "def default defer del delete do done double echo elif else elsif end enum esac except exec export " +
    "extends false False fi final finally float fn for foreach from func function global go goto if " +
    "impl implements import in int interface is lambda let local long loop match mod module move mut " +
    "namespace new nil none None not null of or package pass print private protected pub public raise " +
    "ref require return select self short signed sizeof static string struct super switch then this " +
    "throw throws trait true True try type typedef typeof undefined union unless unsafe unsigned until " +
    "use using val var void volatile when where while with yield SELECT FROM WHERE INSERT UPDATE DELETE " +
    "INTO VALUES CREATE TABLE JOIN LEFT ON GROUP ORDER BY LIMIT AND OR NOT NULL SET AS"
  ).split(" "),
);

/** Languages in which `#` begins a comment, and those in which `//` does not. */
const HASH =
  /^(sh|bash|zsh|shell|console|py|python|rb|ruby|yaml|yml|toml|make|makefile|dockerfile|conf|ini|perl|r)$/i;
const DASHES = /^(sql|lua|haskell|hs|ada|elm)$/i;
/** Words, not code. */
const NONE = /^(text|txt|plain|plaintext|log|output|md|markdown|csv)$/i;
/** A block that is longer than this is not coloured. */
const LONGEST = 60_000;

const STRING = /"(?:[^"\\\n]|\\.)*"?|'(?:[^'\\\n]|\\.)*'?|`(?:[^`\\]|\\.)*`?/;
const NUMBER = /\b0[xX][\da-fA-F_]+\b|\b\d[\d_]*(?:\.\d+)?(?:[eE][+-]?\d+)?\b/;
const NAME = /[\p{L}_$][\p{L}\p{N}_$]*/u;

export function colourCode(code: string, language = ""): CodePiece[] {
  if (code.length > LONGEST || NONE.test(language)) return [{ kind: "plain", text: code }];
  const line = HASH.test(language)
    ? "#[^\\n]*"
    : DASHES.test(language)
      ? "--[^\\n]*"
      : "\\/\\/[^\\n]*";
  const block = HASH.test(language)
    ? "(?!)"
    : "\\/\\*[\\s\\S]*?(?:\\*\\/|$)|<!--[\\s\\S]*?(?:-->|$)";
  const pattern = new RegExp(
    `(?<comment>${line}|${block})|(?<string>${STRING.source})|(?<number>${NUMBER.source})|(?<name>${NAME.source})`,
    "gu",
  );
  const pieces: CodePiece[] = [];
  const add = (kind: CodeKind, text: string) => {
    const last = pieces.at(-1);
    if (last?.kind === kind) last.text += text;
    else if (text) pieces.push({ kind, text });
  };
  let at = 0;
  for (const found of code.matchAll(pattern)) {
    add("plain", code.slice(at, found.index));
    at = found.index + found[0].length;
    const { comment, string, number } = found.groups ?? {};
    if (comment !== undefined) add("comment", comment);
    else if (string !== undefined) add("string", string);
    else if (number !== undefined) add("number", number);
    else if (WORDS.has(found[0])) add("word", found[0]);
    else add(code[at] === "(" || code[at] === ":" ? "name" : "plain", found[0]);
  }
  add("plain", code.slice(at));
  return pieces;
}

/** A language's name out of a file's. */
export function languageOf(path: string): string {
  const name = path.split("/").at(-1) ?? "";
  return name.includes(".") ? (name.split(".").at(-1) ?? "") : name;
}
