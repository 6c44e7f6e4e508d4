// What a person does without a pointer: focus, selection, values.

const gone = { gone: true };
const fire = (el, ...names) => {
  for (const name of names) dispatch(el, new Event(name, { bubbles: true, composed: true }));
};
const focus = ({ handle, atEnd }) => {
  const el = heldElement(handle);
  if (!el) return gone;
  focusOn(el);
  if (atEnd) collapseToEnd(el);
  return {};
};
// An act that was stopped may have left the text selected.
const collapseToEnd = (el) => {
  if (tagOf(el) !== 'input' && tagOf(el) !== 'textarea') {
    selectAll(el);
    getSelection().collapseToEnd();
    return;
  }
  // Some kinds of input have no caret that can be set.
  if (el.selectionEnd !== null) el.setSelectionRange(el.value.length, el.value.length);
};
const selectAll = (el) => {
  if (tagOf(el) === 'input' || tagOf(el) === 'textarea') {
    el.select();
    return;
  }
  const range = new Range();
  range.selectNodeContents(el);
  const selection = getSelection();
  selection.removeAllRanges();
  selection.addRange(range);
};
const selectText = ({ handle }) => {
  const el = heldElement(handle);
  if (!el) return gone;
  if (el instanceof HTMLElement) focusOn(el);
  selectAll(el);
  return {};
};

// Sets what has a picker of its own; selects the text of everything else.
const prepareFill = ({ handle, value }) => {
  const el = heldElement(handle);
  if (!el) return gone;
  if (fieldKind(el) === 'value') {
    const wanted = el.type === 'color' ? value.trim().toLowerCase() : value.trim();
    focusOn(el);
    el.value = wanted;
    if (el.value !== wanted && !(el.type === 'range' && Number(el.value) === Number(wanted))) {
      const range = el.type === 'range' ? ` (${el.min || 0} to ${el.max || 100}, in steps of ${el.step || 1})` : '';
      const form = valueForms[el.type] || '';
      return { error: `${JSON.stringify(value)} does not fit an input of type ${el.type}${range}${form}` };
    }
    fire(el, 'input', 'change');
    return { done: true };
  }
  if (el.type === 'number' && value.trim() !== '' && Number.isNaN(Number(value))) {
    return { error: `${JSON.stringify(value)} is not a number` };
  }
  focusOn(el);
  selectAll(el);
  expectText();
  return { done: false };
};

// Settled when the text that is typed next has come, or goes elsewhere.
let arrival = null;
const expectText = () => {
  const end = new AbortController();
  arrival = new Promise((done) => {
    const options = { capture: true, signal: end.signal };
    addEventListener('input', done, options);
    // Where the page puts something of its own in its place, no input follows.
    addEventListener('beforeinput', () => setTimeout(done), options);
    setTimeout(done, 100);
  });
  arrival.then(() => end.abort());
};
const valueForms = {
  color: '; write it as #rrggbb',
  date: '; write it as 2026-01-31',
  'datetime-local': '; write it as 2026-01-31T13:45',
  month: '; write it as 2026-01',
  time: '; write it as 13:45',
  week: '; write it as 2026-W05',
};

const chooseOptions = ({ handle, values }) => {
  const el = heldElement(handle);
  if (!el) return gone;
  if (tagOf(el) !== 'select') return { error: `${describe(el)} is not a <select>; click it and then its option` };
  const options = [...el.options];
  const chosen = [];
  for (const value of values) {
    const same = (text) => fold(text) === fold(value);
    const option = options.find((each) => each.value === value) || options.find((each) => same(each.label));
    if (!option) {
      const there = options.slice(0, 30).map((each) => JSON.stringify(fold(each.label))).join(', ');
      return { wait: 'no_option', error: `there is no option ${JSON.stringify(value)}; there are: ${there}` };
    }
    if (option.disabled || (tagOf(option.parentElement) === 'optgroup' && option.parentElement.disabled)) {
      return { wait: 'disabled', error: `the option ${JSON.stringify(value)} is not enabled` };
    }
    chosen.push(option);
  }
  if (chosen.length > 1 && !el.multiple) return { error: 'this list takes one value only' };
  focusOn(el);
  for (const option of options) option.selected = chosen.includes(option);
  if (!chosen.length && !el.multiple) el.selectedIndex = -1;
  fire(el, 'input', 'change');
  return { values: chosen.map((option) => option.value) };
};

const checked = ({ handle }) => {
  const el = heldElement(handle);
  if (!el) return gone;
  const native = tagOf(el) === 'input' && (el.type === 'checkbox' || el.type === 'radio');
  if (!native && !hasAttr(el, 'aria-checked')) return { error: `${describe(el)} is neither a checkbox nor a radio button` };
  return { checked: checkedState(el) === true, radio: roleOf(el) === 'radio' };
};
const fileInput = ({ handle }) => {
  const el = heldElement(handle);
  if (!el) return gone;
  if (tagOf(el) !== 'input' || el.type !== 'file') return { error: `${describe(el)} is not a file input` };
  return { multiple: el.multiple, directory: el.webkitdirectory };
};
const holdRef = ({ handle }) => heldElement(handle);

// ---- a drag: whether the page made the browser's own one of it

let drag = null;
const armDrag = () => {
  drag?.stop();
  const state = { started: false };
  const onStart = (event) => {
    // After the page's own listeners: they may refuse it.
    state.started = true;
    queueMicrotask(() => (state.started = !event.defaultPrevented));
    setTimeout(() => (state.started = !event.defaultPrevented));
  };
  window.addEventListener('dragstart', onStart, true);
  state.stop = () => window.removeEventListener('dragstart', onStart, true);
  drag = state;
  return {};
};
const dragStarted = () => {
  const started = !!drag?.started;
  drag?.stop();
  drag = null;
  return started;
};

const hasText = ({ text }) => {
  const wanted = fold(text);
  const body = bodyOf(document);
  if (!body) return false;
  if (fold(body.innerText).includes(wanted)) return true;
  const roots = below(document).map(shadowOf).filter(Boolean);
  return roots.some((root) => [...childNodes(root)].some((el) => el instanceof HTMLElement && fold(el.innerText).includes(wanted)));
};
const boxInPage = ({ handle }) => {
  const el = heldElement(handle);
  if (!el) return gone;
  scrollIfNeeded(el, true);
  const { x, y, width, height } = boxOf(el);
  return { x, y, width, height, scrollX, scrollY };
};
// For verifying: what a person would read off an element.
const read = ({ handle }) => {
  const el = heldElement(handle);
  if (!el) return gone;
  const kind = checkedState(el);
  return {
    text: fold(el instanceof HTMLElement ? el.innerText : textContent(el)),
    value: 'value' in el && tagOf(el) !== 'li' ? String(el.value) : fold(textContent(el)),
    checked: kind === true,
    role: roleOf(el),
    name: nameOf(el),
    visible: visible(el),
  };
};
const count = ({ locator }) => {
  const { found, error } = lookUp(locator);
  if (error) return { error: error.why };
  return { count: found.length, visible: found.filter(visible).length };
};
const refOf = ({ handle, start }) => {
  const el = heldElement(handle);
  if (!el) return '';
  lastRef = Math.max(lastRef, start);
  return given.get(el) || giveRef(el, roleOf(el), nameOf(el), '');
};
