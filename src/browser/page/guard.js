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

// The focus, as far as people are concerned.
let inField = false;
// What was said of the field when it got the focus. What is typed in it makes it
// a secret only for the next time.
let judged = { element: null, secret: false };
const look = (allowed = byPage) => {
  const element = focused();
  if (element && element !== bodyOf(document)) ask(element, allowed);
  if (element && isWaitedFor(element)) {
    // Whether there is a field behind it is not known yet: until then nothing changes.
    lookLater(LONGEST_ANSWER);
    return;
  }
  if (element !== judged.element) judged = { element, secret: isField(element) && isSecret(element) };
  const now = hasFocus(document) && judged.secret;
  if (now === inField) return;
  inField = now;
  tell({ focus: now });
};
const lookAnew = () => {
  judged = { element: null, secret: false };
  look();
};
// The window hears of no focus that moves within a shadow root, and of no change there.
const listen = (top) => {
  for (const name of ['focusin', 'focusout', 'focus', 'blur']) {
    // What has the focus is known when the event has gone by, and when it moves on, the next one too.
    const when = ({ relatedTarget }) => (relatedTarget ? setTimeout(() => look()) : queueMicrotask(lookAnew));
    top.addEventListener(name, name === 'focusout' || name === 'blur' ? when : () => queueMicrotask(lookAnew), true);
  }
  for (const name of ['change', 'focusout', 'submit']) {
    top.addEventListener(name, () => open && tellValues(), true);
  }
  const over = ({ target }) => target instanceof Element && isNamedByPage(target) && ask(target, byPage);
  top.addEventListener('pointerover', over, { capture: true, passive: true });
};
listen(window);
// A page may keep events of the focus from us, and the body has it without one.
addEventListener('focusin', (event) => event.target === bodyOf(document) && ask(event.target, byPage), true);
addEventListener('keydown', (event) => event.isTrusted && look(byHand), true);
addEventListener('pointerdown', (event) => event.isTrusted && ask(targetOf(event), byHand), true);

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
    let ticks = 0;
    clock = setInterval(() => {
      count();
      if (open) return;
      // What the page has made meanwhile.
      if (ticks++ % 8 === 0) scan(document);
      cover();
    }, 500);
  } else if (!now && clock) {
    clearInterval(clock);
    clock = 0;
    uncover();
  }
};
// Where something was typed behind a root that is not known yet: when, and whether in a moment.
const late = new Map();
const MOST_LATE = 64;
const isLate = ({ at }) => performance.now() - at < RECENT;
const filled = (element) => {
  if (open) note(element);
  else if (isSecret(element)) {
    const now = Date.now();
    recent = [...recent.filter((each) => now - each.at < RECENT && each.element !== element), { element, at: now }];
  }
};
addEventListener(
  'input',
  (event) => {
    if (!event.isTrusted) return;
    const element = targetOf(event);
    if (isField(element)) filled(element);
    else if (mayHide(element)) {
      late.set(element, { at: performance.now(), private: open || late.get(element)?.private === true });
      if (late.size > MOST_LATE) late.delete(late.keys().next().value);
      ask(element, byHand);
    }
  },
  true,
);
addEventListener('pagehide', () => open && tellValues(), true);
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
  if (!shown.length) return;
  let left = MOST_TEXTS;
  for (const top of [bodyOf(document), ...roots]) {
    if (!top?.isConnected) continue;
    const texts = walk(document, top, NodeFilter.SHOW_TEXT);
    for (; left > 0 && texts.nextNode(); left--) {
      const node = texts.currentNode;
      const text = plain(node.data);
      if (shown.some((value) => text.includes(value))) hide(node.parentElement ?? node.getRootNode().host);
    }
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
  const element = targetOf(event);
  const [first] = event.composedPath();
  // What is dragged need not have the focus.
  const behind = (field) => event.type === 'dragstart' && closed.has(first) && holds(first, field);
  const selected = [window, ...roots].map((top) => plain(String(top.getSelection?.() ?? '')));
  const inside = [...held].some((field) => field === element || field.contains(element) || behind(field));
  const shows = values().some((value) => plain(value).length >= 4 && selected.some((text) => text.includes(plain(value))));
  if (inside || shows) {
    event.preventDefault();
    event.stopImmediatePropagation();
  }
};
for (const name of ['copy', 'cut', 'dragstart']) addEventListener(name, keep, true);

// Who waits for the server's next answer.
const waiting = [];

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
    tell({ hello: true, focus: inField, held: counted, roots: questions.length > 0 });
  },
  // The elements that may have a closed root, for the server to look behind.
  asked() {
    return handOut();
  },
  take(found) {
    takeAnswer(found);
    for (const root of found) {
      const typed = late.get(root.host);
      late.delete(root.host);
      if (!typed || !isLate(typed)) continue;
      const changed = fieldsIn(root).filter((each) => isField(each) && each.value && each.value !== each.defaultValue);
      for (const field of changed) (typed.private ? note : filled)(field);
    }
    look();
    if (!open && held.size) {
      count();
      cover();
    }
    for (const go of waiting.splice(0)) go();
  },
  begin() {
    open = true;
    const now = Date.now();
    for (const each of recent) if (now - each.at < RECENT) note(each.element);
    recent = [];
    const element = focused();
    if (isField(element) && isSecret(element)) note(element);
    uncover();
    scan(document);
    return true;
  },
  async end() {
    // What was typed behind a closed root that is only being found.
    if ([...late.values()].some(isLate)) {
      await new Promise((known) => {
        waiting.push(known);
        setTimeout(known, 400);
      });
    }
    // What was filled in without a key, by the browser itself.
    for (const element of [document, ...roots].flatMap(fieldsIn)) {
      const likely = element.type === 'password' || element.matches(':autofill');
      // What the page itself put there is no person's.
      if (likely && element.value && element.value !== element.defaultValue && isField(element)) note(element);
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
