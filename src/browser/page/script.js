// Runs in an isolated world of every frame: finding elements, asking whether
// they can be acted on, and the outline of the page. It changes nothing by
// itself except where a person's act would: focus, selection, scroll.
(() => {
  if (globalThis.__tandem) return;

  // ---- the tree, with open shadow roots and slots as a person sees it

  const roots = function* (root) {
    yield root;
    for (const el of root.querySelectorAll('*')) if (el.shadowRoot) yield* roots(el.shadowRoot);
  };
  const all = (css, root = document) => {
    const found = [];
    for (const each of roots(root)) found.push(...each.querySelectorAll(css));
    return found;
  };
  const parentOf = (el) => el.assignedSlot || el.parentElement || (el.getRootNode() instanceof ShadowRoot ? el.getRootNode().host : null);
  const childrenOf = (el) => {
    if (el.shadowRoot) return [...el.shadowRoot.childNodes];
    if (el.localName === 'slot') { const given = el.assignedNodes(); if (given.length) return given; }
    return [...el.childNodes];
  };
  const holds = (outer, inner) => { for (let el = inner; el; el = parentOf(el)) if (el === outer) return true; return false; };
  const fold = (text) => (text || '').replace(/[\u200b\u00ad]/g, '').replace(/\s+/g, ' ').trim();
  const byId = (el, id) => { const root = el.getRootNode(); return root.getElementById ? root.getElementById(id) : null; };

  // ---- what can be seen

  const visible = (el) => {
    const style = getComputedStyle(el);
    if (style.display === 'contents') {
      return [...el.childNodes].some((node) => node.nodeType === 1 ? visible(node) : node.nodeType === 3 && textVisible(node));
    }
    if (!el.checkVisibility() || style.visibility !== 'visible') return false;
    const box = el.getBoundingClientRect();
    return box.width > 0 && box.height > 0;
  };
  const textVisible = (node) => {
    const range = document.createRange(); range.selectNode(node);
    const box = range.getBoundingClientRect();
    return box.width > 0 && box.height > 0;
  };
  const hiddenForAria = (el) => {
    for (let at = el; at; at = parentOf(at)) {
      if (at.getAttribute('aria-hidden') === 'true') return true;
      const style = getComputedStyle(at);
      if (style.display === 'none') return true;
      if (at === el && style.display !== 'contents' && style.visibility !== 'visible') return true;
    }
    return false;
  };

  // ---- roles and names

  const inputRoles = { button: 'button', submit: 'button', reset: 'button', image: 'button', checkbox: 'checkbox', radio: 'radio', range: 'slider', number: 'spinbutton', search: 'searchbox' };
  const tagRoles = {
    article: 'article', aside: 'complementary', blockquote: 'blockquote', button: 'button', caption: 'caption', code: 'code', datalist: 'listbox', dd: 'definition', del: 'deletion', details: 'group', dfn: 'term', dialog: 'dialog', dt: 'term', em: 'emphasis', fieldset: 'group', figure: 'figure', h1: 'heading', h2: 'heading', h3: 'heading', h4: 'heading', h5: 'heading', h6: 'heading', hr: 'separator', html: 'document', iframe: 'iframe', frame: 'iframe', ins: 'insertion', li: 'listitem', main: 'main', mark: 'mark', math: 'math', menu: 'list', meter: 'meter', nav: 'navigation', ol: 'list', optgroup: 'group', option: 'option', output: 'status', p: 'paragraph', progress: 'progressbar', search: 'search', strong: 'strong', sub: 'subscript', sup: 'superscript', svg: 'img', summary: 'button', table: 'table', tbody: 'rowgroup', td: 'cell', textarea: 'textbox', tfoot: 'rowgroup', thead: 'rowgroup', time: 'time', tr: 'row', ul: 'list',
  };
  const roleOf = (el) => {
    const given = (el.getAttribute('role') || '').split(/\s+/).find(Boolean);
    if (given && !((given === 'none' || given === 'presentation') && el.tabIndex >= 0)) return given === 'presentation' ? 'none' : given;
    const tag = el.localName;
    if (tag === 'input') {
      if (el.type === 'hidden') return '';
      if (el.getAttribute('list') && !inputRoles[el.type]) return 'combobox';
      return inputRoles[el.type] || 'textbox';
    }
    if (tag === 'a' || tag === 'area') return el.hasAttribute('href') ? 'link' : '';
    if (tag === 'img') return el.getAttribute('alt') === '' && !el.title ? 'none' : 'img';
    if (tag === 'select') return el.multiple || el.size > 1 ? 'listbox' : 'combobox';
    if (tag === 'th') return el.scope === 'row' ? 'rowheader' : 'columnheader';
    if (tag === 'header' || tag === 'footer') return el.closest('article,aside,main,nav,section') ? '' : tag === 'header' ? 'banner' : 'contentinfo';
    if (tag === 'section') return el.hasAttribute('aria-label') || el.hasAttribute('aria-labelledby') ? 'region' : '';
    if (tag === 'form') return el.hasAttribute('aria-label') || el.hasAttribute('aria-labelledby') || el.name ? 'form' : '';
    return tagRoles[tag] || '';
  };
  const namedByContent = new Set(['button', 'cell', 'checkbox', 'columnheader', 'gridcell', 'heading', 'link', 'menuitem', 'menuitemcheckbox', 'menuitemradio', 'option', 'radio', 'row', 'rowheader', 'switch', 'tab', 'tooltip', 'treeitem']);
  const contentName = (el, seen) => {
    let text = '';
    for (const node of childrenOf(el)) {
      if (node.nodeType === 3) text += node.nodeValue;
      else if (node.nodeType === 1 && !hiddenForAria(node)) {
        const inner = nameFrom(node, seen, true);
        const block = getComputedStyle(node).display !== 'inline';
        text += block ? ` ${inner} ` : inner;
      }
    }
    return text;
  };
  const nameFrom = (el, seen, inside) => {
    if (seen.has(el)) return '';
    seen.add(el);
    const label = el.getAttribute('aria-label');
    if (fold(label)) return label;
    const role = roleOf(el);
    const tag = el.localName;
    if (inside && (role === 'textbox' || role === 'searchbox') && 'value' in el) return el.value;
    if (inside && (role === 'combobox' || role === 'listbox') && tag === 'select') return [...el.selectedOptions].map((option) => option.text).join(' ');
    if (tag === 'input' && ['button', 'submit', 'reset'].includes(el.type)) {
      return el.value || el.title || ({ submit: 'Submit', reset: 'Reset' }[el.type] || '');
    }
    if (tag === 'input' && el.type === 'image') return el.alt || el.value || el.title || 'Submit';
    if (el.labels && el.labels.length && !inside) {
      return [...el.labels].map((each) => contentName(each, new Set([...seen, el]))).join(' ');
    }
    if (tag === 'img' || tag === 'area') { if (el.alt) return el.alt; return el.title || ''; }
    if (tag === 'svg') { const title = el.querySelector(':scope > title'); return title ? title.textContent : ''; }
    const child = { fieldset: 'legend', figure: 'figcaption', table: 'caption' }[tag];
    if (child) { const found = el.querySelector(`:scope > ${child}`); if (found) return contentName(found, seen); }
    if (inside || namedByContent.has(role)) {
      const text = contentName(el, seen);
      if (fold(text)) return text;
    }
    return el.title || el.getAttribute('placeholder') || el.getAttribute('aria-placeholder') || '';
  };
  const nameOf = (el) => {
    const ids = el.getAttribute('aria-labelledby');
    if (ids) {
      const parts = ids.split(/\s+/).map((id) => byId(el, id)).filter(Boolean).map((part) => nameFrom(part, new Set(), true));
      if (fold(parts.join(' '))) return fold(parts.join(' ')).slice(0, 900);
    }
    return fold(nameFrom(el, new Set(), false)).slice(0, 900);
  };
  const disabled = (el) => {
    if (el.matches(':disabled')) return true;
    for (let at = el; at; at = parentOf(at)) if (at.getAttribute('aria-disabled') === 'true') return true;
    return false;
  };
  const textInputs = new Set(['', 'text', 'email', 'number', 'password', 'search', 'tel', 'url']);
  const valueInputs = new Set(['color', 'date', 'datetime-local', 'month', 'range', 'time', 'week']);
  const kindOfField = (el) => {
    if (el.localName === 'textarea') return 'text';
    if (el.localName === 'input') return textInputs.has(el.type) ? 'text' : valueInputs.has(el.type) ? 'value' : 'none';
    return el.isContentEditable ? 'text' : 'none';
  };

  // ---- refs

  const refs = new Map(); // ref -> WeakRef
  const given = new WeakMap(); // element -> {ref, role, name}
  let lastRef = 0;
  const refFor = (el, role, name) => {
    const old = given.get(el);
    if (old && old.role === role && old.name === name) return old.ref;
    if (old) refs.delete(old.ref);
    const ref = `e${++lastRef}`;
    given.set(el, { ref, role, name });
    refs.set(ref, new WeakRef(el));
    return ref;
  };

  // ---- locators

  const textOf = (el) => fold(el.localName === 'input' && ['button', 'submit', 'reset'].includes(el.type) ? el.value : el.shadowRoot ? contentName(el, new Set()) : el.textContent);
  const matcher = (want) => {
    if (want.regex !== undefined) { const re = new RegExp(want.regex, want.flags); return (text) => re.test(text); }
    const target = fold(want.text);
    return want.exact ? (text) => fold(text) === target : (text) => fold(text).toLowerCase().includes(target.toLowerCase());
  };
  const inScope = (scope, test) => {
    const found = new Set();
    for (const root of scope) for (const el of all('*', root.shadowRoot && root.nodeType === 1 ? root : root)) if (test(el)) found.add(el);
    for (const root of scope) if (root.shadowRoot) for (const el of all('*', root.shadowRoot)) if (test(el)) found.add(el);
    return [...found];
  };
  const skipText = new Set(['script', 'style', 'noscript', 'head', 'title', 'template']);
  const steps = {
    css: (scope, step) => {
      const found = new Set();
      for (const root of scope) {
        for (const el of all(step.css, root)) found.add(el);
        if (root.shadowRoot) for (const el of all(step.css, root.shadowRoot)) found.add(el);
      }
      return [...found];
    },
    xpath: (scope, step) => scope.flatMap((root) => {
      const result = document.evaluate(step.xpath, root, null, XPathResult.ORDERED_NODE_SNAPSHOT_TYPE);
      return Array.from({ length: result.snapshotLength }, (_, n) => result.snapshotItem(n)).filter((node) => node.nodeType === 1);
    }),
    role: (scope, step) => {
      const test = step.name && matcher(step.name);
      return inScope(scope, (el) => roleOf(el) === step.role && !hiddenForAria(el) && (!test || test(nameOf(el))) && stateMatches(el, step.states || {}));
    },
    text: (scope, step) => {
      const test = matcher(step.text);
      const hits = inScope(scope, (el) => !skipText.has(el.localName) && test(textOf(el)));
      const set = new Set(hits);
      return hits.filter((el) => ![...(el.shadowRoot || el).querySelectorAll('*')].some((inner) => set.has(inner)));
    },
    label: (scope, step) => {
      const test = matcher(step.text);
      return inScope(scope, (el) => {
        if (el.hasAttribute('aria-label') && test(el.getAttribute('aria-label'))) return true;
        const ids = el.getAttribute('aria-labelledby');
        if (ids && ids.split(/\s+/).some((id) => { const by = byId(el, id); return by && test(by.textContent); })) return true;
        return !!el.labels && [...el.labels].some((each) => test(each.textContent));
      });
    },
    attribute: (scope, step) => {
      const test = matcher(step.text);
      return inScope(scope, (el) => el.hasAttribute(step.attribute) && test(el.getAttribute(step.attribute)));
    },
    nth: (scope, step) => { const at = step.nth < 0 ? scope.length + step.nth : step.nth; return scope[at] ? [scope[at]] : []; },
    filter: (scope, step) => { const test = matcher(step.text); return scope.filter((el) => test(textOf(el))); },
    visible: (scope) => scope.filter(visible),
  };
  const stateMatches = (el, states) => Object.entries(states).every(([state, want]) => {
    if (state === 'level') return levelOf(el) === want;
    if (state === 'disabled') return disabled(el) === want;
    if (state === 'checked') return (el.checked === true || el.getAttribute('aria-checked') === 'true') === want;
    return (el.getAttribute(`aria-${state}`) === 'true') === want;
  });
  const levelOf = (el) => Number(el.getAttribute('aria-level')) || (/^h[1-6]$/.test(el.localName) ? Number(el.localName[1]) : 0);
  const find = (locator) => {
    if (locator.ref) {
      const el = refs.get(locator.ref)?.deref();
      return el && el.isConnected ? [el] : [];
    }
    let scope = [document];
    for (const step of locator.steps) scope = steps[step.kind](scope, step);
    return scope.filter((el) => el.nodeType === 1);
  };

  // ---- words for people

  const describe = (el) => {
    let text = `<${el.localName}`;
    for (const name of ['id', 'class', 'type', 'name', 'role', 'href']) {
      const value = el.getAttribute(name);
      if (value) text += ` ${name}="${value.length > 40 ? `${value.slice(0, 39)}…` : value}"`;
    }
    const inner = fold(el.textContent);
    return `${text}>${inner.length > 40 ? `${inner.slice(0, 39)}…` : inner}</${el.localName}>`;
  };
  const locatorFor = (el) => {
    const role = roleOf(el); const name = nameOf(el);
    if (role && role !== 'none' && name) return `getByRole(${JSON.stringify(role)}, { name: ${JSON.stringify(name.slice(0, 80))} })`;
    const text = fold(el.textContent);
    if (text && text.length <= 80) return `getByText(${JSON.stringify(text)})`;
    return `locator(${JSON.stringify(el.id ? `#${CSS.escape(el.id)}` : el.localName)})`;
  };

  // ---- can it be acted on

  const held = new Map(); // number -> element
  let lastHeld = 0;
  const hold = (el) => {
    held.set(++lastHeld, el);
    if (held.size > 64) held.delete(held.keys().next().value);
    return lastHeld;
  };
  const frame = () => new Promise((done) => requestAnimationFrame(done));
  const same = (a, b) => a.x === b.x && a.y === b.y && a.width === b.width && a.height === b.height;
  // A person who clicks a label means its control, one who clicks a word in a button means the button.
  const retarget = (el, act) => {
    if (act === 'field') {
      const label = el.closest('label');
      return kindOfField(el) === 'none' && el.localName !== 'select' && label?.control ? label.control : el;
    }
    return act === 'click' ? el.closest('button,[role=button],a[href],[role=link]') || el : el;
  };
  const deepest = (x, y) => {
    let el = document.elementFromPoint(x, y);
    while (el?.shadowRoot) { const inner = el.shadowRoot.elementFromPoint(x, y); if (!inner || inner === el) break; el = inner; }
    return el;
  };
  const hits = (el, x, y) => {
    const top = deepest(x, y);
    if (!top) return { ok: false, by: 'nothing: the point is outside the page' };
    if (holds(el, top)) return { ok: true };
    const label = top.closest('label');
    if (label && label.control === el) return { ok: true };
    let cover = top;
    for (let at = parentOf(top); at && !holds(at, el); at = parentOf(at)) if (at.id || at.getAttribute('role') || at.localName === 'dialog') cover = at;
    return { ok: false, by: cover === top ? describe(top) : `${describe(top)} in ${describe(cover)}` };
  };
  const pointIn = (el) => {
    for (const box of el.getClientRects()) {
      const left = Math.max(box.left, 0), top = Math.max(box.top, 0);
      const right = Math.min(box.right, innerWidth), bottom = Math.min(box.bottom, innerHeight);
      if (right - left >= 1 && bottom - top >= 1) return { x: (left + right) / 2, y: (top + bottom) / 2 };
    }
    return null;
  };
  const alignments = [null, { block: 'end', inline: 'end' }, { block: 'center', inline: 'center' }, { block: 'start', inline: 'start' }];

  let guard = null;
  const listen = ['pointerdown', 'mousedown', 'pointerup', 'mouseup', 'click', 'dblclick', 'auxclick', 'contextmenu'];
  const onGuarded = (event) => {
    if (!guard || !event.isTrusted) return;
    const target = event.composedPath()[0];
    if (guard.verdict === undefined) guard.verdict = holds(guard.el, target) || target.closest?.('label')?.control === guard.el ? 'hit' : describe(target);
    if (guard.verdict !== 'hit') { event.preventDefault(); event.stopImmediatePropagation(); }
  };
  for (const name of listen) window.addEventListener(name, onGuarded, { capture: true, passive: false });

  // One try: find, wait until it is still, scroll to it, ask what lies on top.
  const probe = async ({ locator, needs, act, attempt, strict = true }) => {
    let found;
    try { found = find(locator); } catch (error) { return { state: 'fail', code: 'syntax', why: String(error.message || error) }; }
    if (!found.length) return locator.ref ? { state: 'fail', code: 'ref' } : { state: 'wait', why: 'no element matches' };
    if (found.length > 1 && strict) {
      return { state: 'fail', code: 'strict', count: found.length, matches: found.slice(0, 10).map((el) => `${describe(el)} aka ${locatorFor(el)}`) };
    }
    const el = retarget(found[0], act);
    const what = describe(el);
    if (needs.includes('visible') && !visible(el)) return { state: 'wait', why: 'the element is not visible', what };
    if (needs.includes('enabled') && disabled(el)) return { state: 'wait', why: 'the element is not enabled', what };
    if (needs.includes('editable')) {
      if (kindOfField(el) === 'none') return { state: 'fail', code: 'kind', why: `${what} is not a text field; it cannot be filled` };
      if (el.readOnly || el.getAttribute('aria-readonly') === 'true') return { state: 'wait', why: 'the element is read-only', what };
    }
    if (needs.includes('stable')) {
      const before = el.getBoundingClientRect();
      await frame();
      const between = el.getBoundingClientRect();
      await frame();
      if (!el.isConnected) return { state: 'wait', why: 'the element was detached from the page', what };
      const after = el.getBoundingClientRect();
      if (!same(between, after) || !same(before, between)) return { state: 'wait', why: 'the element is moving', what };
    }
    const answer = { state: 'ok', what, handle: hold(el), role: roleOf(el), name: nameOf(el).slice(0, 60), code: locatorFor(el), field: kindOfField(el), window: place() };
    if (!needs.includes('point')) return answer;
    const align = alignments[attempt % alignments.length];
    if (align) el.scrollIntoView({ ...align, behavior: 'instant' });
    else if (el.scrollIntoViewIfNeeded) el.scrollIntoViewIfNeeded(true);
    const point = pointIn(el);
    if (!point) return { state: 'wait', why: 'the element is outside of the window', what };
    if (needs.includes('hit')) {
      const hit = hits(el, point.x, point.y);
      if (!hit.ok) return { state: 'wait', why: `${hit.by} is in the way`, what };
      guard = { el, verdict: undefined };
    }
    return { ...answer, ...point };
  };
  const place = () => ({ x: screenX, y: screenY, outerWidth, outerHeight, innerWidth, innerHeight, zoom: devicePixelRatio });
  // After the act: the page has had a frame to react in.
  const settle = async () => {
    const verdict = guard?.verdict;
    guard = null;
    await frame();
    await new Promise((done) => setTimeout(done, 0));
    return { verdict };
  };
  const unguard = () => { const verdict = guard?.verdict; guard = null; return { verdict }; };

  // ---- acts that have no pointer

  const fire = (el, ...names) => { for (const name of names) el.dispatchEvent(new Event(name, { bubbles: true, composed: true })); };
  const prepareFill = ({ handle, value }) => {
    const el = held.get(handle);
    if (!el?.isConnected) return { gone: true };
    if (kindOfField(el) === 'value') {
      el.focus();
      const wanted = el.type === 'color' ? value.toLowerCase() : value.trim();
      el.value = wanted;
      if (el.value !== wanted) return { error: `the value ${JSON.stringify(value)} does not fit an input of type ${el.type}` };
      fire(el, 'input', 'change');
      return { done: true };
    }
    if (el.type === 'number' && value.trim() !== '' && Number.isNaN(Number(value))) return { error: `${JSON.stringify(value)} is not a number` };
    el.focus();
    if (el.select && el.localName !== 'div') el.select();
    else {
      const range = document.createRange(); range.selectNodeContents(el);
      const selection = getSelection(); selection.removeAllRanges(); selection.addRange(range);
    }
    return { done: false };
  };
  const focus = ({ handle }) => { const el = held.get(handle); if (!el?.isConnected) return { gone: true }; el.focus(); return {}; };
  const select = ({ handle, values }) => {
    const el = held.get(handle);
    if (!el?.isConnected) return { gone: true };
    if (el.localName !== 'select') return { error: `${describe(el)} is not a <select>` };
    const options = [...el.options];
    const chosen = [];
    for (const value of values) {
      const option = options.find((each) => each.value === value) || options.find((each) => fold(each.label) === fold(value));
      if (!option) return { error: `no option ${JSON.stringify(value)}; there are: ${options.slice(0, 30).map((each) => JSON.stringify(fold(each.label))).join(', ')}` };
      if (option.disabled || option.parentElement.disabled) return { error: `the option ${JSON.stringify(value)} is disabled` };
      chosen.push(option);
    }
    if (chosen.length > 1 && !el.multiple) return { error: 'this list takes one value only' };
    el.focus();
    for (const option of options) option.selected = chosen.includes(option);
    fire(el, 'input', 'change');
    return { values: chosen.map((option) => option.value) };
  };
  const checked = ({ handle }) => {
    const el = held.get(handle);
    if (!el?.isConnected) return { gone: true };
    return { checked: 'checked' in el ? el.checked : el.getAttribute('aria-checked') === 'true' };
  };
  const holdRef = ({ handle }) => held.get(handle);
  const hasText = ({ text }) => {
    const body = document.body;
    return !!body && [...roots(document)].some((root) => root === document ? fold(body.innerText).includes(fold(text)) : [...root.children].some((el) => fold(el.innerText).includes(fold(text))));
  };

  // ---- frames: the owner's side

  const frameBox = (el, scroll) => {
    if (scroll) el.scrollIntoViewIfNeeded?.(true);
    const box = el.getBoundingClientRect(); const style = getComputedStyle(el);
    return { x: box.left + el.clientLeft + parseFloat(style.paddingLeft), y: box.top + el.clientTop + parseFloat(style.paddingTop), visible: visible(el), window: place() };
  };
  const frameHit = (el, x, y) => hits(el, x, y);
  const frameRef = (el) => given.get(el)?.ref || '';

  // ---- the outline

  const quoteText = (text) => {
    const cut = text.length > 2000 ? `${text.slice(0, 2000)}…` : text;
    return /^[\s]|[\s]$|^[-?:,[\]{}#&*!|>'"%@`]|: |:$| #|^$|^(true|false|null|yes|no|~|-?\d[\d.eE+-]*)$/i.test(cut) ? JSON.stringify(cut) : cut;
  };
  const outline = ({ start, limit, ref, depth: most }) => {
    lastRef = Math.max(lastRef, start);
    const rootElement = ref ? refs.get(ref)?.deref() : document.body || document.documentElement;
    if (!rootElement?.isConnected) return { gone: true };
    const active = (() => { let el = document.activeElement; while (el?.shadowRoot?.activeElement) el = el.shadowRoot.activeElement; return el; })();

    const build = (el, clickable) => {
      if (skipText.has(el.localName) || el.getAttribute('aria-hidden') === 'true') return [];
      const style = getComputedStyle(el);
      if (style.display === 'none') return [];
      const contents = style.display === 'contents';
      const seen = contents || style.visibility === 'visible' && el.checkVisibility();
      const role = roleOf(el);
      const pointer = style.cursor === 'pointer';
      const own = { el, role, children: [], pointer: pointer && !clickable };
      const leaf = ['img', 'iframe', 'textbox', 'searchbox', 'slider', 'spinbutton', 'progressbar', 'meter', 'separator'].includes(role) && !el.isContentEditable;
      if (!leaf && el.localName !== 'select') {
        for (const node of childrenOf(el)) {
          if (node.nodeType === 3) {
            const text = fold(node.nodeValue);
            if (text && seen) own.children.push(text);
          } else if (node.nodeType === 1) own.children.push(...build(node, clickable || pointer));
        }
      } else if (el.localName === 'select') {
        for (const option of el.options) own.children.push({ el: option, role: 'option', children: [], pointer: false, option: true });
      }
      // Texts side by side are one.
      const joined = [];
      for (const child of own.children) {
        if (typeof child === 'string' && typeof joined.at(-1) === 'string') joined[joined.length - 1] += ` ${child}`;
        else joined.push(child);
      }
      own.children = joined;
      const box = el.getBoundingClientRect();
      own.hittable = seen && !contents && box.width > 0 && box.height > 0 && style.pointerEvents !== 'none';
      if (!seen) return own.children.filter((child) => typeof child !== 'string');
      if (!role || role === 'none') {
        const acts = own.pointer || el.tabIndex >= 0 && el.hasAttribute('tabindex') || (el.isContentEditable && !el.parentElement?.isContentEditable) || typeof el.onclick === 'function';
        if (!acts || !own.hittable) {
          const block = style.display !== 'inline' && style.display !== 'contents';
          const texts = own.children.every((child) => typeof child === 'string');
          if (!block || own.children.length === 0) return own.children;
          if (own.children.length === 1 && !texts) return own.children;
          if (!texts) return own.children.length > 1 && el !== rootElement ? [{ ...own, role: 'generic' }] : own.children;
        }
        own.role = 'generic';
      }
      own.name = own.role === 'generic' ? fold(el.getAttribute('aria-label')) : nameOf(el);
      if (own.role === 'img' && !own.name && !own.pointer) return [];
      if (own.role === 'paragraph' && own.children.length === 0) return [];
      return [own];
    };

    const lines = [];
    const frames = [];
    let size = 0; let cut = false;
    const say = (indent, text) => {
      if (cut) return false;
      const line = `${'  '.repeat(indent)}${text}`;
      size += line.length + 1;
      if (size > limit) { cut = true; return false; }
      lines.push(line);
      return true;
    };
    const write = (node, indent, parentName) => {
      if (typeof node === 'string') { if (node !== parentName) say(indent, `- text: ${quoteText(node)}`); return; }
      const { el, role } = node;
      const name = node.option ? fold(el.label) : node.name || '';
      let head = role;
      if (name && name !== parentName || name && node.hittable && role !== 'generic') head += ` ${JSON.stringify(name)}`;
      const state = (label, on) => { if (on) head += ` [${label}]`; };
      const aria = (attribute) => el.getAttribute(`aria-${attribute}`);
      if (['checkbox', 'radio', 'switch', 'menuitemcheckbox', 'menuitemradio', 'option'].includes(role) && !node.option) {
        state('checked=mixed', el.indeterminate || aria('checked') === 'mixed');
        state('checked', el.checked === true || aria('checked') === 'true');
      }
      state('disabled', disabled(el));
      const open = el.localName === 'summary' ? el.parentElement.open : aria('expanded') === 'true';
      state('expanded', open);
      state('active', el === active && el !== document.body);
      const level = levelOf(el);
      state(`level=${level}`, role === 'heading' && level);
      state('pressed', aria('pressed') === 'true');
      state('selected', node.option ? el.selected : aria('selected') === 'true');
      const refable = node.hittable;
      let ref = '';
      if (refable) { ref = refFor(el, role, name); head += ` [ref=${'@'}${ref}]`; }
      if (refable && node.pointer) head += ' [cursor=pointer]';
      const props = [];
      if (role === 'link' && el.getAttribute('href')) props.push(`/url: ${quoteText(el.getAttribute('href').slice(0, 1000))}`);
      if (el.placeholder && el.placeholder !== name) props.push(`/placeholder: ${quoteText(el.placeholder)}`);
      let value = '';
      if (['textbox', 'searchbox', 'spinbutton', 'slider', 'combobox'].includes(role) && el.localName !== 'select' && 'value' in el) {
        value = el.type === 'password' ? '•'.repeat(el.value.length) : el.value;
      } else if (['slider', 'spinbutton', 'progressbar', 'meter'].includes(role)) value = aria('valuetext') || aria('valuenow') || (el.value !== undefined ? String(el.value) : '');
      if (el.localName === 'textarea') props.push('/multiline: true');
      let children = node.children;
      if (most !== undefined && most !== null && indent >= most) children = [];
      // A name that says all its texts say needs no texts.
      if (name && namedByContent.has(role) && children.every((child) => typeof child === 'string')) children = [];
      const text = value || (children.length === 1 && typeof children[0] === 'string' && !props.length ? children[0] : '');
      if (text && !value) children = [];
      if (role === 'iframe') frames.push({ ref, line: lines.length, indent: indent + 1 });
      const more = props.length || children.length || role === 'iframe';
      if (text && props.length) { say(indent, `- ${head}:`); for (const prop of props) say(indent + 1, `- ${prop}`); say(indent + 1, `- text: ${quoteText(text)}`); return; }
      if (!say(indent, `- ${head}${text ? `: ${quoteText(text)}` : more && role !== 'iframe' ? ':' : ''}`)) return;
      for (const prop of props) say(indent + 1, `- ${prop}`);
      for (const child of children) write(child, indent + 1, name);
    };
    for (const node of build(rootElement, false)) write(node, 0, '');
    return { lines, frames, cut, last: lastRef };
  };

  globalThis.__tandem = { probe, settle, unguard, prepareFill, focus, select, checked, holdRef, hasText, frameBox, frameHit, frameRef, outline, place };
})();
