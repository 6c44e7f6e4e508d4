// What a person points at, in words for an agent. Looks only.

const MEANT_ROLES = new Set([
  'button', 'link', 'checkbox', 'radio', 'switch', 'tab', 'option', 'treeitem', 'combobox', 'textbox', 'searchbox',
  'listbox', 'slider', 'spinbutton', 'menuitem', 'menuitemcheckbox', 'menuitemradio',
]);
const LONGEST_PICKED = 1000;
const LONGEST_HTML = 2000;
const LONGEST_ATTRIBUTE = 300;
const attributesOf = getter(Element.prototype, 'attributes');
const EMPTY_TAGS = new Set(['area', 'base', 'br', 'col', 'embed', 'hr', 'img', 'input', 'link', 'meta', 'source', 'track', 'wbr']);
const escaped = (text) => text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/"/g, '&quot;');

// The beginning of the element's HTML. Written by hand, since a copy could run
// what the page gave its elements, and since secrets stay where they are.
const excerpt = (el) => {
  let out = '';
  const walk = (node) => {
    if (out.length > LONGEST_HTML) return;
    if (nodeType(node) === 3) out += escaped(node.nodeValue.slice(0, LONGEST_HTML).replace(/\s+/g, ' '));
    if (nodeType(node) !== 1) return;
    const tag = tagOf(node);
    const hides = isSecret(node) || (tag === 'input' && node.type === 'hidden');
    out += `<${tag}`;
    for (const { name, value } of attributesOf(node)) {
      if (out.length > LONGEST_HTML) break;
      out += ` ${name}="${hides && name === 'value' ? '…' : escaped(cut(value, LONGEST_ATTRIBUTE))}"`;
    }
    out += '>';
    if (EMPTY_TAGS.has(tag)) return;
    if (!noText.has(tag) && !hides) for (const child of childNodes(node)) walk(child);
    out += `</${tag}>`;
  };
  walk(el);
  return cut(out, LONGEST_HTML);
};

// What lies at a place of the window. A frame is told by its element alone,
// for who goes on inside of it, unless `whole` says that nobody does.
const pickAt = ({ x, y, whole }) => {
  const top = deepest(x, y);
  if (!top) return {};
  if (!whole && ['iframe', 'frame'].includes(tagOf(top))) return { frame: hold(top) };
  return pass(() => {
    let el = top;
    for (let at = top; at && tagOf(at) !== 'body'; at = flatParentOf(at)) {
      if (MEANT_ROLES.has(roleOf(at))) {
        el = at;
        break;
      }
    }
    const { x: left, y: upper, width, height } = boxOf(el);
    return {
      element: {
        role: roleOf(el) || 'generic',
        name: cut(nameOf(el), 200),
        locator: cut(locatorFor(el), LONGEST_PICKED),
        text: isSecret(el) ? '' : cut(fold(textOf(el)), LONGEST_PICKED),
        html: excerpt(el),
        url: cut(location.href, 2000),
        box: { x: left, y: upper, width, height },
      },
    };
  });
};
Object.assign(globalThis.__tandem, { pickAt });
