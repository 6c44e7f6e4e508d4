// The outline: what can be seen on the page, as a tree of roles and names.

const MOST_NODES = 60000;
// Before text that is on the page, but that no person sees.
const UNSEEN = '[unseen]';
const LONGEST_LINE = 2000;
// What holds so many is worth asking for alone.
const MANY = 12;
// Where a click does something by itself, so that a pointer need not be told of.
const clickableRoles = new Set([
  'button', 'checkbox', 'combobox', 'link', 'listbox', 'menuitem', 'menuitemcheckbox', 'menuitemradio',
  'option', 'radio', 'searchbox', 'slider', 'spinbutton', 'switch', 'tab', 'textbox', 'treeitem',
]);
// What is worth asking for alone.
const regionRoles = new Set([
  'alert', 'alertdialog', 'application', 'article', 'banner', 'canvas', 'complementary', 'contentinfo',
  'dialog', 'feed', 'figure', 'form', 'grid', 'iframe', 'log', 'main', 'menu', 'menubar',
  'meter', 'navigation', 'progressbar', 'region', 'scrollbar', 'search', 'table', 'tabpanel', 'toolbar', 'tree', 'treegrid', 'video', 'audio',
]);
const namedRegions = new Set(['group', 'heading', 'img', 'list', 'radiogroup', 'tablist']);
// Inside of a line they are just text.
const plainRoles = new Set(['code', 'emphasis', 'mark', 'paragraph', 'strong', 'subscript', 'superscript', 'time']);
const fieldRoles = new Set(['textbox', 'searchbox', 'slider', 'spinbutton', 'progressbar', 'meter', 'scrollbar', 'combobox']);
const itemRoles = new Set(['article', 'listitem', 'option', 'row', 'treeitem']);
const saidByContent = new Set(['row', 'cell', 'gridcell', 'columnheader', 'rowheader']);
const mediaTags = new Set(['canvas', 'video', 'audio']);
const silent = new Set(['datalist', 'noscript', 'script', 'style', 'template', 'head']);

