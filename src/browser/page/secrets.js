// ---- a value that whoever acts does not know

const secretFits = {
  line: (el) => ['text', 'email', 'tel', 'url', 'search', 'number'].includes(el.type),
  password: (el) => el.type === 'password',
  code: (el) =>
    ['text', 'tel', 'number'].includes(el.type) ||
    (el.type === 'password' && /\bone-time-code\b/i.test(el.autocomplete)),
};
const fieldInWords = (el) =>
  tagOf(el) === 'input' ? `an input of type ${el.type}` : el.isContentEditable ? 'an editable text' : `a <${tagOf(el)}>`;
// `origin` of the frame's own window: that of a sandboxed frame is no origin at all.
const lookAtSecretField = ({ handle }) => {
  const el = heldElement(handle);
  if (!el || el.ownerDocument !== document) return gone;
  const fits = Object.keys(secretFits).filter((fit) => tagOf(el) === 'input' && secretFits[fit](el));
  return { origin: String(globalThis.origin), field: fieldInWords(el), fits };
};
// The focus first, since the page may do anything then. From the checks to the
// value nothing of the page's runs.
const fillSecret = ({ handle, value, origin, fit }) => {
  const el = heldElement(handle);
  if (!el) return gone;
  focusOn(el);
  if (!el.isConnected || el.ownerDocument !== document) return gone;
  if (globalThis.origin !== origin) return { error: 'the page went elsewhere meanwhile; nothing was typed' };
  if (tagOf(el) !== 'input' || !secretFits[fit](el)) {
    return { error: `the field became ${fieldInWords(el)} meanwhile, which this secret does not fit; nothing was typed` };
  }
  if (disabled(el) || readOnly(el)) return { error: 'the field became read-only meanwhile; nothing was typed' };
  const before = el.value;
  el.value = value;
  if (el.value !== value) {
    el.value = before;
    return { error: `${fieldInWords(el)} does not take what this secret holds; nothing was typed` };
  }
  secrets.add(el);
  fire(el, 'input', 'change');
  return {};
};

// Which fields hold what nobody but the person is to know.
const secrets = new WeakSet();
const isSecret = (element) => {
  const hint = `${element.name ?? ''} ${element.id} ${element.autocomplete ?? ''}`;
  const marked =
    element.type === 'password' ||
    /\b(cc-|one-time-code|current-password|new-password)/i.test(element.autocomplete ?? '') ||
    /passw|passcode|secret|token|\bpin\b|\botp\b|cvc|cvv|card.?(num|no)|iban|ssn/i.test(hint);
  // A password that is shown for a moment stays one.
  if (marked) secrets.add(element);
  return secrets.has(element);
};
