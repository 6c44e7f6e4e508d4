// Elements in words: for messages, and as code that finds them again.

const describe = (el) => {
  let text = `<${tagOf(el)}`;
  for (const name of ['id', 'class', 'type', 'name', 'role', 'href']) {
    const value = attr(el, name);
    if (value) text += ` ${name}="${cut(value, 40)}"`;
  }
  return `${text}>${cut(fold(textContent(el).slice(0, 400)), 40)}</${tagOf(el)}>`;
};

const quote = (text) => `'${text.replace(/\\/g, '\\\\').replace(/'/g, "\\'").replace(/\n/g, '\\n')}'`;
const LONGEST_TEXT = 80;
const testIds = 'data-testid';
// An id that a program made up changes with the next build.
const lasting = (id) => id && id.length <= 40 && !/\d{3,}|^:|[0-9a-f]{8}/.test(id);

// Playwright does not take an iframe's role for one.
const known = (role) => role && role !== 'none' && role !== 'iframe';
// Ways to point at an element, the most readable ones first.
const candidates = (el) => {
  const found = [];
  const add = (code, step) => found.push({ code, steps: [step] });
  const attribute = (attribute, text, exact) => ({ kind: 'attribute', attribute, text: { text, exact } });
  const testId = attr(el, testIds);
  if (testId) add(`getByTestId(${quote(testId)})`, attribute(testIds, testId, true));
  const role = roleOf(el);
  const name = nameOf(el);
  if (known(role) && name && name.length <= LONGEST_TEXT) {
    for (const exact of [false, true]) {
      add(`getByRole('${role}', { name: ${quote(name)}${exact ? ', exact: true' : ''} })`, {
        kind: 'role', role, states: {}, name: { text: name, exact },
      });
    }
  }
  const labels = labelsOf(el);
  const label = labels.length ? fold(textOf(labels[0])) : '';
  if (label && label.length <= LONGEST_TEXT) {
    add(`getByLabel(${quote(label)})`, { kind: 'label', text: { text: label } });
  }
  const placeholder = attr(el, 'placeholder');
  if (placeholder) add(`getByPlaceholder(${quote(placeholder)})`, attribute('placeholder', placeholder, false));
  const alt = attr(el, 'alt');
  if (alt) add(`getByAltText(${quote(alt)})`, attribute('alt', alt, false));
  const text = fold(textOf(el));
  if (text && text.length <= LONGEST_TEXT) {
    for (const exact of [false, true]) {
      add(`getByText(${quote(text)}${exact ? ', { exact: true }' : ''})`, { kind: 'text', text: { text, exact } });
    }
  }
  const title = attr(el, 'title');
  if (title && role !== 'iframe') add(`getByTitle(${quote(title)})`, attribute('title', title, false));
  const css = (selector) => add(`locator(${quote(selector)})`, { kind: 'css', css: selector, list: listOf(selector) });
  const id = idOf(el);
  if (lasting(id)) css(`#${CSS.escape(id)}`);
  const given = attr(el, 'name');
  if (given) css(`${tagOf(el)}[name=${JSON.stringify(given)}]`);
  if (role === 'iframe' && title) css(`iframe[title=${JSON.stringify(title)}]`);
  if (known(role)) add(`getByRole('${role}')`, { kind: 'role', role, states: {} });
  css(tagOf(el));
  if (id) css(`#${CSS.escape(id)}`);
  return found;
};
const listOf = (css) => [{ parts: [{ css, pseudos: [] }], combinators: [] }];
const matchesOf = (candidate, scope) => {
  try {
    return resolve(candidate.steps, [scope]);
  } catch {
    return [];
  }
};

// Code that finds this element and no other.
const locatorFor = (el) =>
  pass(() => {
    const own = candidates(el);
    let counted = null;
    for (const candidate of own) {
      const found = matchesOf(candidate, document);
      if (found.length === 1 && found[0] === el) return candidate.code;
      const at = found.indexOf(el);
      if (at >= 0 && !counted) counted = { code: candidate.code, at };
    }
    // Inside of something that can be named, such as its row or list item.
    let depth = 0;
    for (let outer = parentOf(el); outer && depth < 8; outer = parentOf(outer), depth += 1) {
      for (const holder of candidates(outer).slice(0, 4)) {
        const holders = matchesOf(holder, document);
        if (holders.length !== 1 || holders[0] !== outer) continue;
        for (const candidate of own) {
          const found = matchesOf(candidate, outer);
          if (found.length === 1 && found[0] === el) return `${holder.code}.${candidate.code}`;
        }
      }
    }
    return counted ? nthCode(counted) : `locator(${quote(pathOf(el))})`;
  });
const nthCode = ({ code, at }) => (at === 0 ? `${code}.first()` : `${code}.nth(${at})`);
const pathOf = (el) => {
  const parts = [];
  for (let at = el; at && parts.length < 30; at = parentOf(at)) {
    if (lasting(idOf(at))) return [`#${CSS.escape(idOf(at))}`, ...parts].join(' > ');
    let index = 1;
    for (let sibling = before(at); sibling; sibling = before(sibling)) index += 1;
    parts.unshift(`${CSS.escape(tagOf(at))}:nth-child(${index})`);
  }
  return parts.join(' > ');
};
