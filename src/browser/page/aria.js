// Roles, names and states, as ARIA, HTML-AAM and accname give them.

const inputRoles = {
  button: 'button', submit: 'button', reset: 'button', image: 'button', checkbox: 'checkbox',
  radio: 'radio', range: 'slider', number: 'spinbutton', search: 'searchbox',
};
const tagRoles = {
  article: 'article', aside: 'complementary', blockquote: 'blockquote', button: 'button',
  caption: 'caption', code: 'code', datalist: 'listbox', dd: 'definition', del: 'deletion',
  details: 'group', dfn: 'term', dialog: 'dialog', dt: 'term', em: 'emphasis', fieldset: 'group',
  figure: 'figure', h1: 'heading', h2: 'heading', h3: 'heading', h4: 'heading', h5: 'heading',
  h6: 'heading', hr: 'separator', html: 'document', iframe: 'iframe', frame: 'iframe',
  ins: 'insertion', li: 'listitem', main: 'main', mark: 'mark', math: 'math', menu: 'list',
  meter: 'meter', nav: 'navigation', ol: 'list', optgroup: 'group', option: 'option',
  output: 'status', p: 'paragraph', progress: 'progressbar', s: 'deletion', search: 'search',
  strong: 'strong', sub: 'subscript', sup: 'superscript', svg: 'img', summary: 'button',
  table: 'table', tbody: 'rowgroup', td: 'cell', textarea: 'textbox', tfoot: 'rowgroup',
  thead: 'rowgroup', time: 'time', tr: 'row', ul: 'list',
};
const labelled = (el) => hasAttr(el, 'aria-label') || hasAttr(el, 'aria-labelledby');

const roleOf = (el) => remembered('roles', el, findRole);
const findRole = (el) => {
  const given = (attr(el, 'role') || '').toLowerCase().split(/\s+/).find(Boolean);
  const presentational = given === 'none' || given === 'presentation';
  if (given && !(presentational && hasAttr(el, 'tabindex'))) return presentational ? 'none' : given;
  const tag = tagOf(el);
  switch (tag) {
    case 'input':
      if (el.type === 'hidden') return '';
      if (hasAttr(el, 'list') && !inputRoles[el.type]) return 'combobox';
      return inputRoles[el.type] || 'textbox';
    case 'a':
    case 'area':
      return hasAttr(el, 'href') ? 'link' : '';
    case 'img':
      return attr(el, 'alt') === '' && !attr(el, 'title') && !labelled(el) ? 'none' : 'img';
    case 'select':
      return el.multiple || el.size > 1 ? 'listbox' : 'combobox';
    case 'th':
      return attr(el, 'scope') === 'row' ? 'rowheader' : 'columnheader';
    case 'td': {
      const table = closest(el, 'table');
      const role = table && attr(table, 'role');
      return role === 'grid' || role === 'treegrid' ? 'gridcell' : 'cell';
    }
    case 'header':
    case 'footer':
      if (closest(el, 'article,aside,main,nav,section')) return '';
      return tag === 'header' ? 'banner' : 'contentinfo';
    case 'section':
      return labelled(el) ? 'region' : '';
    case 'form':
      return labelled(el) || hasAttr(el, 'name') ? 'form' : '';
    default:
      return tagRoles[tag] || '';
  }
};

const hiddenForAria = (el) => {
  if (getComputedStyle(el).visibility !== 'visible' && getComputedStyle(el).display !== 'contents') return true;
  return cutOff(el);
};
const cutOff = (el) =>
  remembered('hidden', el, (at) => {
    if (attr(at, 'aria-hidden') === 'true') return true;
    const parent = flatParentOf(at);
    const closed = parent && tagOf(parent) === 'details' && !parent.open && tagOf(at) !== 'summary';
    if (closed || getComputedStyle(at).display === 'none') return true;
    return !!parent && cutOff(parent);
  });

// ---- names

// The labels of a field. Its own list of them is a search of the whole page.
const labelsOf = (el) => {
  if (!memo || !('labels' in el)) return tagOf(el) === 'form' ? [] : [...(el.labels || [])];
  return remembered('below', 'labels', everyLabel).get(el) || [];
};
const everyLabel = () => {
  const found = new Map();
  for (const el of below(document)) {
    if (tagOf(el) !== 'label' || !el.control) continue;
    found.set(el.control, [...(found.get(el.control) || []), el]);
  }
  return found;
};

const LONGEST_NAME = 900;
const namedByContent = new Set([
  'button', 'cell', 'checkbox', 'columnheader', 'gridcell', 'heading', 'link', 'menuitem',
  'menuitemcheckbox', 'menuitemradio', 'option', 'radio', 'row', 'rowheader', 'switch', 'tab',
  'tooltip', 'treeitem',
]);
const buttonInputs = new Set(['button', 'submit', 'reset']);

