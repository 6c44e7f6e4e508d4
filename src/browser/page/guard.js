// Guards what a person fills in while they are in a private moment. It tells
// when the focus comes into a secret field and what stands in such fields, and
// covers them afterwards. It lives in a world of its own, where no page and no
// agent gets at it; what it tells goes to the server alone.

const LONGEST_VALUE = 1024;
const MOST_TEXTS = 50000;
const RECENT = 3000;
const send = globalThis.__tandem_private;
const tell = (what) => {
  try {
    send(JSON.stringify(what));
  } catch {
    // The browser is on its way out.
  }
};

const held = new Set();
const covered = new Map();
let recent = [];
let open = false;

const isField = (element) =>
  element instanceof Element &&
  (/^(input|textarea)$/.test(element.localName) || element.isContentEditable) &&
  !/^(hidden|button|submit|reset|image|checkbox|radio|range|color|file)$/.test(element.type ?? '');
const valueOf = (element) =>
  String((element.isContentEditable ? element.innerText : element.value) ?? '').slice(0, LONGEST_VALUE);
const focused = () => {
  let element = document.activeElement;
  while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
  return element;
};

// The focus, as far as people are concerned.
let inField = false;
const look = () => {
  const element = focused();
  const now = document.hasFocus() && !!element && isField(element) && isSecret(element);
  if (now === inField) return;
  inField = now;
  tell({ focus: now });
};
for (const name of ['focusin', 'focusout', 'focus', 'blur']) {
  // What has the focus is known when the event has gone by.
  addEventListener(name, () => queueMicrotask(look), true);
}

// Values.
const values = () => {
  const all = new Set();
  let boxes = '';
  for (const element of held) {
    const value = valueOf(element);
    if (isDigitBox(element)) boxes += value;
    for (const line of [value, ...value.split('\n')]) if (line.trim()) all.add(line.trim());
  }
  if (boxes) all.add(boxes);
  return [...all].slice(0, 64);
};
const tellValues = () => {
  const now = values();
  if (now.length) tell({ values: now });
};
let later = 0;
const note = (element) => {
  secrets.add(element);
  held.add(element);
  // At once: the page has not heard of it yet, and may empty the field.
  if (isDigitBox(element)) tellValues();
  else tell({ typing: valueOf(element) });
  if (!later) {
    later = setTimeout(() => {
      later = 0;
      tellValues();
      count();
    }, 300);
  }
};
let counted = 0;
let clock = 0;
const count = () => {
  for (const element of held) if (!element.isConnected) held.delete(element);
  const now = [...held].filter((element) => valueOf(element)).length;
  if (now !== counted) {
    counted = now;
    tell({ held: now });
  }
  if (now && !clock) {
    clock = setInterval(() => {
      count();
      if (!open) cover();
    }, 500);
  } else if (!now && clock) {
    clearInterval(clock);
    clock = 0;
    uncover();
  }
};
addEventListener(
  'input',
  (event) => {
    const element = event.composedPath()[0];
    if (!event.isTrusted || !isField(element)) return;
    if (open) note(element);
    else if (isSecret(element)) {
      const now = Date.now();
      recent = [...recent.filter((each) => now - each.at < RECENT && each.element !== element), { element, at: now }];
    }
  },
  true,
);
for (const name of ['change', 'focusout', 'submit', 'pagehide']) {
  addEventListener(name, () => open && tellValues(), true);
}
addEventListener('keydown', (event) => open && event.key === 'Enter' && tellValues(), true);
addEventListener('pagehide', () => tell({ gone: true }), true);
addEventListener('pageshow', (event) => {
  if (!event.persisted) return;
  counted = 0;
  tell({ hello: true });
  inField = false;
  look();
  count();
});

// Covering: dots for what is in the fields, and where the page shows it again.
const hide = (element) => {
  if (covered.has(element)) return;
  covered.set(element, element.style.getPropertyValue('-webkit-text-security'));
  element.style.setProperty('-webkit-text-security', 'disc', 'important');
};
const plain = (text) => text.replace(/[\s-]/g, '');
const cover = () => {
  const shown = [];
  for (const element of held) {
    if (!element.isConnected) continue;
    hide(element);
    const value = plain(valueOf(element));
    if (value.length >= 4) shown.push(value);
  }
  if (!shown.length || !document.body) return;
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let n = 0; n < MOST_TEXTS && texts.nextNode(); n++) {
    const text = plain(texts.currentNode.data);
    if (shown.some((value) => text.includes(value)) && texts.currentNode.parentElement) hide(texts.currentNode.parentElement);
  }
};
const uncover = () => {
  for (const [element, before] of covered) {
    if (before) element.style.setProperty('-webkit-text-security', before);
    else element.style.removeProperty('-webkit-text-security');
  }
  covered.clear();
};

// What is covered does not leave by the clipboard or by hand either.
const keep = (event) => {
  if (open) return;
  const element = event.composedPath()[0];
  const selected = plain(String(document.getSelection() ?? ''));
  const inside = [...held].some((field) => field === element || field.contains(element));
  const shows = values().some((value) => plain(value).length >= 4 && selected.includes(plain(value)));
  if (inside || shows) {
    event.preventDefault();
    event.stopImmediatePropagation();
  }
};
for (const name of ['copy', 'cut', 'dragstart']) addEventListener(name, keep, true);

globalThis.__tandem_guard = {
  // A field that was set to what nobody typed. False when it holds nothing.
  hold(element) {
    if (!isField(element) || !valueOf(element)) return false;
    secrets.add(element);
    held.add(element);
    count();
    if (!open) cover();
    return true;
  },
  // Events may have been lost.
  again() {
    tell({ hello: true, focus: inField, held: counted });
  },
  begin() {
    open = true;
    const now = Date.now();
    for (const each of recent) if (now - each.at < RECENT) note(each.element);
    recent = [];
    const element = focused();
    if (isField(element) && isSecret(element)) note(element);
    uncover();
    return true;
  },
  async end() {
    // What was filled in without a key, by the browser itself.
    for (const element of document.querySelectorAll('input')) {
      const filled = element.type === 'password' || element.matches(':autofill');
      // What the page itself put there is no person's.
      if (filled && element.value && element.value !== element.defaultValue && isField(element)) note(element);
    }
    open = false;
    cover();
    count();
    const found = values();
    // The dots are on the screen before anybody looks.
    await new Promise((shown) => {
      requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(shown, 20)));
      setTimeout(shown, 300);
    });
    return { values: found, held: counted };
  },
};
tell({ hello: true });
look();