const outline = ({ start, ref, boxes, urls }) =>
  pass(() => {
    lastRef = Math.max(lastRef, start);
    const root = ref ? refElement(ref) : bodyOf(document) || htmlOf(document);
    if (!root || !isConnected(root)) return { gone: true };
    const named = [];
    const active = focused();
    const frames = [];
    let nodes = 0;
    let whole = true;
    let lastUrl = '';

    const childrenOf = (el, hand, unseen) => {
      const found = [];
      const addText = (text) => {
        if (!text) return;
        if (typeof found.at(-1) === 'string' && !found.broken) found[found.length - 1] += text;
        else found.push(text);
        found.broken = false;
      };
      addText(pseudo(el, '::before'));
      for (const node of flatChildrenOf(el)) {
        if (nodeType(node) === 3) {
          const style = getComputedStyle(el);
          if (style.visibility !== 'visible') continue;
          if (!unseen && !isTooFaint(style)) addText(node.nodeValue);
          else if (fold(node.nodeValue)) {
            // Text for agents' eyes only is told as that, and joins no other.
            found.broken = true;
            addText(`${UNSEEN} ${node.nodeValue}`);
            found.broken = true;
          }
        } else if (nodeType(node) === 1) {
          if (tagOf(node) === 'br') addText(' ');
          const block = blockLike(node);
          if (block) found.broken = true;
          for (const inner of build(node, hand, unseen)) {
            if (typeof inner === 'string') addText(inner);
            else found.push(inner);
            // Two paragraphs are two texts.
            if (block) found.broken = true;
          }
          if (block) found.broken = true;
        }
      }
      addText(pseudo(el, '::after'));
      return found;
    };
    const clean = (children) =>
      children
        .map((child) => (typeof child === 'string' ? cut(fold(child), LONGEST_LINE) : child))
        .filter((child) => child !== '');

    // An element as nodes: one, none, or what is inside of it.
    const build = (el, hand, unseen) => {
      const tag = tagOf(el);
      if (silent.has(tag) || attr(el, 'aria-hidden') === 'true') return [];
      if (nodes >= MOST_NODES) {
        whole = false;
        return [];
      }
      nodes += 1;
      const style = getComputedStyle(el);
      if (style.display === 'none') return [];
      const contents = style.display === 'contents';
      const seen = contents || (style.visibility === 'visible' && checkVisibility(el));
      const pointer = style.cursor === 'pointer';
      const own = mediaTags.has(tag) && !hasAttr(el, 'role') ? tag : roleOf(el);
      let role = own === 'none' ? '' : own;
      const box = boxOf(el);
      const sized = box.width > 0 && box.height > 0;
      const hittable = seen && !contents && sized && style.pointerEvents !== 'none';
      const acts = hittable && actsByItself(el, role, pointer && !hand);

      const leaf =
        tag === 'select' || tag === 'svg' || mediaTags.has(tag) || role === 'iframe' || role === 'img' ||
        role === 'separator' || (fieldRoles.has(role) && !editable(el) && own !== 'combobox') || tag === 'input' || tag === 'textarea';
      let children = leaf ? [] : childrenOf(el, hand || pointer, unseen || hidesText(style, box));
      // Its control is called so; that need not be said twice.
      if (tag === 'label' && namesControl(el, children)) children = children.filter((child) => typeof child !== 'string');
      if (!seen) return children.filter((child) => typeof child !== 'string');

      if (!acts && plainRoles.has(role)) role = '';
      if (!role && !acts) return foldAway(el, children);
      children = clean(children);
      role = role || 'generic';
      let name = '';
      if (role === 'generic') name = fold(attr(el, 'aria-label') || (acts && attr(el, 'title')) || '');
      // A row is its cells, and a cell what is in it; that is not said twice.
      else if (!saidByContent.has(role) || labelled(el)) name = nameOf(el);
      if ((role === 'img' || role === 'canvas') && !name && !acts) return [];
      if (role === 'separator' && !acts) return [];
      if (role === 'listitem' && !acts && !children.length) return [];
      const node = { el, r: role, n: name, s: statesOf(el, role), c: children };
      // A name that says all that its texts say needs no texts.
      if (name && namedByContent.has(role) && covers(name, children)) {
        node.c = children.filter((child) => typeof child !== 'string');
      }
      // A picture on a button is the button; a legend is its group's name.
      if (clickableRoles.has(role)) node.c = node.c.filter((child) => child.r !== 'img' || child.acts);
      if (name) node.c = node.c.filter((child) => child !== name && !(child.r === 'heading' && child.n === name && role === 'region'));
      // An arrow or a cross beside a name says nothing more.
      if (name && acts) node.c = node.c.filter((child) => typeof child !== 'string' || /[\p{L}\p{N}]/u.test(child));
      if (node.c.length === 1 && node.c[0].n === name && !acts) node.n = '';
      node.acts = acts;
      const wanted =
        acts || clickableRoles.has(role) || regionRoles.has(role) || (namedRegions.has(role) && node.n);
      node.wanted = hittable && !!wanted;
      // A box without a role that has a ref and nothing in it is there to be clicked.
      const plain = role === 'generic' && node.c.every((child) => typeof child === 'string');
      if (hittable && pointer && !hand && !clickableRoles.has(role) && !plain) node.p = true;
      describeField(el, node, role);
      if (boxes) node.b = [box.x, box.y, box.width, box.height].map(Math.round);
      return [node];
    };

    // Without a role and without an act of its own an element is what it holds,
    // unless it holds several things together.
    const foldAway = (el, raw) => {
      if (!blockLike(el)) return raw;
      const children = clean(raw);
      if (children.length < 2 || el === root) return children;
      if (children.every((child) => typeof child === 'string')) return children;
      return [{ el, r: 'generic', n: '', s: [], c: children }];
    };
    const describeField = (el, node, role) => {
      const tag = tagOf(el);
      if (role === 'link') {
        const url = addressOf(el);
        if (url && url !== lastUrl) node.u = urls ? url : shortened(url);
        lastUrl = url;
      }
      const placeholder = attr(el, 'placeholder');
      if (placeholder && fold(placeholder) !== node.n) node.h = cut(fold(placeholder), 200);
      if (tag === 'select') {
        node.t = cut([...el.selectedOptions].map((option) => fold(option.label)).join(', '), LONGEST_LINE);
        node.o = optionsOf(el, el === root);
      }
      if (tag === 'textarea') node.m = true;
      if (tag === 'input' && !inputRoles[el.type] && el.type && el.type !== 'text') node.k = el.type;
      if (fieldRoles.has(role) && tag !== 'select') {
        if ('value' in el && (tag === 'input' || tag === 'textarea')) {
          node.t = el.type === 'password' || (isDigitBox(el) && isSecret(el)) ? '•'.repeat(Math.min(el.value.length, 40)) : el.value;
        } else if (!editable(el)) {
          node.t = attr(el, 'aria-valuetext') || attr(el, 'aria-valuenow') || (el.value === undefined ? '' : String(el.value));
        }
        node.t = cut(node.t || '', LONGEST_LINE);
      }
      if (role === 'iframe') frames.push(node);
    };

    // A box that only holds one other thing says nothing.
    const tidy = (children) => {
      const flat = [];
      for (const child of children) {
        if (typeof child === 'string') {
          flat.push(child);
          continue;
        }
        child.c = tidy(child.c);
        const bare = !child.n && !child.wanted && !child.s.length;
        const only = child.c.length === 1 && typeof child.c[0] !== 'string' && child.c[0].r !== 'list';
        if (bare && child.r === 'generic' && (child.c.length < 2 || children.length === 1)) flat.push(...child.c);
        else if (bare && (child.r === 'rowgroup' || (child.r === 'listitem' && only))) flat.push(...child.c);
        else flat.push(child);
      }
      return flat;
    };
    const finish = (node, key) => {
      const seen = new Map();
      for (const child of node.c) {
        if (typeof child === 'string') continue;
        // An item without a name is known by what it says.
        const item = itemRoles.has(child.r) || (child.r === 'generic' && child.acts && child.c.length < MANY);
        const what = `${child.r}\u0001${child.n || (item ? said(child) : '')}`;
        seen.set(what, (seen.get(what) || 0) + 1);
        const below = `${key}\u0002${what}`;
        if (child.wanted || child.c.length >= MANY) named.push({ node: child, key: `${below}\u0003${seen.get(what)}` });
        finish(child, below);
      }
    };
    const strip = (node) => {
      const bare = { r: node.r };
      for (const key of ['n', 'e', 'u', 'h', 't', 'k', 'm', 'p', 'b', 'o']) if (node[key]) bare[key] = node[key];
      if (node.s?.length) bare.s = node.s;
      if (node.c.length) bare.c = node.c.map((child) => (typeof child === 'string' ? child : strip(child)));
      if (node.r === 'iframe') bare.f = true;
      return bare;
    };
    const statesOf = (el, role) => {
      const states = [];
      if (['checkbox', 'radio', 'switch', 'menuitemcheckbox', 'menuitemradio'].includes(role) || (role === 'option' && hasAttr(el, 'aria-checked'))) {
        const state = checkedState(el);
        if (state) states.push(state === 'mixed' ? 'checked=mixed' : 'checked');
      }
      if (clickableRoles.has(role) || role === 'group' || role === 'generic') if (disabled(el)) states.push('disabled');
      const expanded = expandedState(el);
      if (expanded) states.push('expanded');
      if (el === active && el !== bodyOf(document)) states.push('active');
      if (role === 'heading' && levelOf(el)) states.push(`level=${levelOf(el)}`);
      const pressed = pressedState(el);
      if (pressed) states.push(pressed === 'mixed' ? 'pressed=mixed' : 'pressed');
      if (attr(el, 'aria-selected') === 'true') states.push('selected');
      if (editable(el) && role !== 'textbox' && role !== 'combobox' && !editable(parentElement(el))) states.push('editable');
      if (fieldKind(el) === 'text' && readOnly(el)) states.push('readonly');
      if (matches(el, ':user-invalid') || attr(el, 'aria-invalid') === 'true') states.push('invalid');
      return states;
    };

    const top = { el: root, r: 'root', n: '', s: [], c: tidy(clean(build(root, false, false))) };
    finish(top, '');
    const heirs = heirsOf(named);
    for (const { node, key } of named) node.e = giveRef(node.el, node.r, node.n, key, heirs);
    const answer = strip(top);
    return { root: answer, holders: frames.filter((node) => node.e).map((node) => node.e), whole, last: lastRef, title: titleOf(document) };
  });