const pseudo = (el, which) => remembered(which, el, () => pseudoText(el, which));
const pseudoText = (el, which) => {
  const style = getComputedStyle(el, which);
  const { content } = style;
  if (!content || content === 'none' || content === 'normal' || style.display === 'none') return '';
  const text = /^(?:url\(.*?\)\s*)?"((?:[^"\\]|\\.)*)"/.exec(content);
  return text ? text[1].replace(/\\(.)/g, '$1') : '';
};
const contentName = (el, seen) => {
  let text = pseudo(el, '::before');
  for (const node of flatChildrenOf(el)) {
    if (text.length > LONGEST_NAME * 2) break;
    if (nodeType(node) === 3) text += node.nodeValue;
    else if (nodeType(node) === 1 && !hiddenForAria(node)) {
      const inner = nameFrom(node, seen, true);
      const inline = getComputedStyle(node).display === 'inline';
      text += inline ? inner : ` ${inner} `;
    }
  }
  return text + pseudo(el, '::after');
};
const captions = { fieldset: 'legend', figure: 'figcaption', table: 'caption' };
const nameFrom = (el, seen, inside) => {
  if (seen.has(el)) return '';
  seen.add(el);
  const role = roleOf(el);
  const tag = tagOf(el);
  if (inside) {
    if ((role === 'textbox' || role === 'searchbox') && 'value' in el) return el.value;
    if (tag === 'select') return [...el.selectedOptions].map((option) => option.text).join(' ');
    if (role === 'slider' || role === 'spinbutton') {
      return attr(el, 'aria-valuetext') || attr(el, 'aria-valuenow') || el.value || '';
    }
  }
  const label = attr(el, 'aria-label');
  if (fold(label)) return label;
  const title = attr(el, 'title') || '';
  if (tag === 'input' && buttonInputs.has(el.type)) {
    return el.value || title || { submit: 'Submit', reset: 'Reset' }[el.type] || '';
  }
  if (tag === 'input' && el.type === 'image') return el.alt || el.value || title || 'Submit';
  const labels = inside ? [] : labelsOf(el);
  if (labels.length) {
    const names = labels.map((each) => labelName(each, seen));
    if (fold(names.join(' '))) return names.join(' ');
  }
  if (tag === 'img' || tag === 'area') return attr(el, 'alt') || title;
  if (tag === 'svg') {
    const inner = query(el, ':scope > title')[0];
    return inner ? textContent(inner) : title;
  }
  if (captions[tag]) {
    const caption = query(el, `:scope > ${captions[tag]}`)[0];
    if (caption) return contentName(caption, seen);
  }
  if (tag === 'optgroup' || tag === 'option') return el.label;
  if (inside || namedByContent.has(role)) {
    const text = contentName(el, seen);
    if (fold(text)) return text;
  }
  return title || attr(el, 'placeholder') || attr(el, 'aria-placeholder') || '';
};
const labelName = (label, seen) => {
  const own = attr(label, 'aria-label');
  return fold(own) ? own : contentName(label, new Set(seen));
};
const nameOf = (el) =>
  remembered('names', el, () => {
    const ids = attr(el, 'aria-labelledby');
    if (ids) {
      const parts = ids.split(/\s+/).map((id) => byId(rootOf(el), id)).filter(Boolean);
      const text = fold(parts.map((part) => nameFrom(part, new Set(), true)).join(' '));
      if (text) return cut(text, LONGEST_NAME);
    }
    return cut(fold(nameFrom(el, new Set(), false)), LONGEST_NAME);
  });

// ---- states

const disabled = (el) => {
  if (matches(el, ':disabled')) return true;
  for (let at = el; at; at = flatParentOf(at)) {
    if (attr(at, 'aria-disabled') === 'true') return true;
  }
  return false;
};
const readOnly = (el) => !!el.readOnly || attr(el, 'aria-readonly') === 'true';
const checkedState = (el) => {
  if (tagOf(el) === 'input' && (el.type === 'checkbox' || el.type === 'radio')) {
    return el.indeterminate ? 'mixed' : el.checked;
  }
  const given = attr(el, 'aria-checked');
  return given === 'mixed' ? 'mixed' : given === 'true';
};
const expandedState = (el) => {
  const given = attr(el, 'aria-expanded');
  if (given !== null) return given === 'true';
  const tag = tagOf(el);
  if (tag === 'details') return el.open;
  if (tag === 'summary' && parentElement(el) && tagOf(parentElement(el)) === 'details') return parentElement(el).open;
  return undefined;
};
const pressedState = (el) => {
  const given = attr(el, 'aria-pressed');
  return given === 'mixed' ? 'mixed' : given === 'true';
};
const selectedState = (el) => (tagOf(el) === 'option' ? el.selected : attr(el, 'aria-selected') === 'true');
const levelOf = (el) => {
  const given = Number(attr(el, 'aria-level'));
  return given || (/^h[1-6]$/.test(tagOf(el)) ? Number(tagOf(el)[1]) : 0);
};

// ---- fields

const textInputs = new Set(['', 'text', 'email', 'number', 'password', 'search', 'tel', 'url']);
const valueInputs = new Set(['color', 'date', 'datetime-local', 'month', 'range', 'time', 'week']);
const editable = (el) => el instanceof HTMLElement && isEditable(el);
const fieldKind = (el) => {
  const tag = tagOf(el);
  if (tag === 'textarea') return 'text';
  if (tag === 'input') return textInputs.has(el.type) ? 'text' : valueInputs.has(el.type) ? 'value' : 'none';
  return editable(el) ? 'text' : 'none';
};
