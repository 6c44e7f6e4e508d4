// Tells what a person does in this document, each target by a locator. It
// lives in a world of its own. Secrets never leave it.

const heard = new AbortController();
const listen = (name, listener) =>
  addEventListener(name, (event) => event.isTrusted && listener(event), { capture: true, signal: heard.signal });
const report = (step) => {
  const tell = globalThis.__tandem_record;
  if (typeof tell === 'function') tell(JSON.stringify({ at: Date.now(), ...step }));
};
const LONGEST_VALUE = 10000;
const locatorOf = (element) => locatorFor(element);

// What a person means when they press on a part of it.
const MEANT = [
  'button', 'a[href]', 'input', 'select', 'textarea', 'summary', 'option',
  ...['button', 'link', 'checkbox', 'radio', 'switch', 'tab', 'option', 'treeitem', 'combobox', 'textbox',
    'menuitem', 'menuitemcheckbox', 'menuitemradio'].map((role) => `[role=${role}]`),
].join(',');
const pathOf = (event) => event.composedPath().filter((node) => node instanceof Element);
const meant = (event) => {
  const path = pathOf(event);
  return path.find((element) => element.matches(MEANT)) ?? path[0];
};
const kindOf = (element) => (element.localName === 'input' ? element.type : element.localName);
const isMark = (element) => ['checkbox', 'radio'].includes(kindOf(element));
// Their pickers are not the page's; what is picked is told as a value.
const PICKED = new Set(['select', 'option', 'file', 'range', 'date', 'time', 'datetime-local', 'month', 'week', 'color']);
const NO_TEXT = new Set(['checkbox', 'radio', 'file', 'button', 'submit', 'reset', 'image', 'range', 'color']);
const isText = (element) =>
  (element.localName === 'input' && !NO_TEXT.has(element.type)) || element.localName === 'textarea' || element.isContentEditable;

// The locator is the one before the page reacts.
let down = null;
listen('pointerdown', (event) => {
  const element = meant(event);
  down = element ? { element, locator: locatorOf(element) } : null;
});
const asPressed = (element) => (down?.element === element ? down.locator : locatorOf(element));
const held = (event) =>
  ['Alt', 'Control', 'Meta', 'Shift'].filter((name) => event[`${name === 'Control' ? 'ctrl' : name.toLowerCase()}Key`]);

// Text that is typed may be a part of what finds its field.
let focused = null;
listen('focusin', (event) => {
  const element = pathOf(event)[0];
  focused = element && isText(element) ? { element, locator: locatorOf(element) } : null;
});
const asFocused = (element) => (focused?.element === element ? focused.locator : locatorOf(element));

let lastKey = null;
listen('click', (event) => {
  const element = meant(event);
  if (!element) return;
  const kind = kindOf(element);
  if (isMark(element)) {
    report({ action: element.checked ? 'check' : 'uncheck', locator: asPressed(element) });
    return;
  }
  // A press of Enter makes a click that is no act of its own.
  const bySpace = lastKey?.key === ' ' && lastKey.element === element;
  if (event.detail === 0 && !bySpace) return;
  if (event.detail !== 0 && down && down.element !== element) return;
  const label = pathOf(event).find((each) => each.localName === 'label');
  if (PICKED.has(kind) || (label?.control && (isMark(label.control) || PICKED.has(kindOf(label.control))))) return;
  report({ action: 'click', locator: asPressed(element), modifiers: held(event) });
});
listen('dblclick', (event) => {
  const element = meant(event);
  if (element && !isMark(element) && !PICKED.has(kindOf(element))) {
    report({ action: 'dblclick', locator: asPressed(element), modifiers: held(event) });
  }
});
listen('auxclick', (event) => {
  const element = meant(event);
  const button = { 1: 'middle', 2: 'right' }[event.button];
  if (element && button) report({ action: 'click', locator: asPressed(element), modifiers: held(event), button });
});

listen('input', (event) => {
  const element = pathOf(event)[0];
  if (!element) return;
  const value = element.isContentEditable ? element.innerText : element.value;
  if (!isText(element) && !['range', 'color'].includes(element.type)) return;
  const secret = isSecret(element);
  report({
    action: 'fill', locator: asFocused(element), secret,
    value: secret ? null : String(value ?? '').slice(0, LONGEST_VALUE),
  });
});
listen('change', (event) => {
  const element = pathOf(event)[0];
  if (!element) return;
  if (element.localName === 'select') {
    const secret = isSecret(element);
    const values = [...element.selectedOptions].map((option) => option.value.slice(0, LONGEST_VALUE)).slice(0, 100);
    report({ action: 'select', locator: locatorOf(element), secret, values: secret ? [] : values });
  } else if (element.type === 'file') {
    const values = [...element.files].slice(0, 100).map((file) => file.name);
    report({ action: 'files', locator: locatorOf(element), values });
  }
});

const SHIFTLESS = new Set(['Shift', 'Control', 'Alt', 'Meta', 'AltGraph', 'CapsLock', 'Dead', 'Process', 'Unidentified']);
// The browser's own, and those that only edit text.
const OTHERS = /^(Alt\+Arrow(Left|Right)|(Control|Meta)\+(Shift\+)?[a-z0-9+=-]|F\d+)$/i;
const keyName = (event) => {
  const modifiers = held(event).filter((name) => name !== 'Shift' || event.key.length > 1);
  return [...modifiers, event.key].join('+');
};
listen('keydown', (event) => {
  const element = pathOf(event)[0];
  lastKey = { key: event.key, element };
  if (!element || event.isComposing || event.repeat || SHIFTLESS.has(event.key)) return;
  const name = keyName(event);
  // Plain characters are text, and may be a secret where no field says so.
  if (event.key.length === 1 || OTHERS.test(name)) return;
  if (element.localName === 'select' && !['Tab', 'Escape'].includes(event.key)) return;
  if (isText(element)) {
    const lines = element.localName === 'textarea' || element.isContentEditable;
    const moves = ['Tab', 'Escape', ...(lines ? [] : ['Enter', 'ArrowUp', 'ArrowDown'])];
    if (!moves.includes(event.key) && !event.ctrlKey && !event.metaKey) return;
    if (/^(Control|Meta)\+(Backspace|Delete|Arrow|Home|End|Insert)/.test(name)) return;
  }
  const nowhere = element === document.body || element === document.documentElement;
  report({ action: 'press', locator: nowhere ? null : asFocused(element), value: name });
});

let carried = null;
listen('dragstart', (event) => {
  const element = pathOf(event)[0];
  carried = element instanceof Element ? asPressed(element) : null;
});
listen('drop', (event) => {
  const element = pathOf(event)[0];
  if (carried && element) report({ action: 'drag', locator: carried, to: locatorOf(element) });
  carried = null;
});
listen('dragend', () => {
  carried = null;
});

globalThis.__tandem_recorder = { stop: () => heard.abort() };
