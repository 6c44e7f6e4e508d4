// Shadow roots. An open one is there for the asking. A closed one is kept from
// every script, this one too, but the server can look behind an element and
// hand it over. So elements that may have one are named to it as they come
// under a hand or get the focus; a page that makes thousands of them costs no
// more for it.

// More of them are listened to, but not searched.
const MOST_ROOTS = 500;
const MOST_QUESTIONS = 64;
const MOST_SCANNED = 50000;
// Between two questions about one element; each time twice as long.
const FIRST_WAIT = 250;
const LONGEST_WAIT = 4000;
// What has no name of the page's own and so many nodes is no host.
const MOST_NODES = 200;

// Fields of forms and named elements hide properties, in every world.
const reader = (prototype, name) => {
  const { get } = Object.getOwnPropertyDescriptor(prototype, name);
  return (node) => get.call(node);
};
const caller = (prototype, name) => {
  const call = prototype[name];
  return (node, ...values) => call.apply(node, values);
};
const openRootOf = reader(Element.prototype, 'shadowRoot');
const tagOf = reader(Element.prototype, 'localName');
const bodyOf = reader(Document.prototype, 'body');
const activeInDocument = reader(Document.prototype, 'activeElement');
const activeInRoot = reader(ShadowRoot.prototype, 'activeElement');
const hasFocus = caller(Document.prototype, 'hasFocus');
const walk = caller(Document.prototype, 'createTreeWalker');
const fieldsIn = (top) => [
  ...(top === document ? Document : DocumentFragment).prototype.querySelectorAll.call(top, 'input, textarea'),
];

const closed = new WeakMap();
const entered = new WeakSet();
const roots = new Set();
const rootIn = (element) => openRootOf(element) ?? closed.get(element) ?? null;
const holds = (host, node) => {
  for (let root = node.getRootNode(); root instanceof ShadowRoot; root = root.host.getRootNode()) {
    if (root.host === host) return true;
  }
  return false;
};

// From now on what happens in it is heard, by `listen`.
const enter = (root) => {
  if (entered.has(root)) return;
  entered.add(root);
  if (roots.size >= MOST_ROOTS) for (const old of roots) if (!old.isConnected) roots.delete(old);
  if (roots.size < MOST_ROOTS) roots.add(root);
  listen(root);
};
const innermost = (element) => {
  for (let root = rootIn(element); root; root = rootIn(element)) {
    enter(root);
    const active = activeInRoot(root);
    if (!active) break;
    element = active;
  }
  return element;
};
const focused = () => {
  const element = activeInDocument(document);
  return element && innermost(element);
};
// What comes from behind a closed root seems to come from its host.
const targetOf = (event) => {
  const [first] = event.composedPath();
  return first instanceof Element && closed.has(first) ? innermost(first) : first;
};

const HOSTS = /^(article|aside|blockquote|body|div|footer|h[1-6]|header|main|nav|p|section|span)$/;
const isNamedByPage = (element) => tagOf(element).includes('-');
const mayHide = (element) =>
  element instanceof HTMLElement &&
  (isNamedByPage(element) || (HOSTS.test(tagOf(element)) && element.childNodes.length <= MOST_NODES)) &&
  !rootIn(element) &&
  !element.isContentEditable;

// What a page brings about and what hands do are counted apart: a page that
// moves the focus about takes nothing from a person.
const allowance = (most) => {
  let since = 0;
  let used = 0;
  return () => {
    const now = performance.now();
    if (now - since >= 1000) {
      since = now;
      used = 0;
    }
    used += 1;
    return used <= most;
  };
};
const byPage = allowance(32);
const byHand = allowance(32);

const LONGEST_ANSWER = 1000;
const patience = new WeakMap();
let questions = [];
let handed = [];
// What no answer has come for yet, with the time of the question.
const unanswered = new Map();
const isWaitedFor = (element) => performance.now() - (unanswered.get(element) ?? -Infinity) < LONGEST_ANSWER;
let named = -Infinity;
let retry = 0;
const lookLater = (wait) => {
  retry ||= setTimeout(() => {
    retry = 0;
    look();
  }, wait);
};
const ask = (element, allowed) => {
  if (!mayHide(element)) return;
  const now = performance.now();
  const { at, wait } = patience.get(element) ?? { at: -Infinity, wait: FIRST_WAIT / 2 };
  if (now - at < wait || !allowed()) {
    lookLater(Math.max(FIRST_WAIT, at + wait - now));
    return;
  }
  patience.set(element, { at: now, wait: Math.min(wait * 2, LONGEST_WAIT) });
  questions.push(element);
  unanswered.set(element, now);
  if (questions.length > MOST_QUESTIONS) unanswered.delete(questions.shift());
  // One word for all that are named together; again when it was not heard.
  if (questions.length > 1 && now - named < FIRST_WAIT) return;
  named = now;
  queueMicrotask(() => tell({ roots: true }));
};

// The server fetches the questions, and answers with the roots that it found.
const handOut = () => {
  const now = questions.filter((element) => element.isConnected);
  for (const element of questions) if (!element.isConnected) unanswered.delete(element);
  questions = [];
  handed = [...handed, ...now].slice(-4 * MOST_QUESTIONS);
  return now;
};
const takeAnswer = (found) => {
  for (const root of found) {
    closed.set(root.host, root);
    enter(root);
    scan(root);
  }
  for (const element of handed) unanswered.delete(element);
  handed = [];
};

// Goes into the open roots below, and names what may have a closed one.
const scan = (top) => {
  const tops = [top];
  let left = MOST_SCANNED;
  while (tops.length && left > 0) {
    const elements = walk(document, tops.pop(), NodeFilter.SHOW_ELEMENT);
    for (; left > 0 && elements.nextNode(); left--) {
      const element = elements.currentNode;
      const root = rootIn(element);
      if (root) {
        enter(root);
        tops.push(root);
      } else if (isNamedByPage(element)) ask(element, byPage);
    }
  }
};
