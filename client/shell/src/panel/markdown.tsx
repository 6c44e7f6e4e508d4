/**
 * Markdown as elements. `marked` only cuts the text into tokens; what is made
 * of them is made here, from a closed list: no HTML, no picture from elsewhere,
 * no address but the web's. While text streams in, blocks that did not change
 * keep their elements.
 */
import { lexer, type MarkedToken, type Token, type Tokens } from "marked";
import { createMemo, For, type JSX, Match, Show, Switch } from "solid-js";
import { Code } from "./code.tsx";

/** Above this a text is shown as it is: nobody reads it, and it must not stop the page. */
const LONGEST = 400_000;

export type OpenLink = (url: string) => void;

export function Markdown(props: { text: string; onLink: OpenLink }) {
  const blocks = createMemo((before: Token[]) => {
    if (props.text.length > LONGEST) return before;
    const now = lexer(props.text, { gfm: true, breaks: true }).filter(
      ({ type }) => type !== "space",
    );
    return now.map((token, at) => (before[at]?.raw === token.raw ? before[at] : token));
  }, []);
  return (
    <div class="markdown" dir="auto">
      <Show when={props.text.length <= LONGEST} fallback={<pre>{props.text}</pre>}>
        <For each={blocks()}>{token => <Block token={token} onLink={props.onLink} />}</For>
      </Show>
    </div>
  );
}

function Blocks(props: { tokens: Token[] | undefined; onLink: OpenLink }) {
  return (
    <For each={props.tokens?.filter(({ type }) => type !== "space")}>
      {token => <Block token={token} onLink={props.onLink} />}
    </For>
  );
}

function Block(props: { token: Token; onLink: OpenLink }): JSX.Element {
  const token = props.token as MarkedToken;
  const inline = (tokens: Token[] | undefined) => <Inline tokens={tokens} onLink={props.onLink} />;
  switch (token.type) {
    case "heading":
      // Under the panel's own headings, and never larger than they are.
      return token.depth <= 2 ? <h4>{inline(token.tokens)}</h4> : <h5>{inline(token.tokens)}</h5>;
    case "paragraph":
      return <p>{inline(token.tokens)}</p>;
    case "code":
      return <Code text={token.text} language={token.lang ?? ""} />;
    case "blockquote":
      return (
        <blockquote>
          <Blocks tokens={token.tokens} onLink={props.onLink} />
        </blockquote>
      );
    case "list":
      return <List list={token} onLink={props.onLink} />;
    case "table":
      return <Table table={token} onLink={props.onLink} />;
    case "hr":
      return <hr />;
    case "html":
      return <p>{token.text}</p>;
    case "def":
      return null;
    case "text":
      return token.tokens ? inline(token.tokens) : plain(token.text);
    default:
      return <>{token.raw}</>;
  }
}

function List(props: { list: Tokens.List; onLink: OpenLink }) {
  const items = () => (
    <For each={props.list.items}>
      {item => (
        <li classList={{ task: item.task }}>
          <Show when={item.task}>
            <input type="checkbox" disabled checked={item.checked ?? false} aria-label="Done" />
          </Show>
          <Blocks
            tokens={item.tokens.filter(({ type }) => type !== "checkbox")}
            onLink={props.onLink}
          />
        </li>
      )}
    </For>
  );
  return (
    <Show when={props.list.ordered} fallback={<ul>{items()}</ul>}>
      <ol start={Number(props.list.start) || 1}>{items()}</ol>
    </Show>
  );
}

function Table(props: { table: Tokens.Table; onLink: OpenLink }) {
  const cell = (one: Tokens.TableCell) => <Inline tokens={one.tokens} onLink={props.onLink} />;
  const side = (one: Tokens.TableCell) => (one.align ? { "text-align": one.align } : {});
  return (
    <section class="table" tabindex="0" aria-label="Table">
      <table>
        <thead>
          <tr>
            <For each={props.table.header}>{one => <th style={side(one)}>{cell(one)}</th>}</For>
          </tr>
        </thead>
        <tbody>
          <For each={props.table.rows}>
            {row => (
              <tr>
                <For each={row}>{one => <td style={side(one)}>{cell(one)}</td>}</For>
              </tr>
            )}
          </For>
        </tbody>
      </table>
    </section>
  );
}

function Inline(props: { tokens: Token[] | undefined; onLink: OpenLink }): JSX.Element {
  return <For each={props.tokens}>{token => <Word token={token} onLink={props.onLink} />}</For>;
}

function Word(props: { token: Token; onLink: OpenLink }): JSX.Element {
  const token = props.token as MarkedToken;
  const inner = (tokens: Token[] | undefined) => <Inline tokens={tokens} onLink={props.onLink} />;
  switch (token.type) {
    case "strong":
      return <strong>{inner(token.tokens)}</strong>;
    case "em":
      return <em>{inner(token.tokens)}</em>;
    case "del":
      return <del>{inner(token.tokens)}</del>;
    case "codespan":
      return <code>{plain(token.text)}</code>;
    case "br":
      return <br />;
    case "link":
      return (
        <Link href={token.href} onLink={props.onLink}>
          {inner(token.tokens)}
        </Link>
      );
    case "image":
      // It would be fetched from there, and tell whoever has it that it was read.
      return (
        <Link href={token.href} onLink={props.onLink}>
          {token.text || "Picture"}
        </Link>
      );
    case "text":
      return token.tokens ? inner(token.tokens) : plain(token.text);
    case "escape":
      return <>{plain(token.text)}</>;
    default:
      return <>{token.raw}</>;
  }
}

/** An address of the web, or nothing. */
export function webAddress(href: string): string | null {
  try {
    const url = new URL(href);
    return url.protocol === "http:" || url.protocol === "https:" ? url.href : null;
  } catch {
    return null;
  }
}

/** Opens in the shared browser; with Control, Command or the middle button in a tab of one's own. */
function Link(props: { href: string; onLink: OpenLink; children: JSX.Element }) {
  const address = () => webAddress(props.href);
  return (
    <Switch fallback={<span class="no-link">{props.children}</span>}>
      <Match when={address()}>
        {href => (
          <a
            href={href()}
            target="_blank"
            rel="noopener noreferrer"
            title={`${href()}\nOpens in the shared browser`}
            onClick={event => {
              if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
              event.preventDefault();
              props.onLink(href());
            }}
          >
            {props.children}
          </a>
        )}
      </Match>
    </Switch>
  );
}

const NAMED: Readonly<Record<string, string>> = {
  amp: "&",
  lt: "<",
  gt: ">",
  quot: '"',
  apos: "'",
  nbsp: "\u00a0",
};

/** `marked` leaves the entities of HTML in the text. */
const plain = (text: string): string =>
  text.replaceAll(/&(?:#(\d{1,6})|#x([\da-f]{1,6})|([a-z]{2,6}));/gi, (whole, ten, hex, name) => {
    if (name) return NAMED[name] ?? whole;
    const code = Number.parseInt(ten ?? hex, ten ? 10 : 16);
    return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : whole;
  });