const said = (node) => {
  let text = node.t || '';
  for (const child of node.c) {
    if (text.length > 80) break;
    text += typeof child === 'string' ? child : child.n || said(child);
  }
  return text.slice(0, 80);
};
const focused = () => {
  let el = activeIn(document);
  for (let root = el && shadowOf(el); root; root = shadowOf(el)) {
    const inner = activeIn(root);
    if (!inner) break;
    el = inner;
  }
  return el;
};
// What people cannot see though it is there: put off the page, cut down to
// nothing, without opacity.
const hidesText = (style, box) =>
  style.opacity === '0' ||
  style.clip === 'rect(0px, 0px, 0px, 0px)' ||
  style.clip === 'rect(1px, 1px, 1px, 1px)' ||
  /^inset\((50|100)%/.test(style.clipPath) ||
  (style.overflow !== 'visible' && (box.width <= 1 || box.height <= 1) && style.display !== 'inline' && style.display !== 'contents') ||
  ((box.width > 0 || box.height > 0) && (box.right + scrollX <= 0 || box.bottom + scrollY <= 0)) ||
  Math.abs(Number.parseFloat(style.textIndent)) > 900;
// Too small or without colour.
const isTooFaint = (style) => Number.parseFloat(style.fontSize) < 3 || /^rgba\(.*, 0\)$/.test(style.color);
const blockLike = (el) => {
  const { display } = getComputedStyle(el);
  return display !== 'inline' && display !== 'contents' && !display.startsWith('inline-');
};
const actsByItself = (el, role, pointer) => {
  if (pointer || clickableRoles.has(role)) return true;
  if (hasAttr(el, 'onclick') || hasAttr(el, 'onmousedown') || attr(el, 'draggable') === 'true') return true;
  const tabindex = attr(el, 'tabindex');
  if (tabindex !== null && Number(tabindex) >= 0 && el !== bodyOf(document)) return true;
  if (!editable(el)) return tagOf(el) === 'summary';
  const parent = parentElement(el);
  return !(parent && editable(parent));
};
const namesControl = (label, children) => {
  const field = label.control;
  return !!field && visible(field) && !hiddenForAria(field) && covers(nameOf(field), children);
};
const MOST_OPTIONS = 30;
const optionsOf = (select, all) => {
  const options = [...select.options];
  const shown = options.slice(0, all ? 1000 : MOST_OPTIONS).map((option) => {
    const off = option.disabled || (tagOf(option.parentElement) === 'optgroup' && option.parentElement.disabled);
    return cut(fold(option.label), 80) + (off ? ' (disabled)' : '');
  });
  return options.length > shown.length ? [...shown, `… ${options.length - shown.length} more`] : shown;
};
const covers = (name, children) => {
  const bare = (text) => text.replace(/\s+/g, '');
  const all = bare(name);
  return children.every((child) => typeof child !== 'string' || all.includes(bare(child)));
};
const addressOf = (el) => {
  const href = attr(el, 'href') || attr(el, 'xlink:href') || '';
  if (href === '#' || /^\s*javascript:/i.test(href)) return '';
  const own = `${location.origin}/`;
  return href.startsWith(own) ? href.slice(own.length - 1) : href;
};
const LONGEST_URL = 100;
const shortened = (url) => (url.length <= LONGEST_URL ? url : `${url.slice(0, 60)}…${url.slice(-30)}`);

globalThis.__tandem = {
  probe, settle, unguard, frame, prepareFill, documentMark, focus, selectText, chooseOptions, checked, fileInput, holdRef, hasText,
  armDrag, dragStarted, lookAtSecretField, fillSecret, boxInPage, read, count, frameBox, frameHit, frameRef, frameCode, outline, place, scrolled, heirOf, refOf, facts, elementAt,
};
