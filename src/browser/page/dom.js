// The tree as a person sees it: open shadow roots and slots included.
//
// A page cannot change what an isolated world calls, with one exception: a
// form's fields and a document's named elements hide properties of the same
// name. So properties of elements that may be forms are read by the
// prototypes' own accessors.

const getter = (prototype, name) => {
  const { get } = Object.getOwnPropertyDescriptor(prototype, name);
  return (node) => get.call(node);
};
const method = (prototype, name) => {
  const call = prototype[name];
  return (node, ...values) => call.apply(node, values);
};

const attr = method(Element.prototype, 'getAttribute');
const hasAttr = method(Element.prototype, 'hasAttribute');
const matches = method(Element.prototype, 'matches');
const closest = method(Element.prototype, 'closest');
const boxOf = method(Element.prototype, 'getBoundingClientRect');
const boxesOf = method(Element.prototype, 'getClientRects');
const checkVisibility = method(Element.prototype, 'checkVisibility');
const scrollTo = method(Element.prototype, 'scrollIntoView');
const scrollIfNeeded = method(Element.prototype, 'scrollIntoViewIfNeeded');
const tagOf = getter(Element.prototype, 'localName');
const shadowOf = getter(Element.prototype, 'shadowRoot');
const slotOf = getter(Element.prototype, 'assignedSlot');
const idOf = getter(Element.prototype, 'id');
const before = getter(Element.prototype, 'previousElementSibling');
const parentElement = getter(Node.prototype, 'parentElement');
const parentNode = getter(Node.prototype, 'parentNode');
const childNodes = getter(Node.prototype, 'childNodes');
const nodeType = getter(Node.prototype, 'nodeType');
const textContent = getter(Node.prototype, 'textContent');
const isConnected = getter(Node.prototype, 'isConnected');
const rootOf = method(Node.prototype, 'getRootNode');
const order = method(Node.prototype, 'compareDocumentPosition');
const dispatch = method(EventTarget.prototype, 'dispatchEvent');
const focusOn = method(HTMLElement.prototype, 'focus');
const isEditable = getter(HTMLElement.prototype, 'isContentEditable');
const titleOf = getter(Document.prototype, 'title');
const bodyOf = getter(Document.prototype, 'body');
const htmlOf = getter(Document.prototype, 'documentElement');
const query = (root, css) => {
  const proto = nodeType(root) === 1 ? Element : nodeType(root) === 9 ? Document : DocumentFragment;
  return [...proto.prototype.querySelectorAll.call(root, css)];
};
const byId = (root, id) => {
  if (nodeType(root) === 9) return Document.prototype.getElementById.call(root, id);
  return nodeType(root) === 11 ? DocumentFragment.prototype.getElementById.call(root, id) : null;
};
const atPoint = (root, x, y) => {
  const proto = nodeType(root) === 9 ? Document : ShadowRoot;
  return proto.prototype.elementFromPoint.call(root, x, y);
};
const activeIn = (root) => {
  const proto = nodeType(root) === 9 ? Document : ShadowRoot;
  return Object.getOwnPropertyDescriptor(proto.prototype, 'activeElement').get.call(root);
};

// An element's parent in the tree of elements, through shadow roots.
const parentOf = (el) => {
  const parent = parentElement(el);
  if (parent) return parent;
  const root = parentNode(el);
  return root && nodeType(root) === 11 && root instanceof ShadowRoot ? root.host : null;
};
// The same as it is laid out: a slotted element is inside of its slot.
const flatParentOf = (el) => slotOf(el) || parentOf(el);
const flatChildrenOf = (el) => {
  const shadow = shadowOf(el);
  if (shadow) return childNodes(shadow);
  if (tagOf(el) === 'slot') {
    const given = el.assignedNodes();
    if (given.length) return given;
  }
  return childNodes(el);
};
const holds = (outer, inner) => {
  for (let el = inner; el; el = flatParentOf(el)) if (el === outer) return true;
  return false;
};

// Pages can be without end; what is looked at is not.
const MOST_ELEMENTS = 200000;

// All elements below a root, shadow trees before light ones.
const descendants = (root) => {
  const found = [];
  const collectOne = (el) => {
    if (found.length >= MOST_ELEMENTS) return;
    found.push(el);
    const shadow = shadowOf(el);
    if (shadow) collect(shadow);
  };
  // Without shadow roots in between, the browser's own walk is the fastest.
  const collect = (at) => {
    for (const el of query(at, '*')) collectOne(el);
  };
  if (nodeType(root) === 1) {
    const inside = shadowOf(root);
    if (inside) collect(inside);
  }
  collect(root);
  return found;
};

// What is worked out once in a pass and good until it ends.
let memo = null;
const pass = (work) => {
  if (memo) return work();
  memo = {};
  const tables = ['names', 'texts', 'hidden', 'roles', 'below', '::before', '::after'];
  for (const table of tables) memo[table] = new Map();
  try {
    return work();
  } finally {
    memo = null;
  }
};
const remembered = (table, key, work) => {
  if (!memo) return work(key);
  const map = memo[table];
  if (map.has(key)) return map.get(key);
  const value = work(key);
  map.set(key, value);
  return value;
};
const below = (root) => remembered('below', root, descendants);

const fold = (text) =>
  (text || '')
    .replace(/[\u200b\u00ad\ue000-\uf8ff]/g, '')
    .replace(/\s+/g, ' ')
    .trim();
const cut = (text, length) => (text.length > length ? `${text.slice(0, length - 1)}…` : text);

// ---- what can be seen

const visible = (el) => {
  const style = getComputedStyle(el);
  if (style.display === 'contents') {
    return [...flatChildrenOf(el)].some((node) => {
      if (nodeType(node) === 1) return visible(node);
      return nodeType(node) === 3 && textVisible(node);
    });
  }
  if (!checkVisibility(el) || style.visibility !== 'visible') return false;
  const box = boxOf(el);
  return box.width > 0 && box.height > 0;
};
const textVisible = (node) => {
  const range = new Range();
  range.selectNode(node);
  const box = range.getBoundingClientRect();
  return box.width > 0 && box.height > 0;
};
