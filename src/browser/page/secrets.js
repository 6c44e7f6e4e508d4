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

// Which fields hold what nobody but the person is to know. Said by what the
// page says of its fields, so that each world that asks comes to the same.
const secrets = new WeakSet();
const MARKED = /\b(cc-(number|csc|exp)|one-time-code|current-password|new-password)/i;
const NAMED =
  /passw|passcode|passphrase|secret|token|\bpin\b|\botp\b|totp|one.?time|\b2fa\b|\bmfa\b|verif\w*.?code|security.?code|auth\w*.?code|cvc|cvv|card.?(num|no)|iban|\bssn\b/i;
const isDigitBox = (element) =>
  element.maxLength === 1 && /^(text|tel|number|)$/.test(element.type ?? '') && element.localName === 'input';
const isSecret = (element) => {
  const said = ['name', 'id', 'placeholder', 'aria-label'].map((name) => element.getAttribute?.(name) ?? '');
  const field = /^(input|textarea|select)$/.test(element.localName ?? '') || element.isContentEditable;
  const marked =
    element.type === 'password' ||
    MARKED.test(element.autocomplete ?? element.getAttribute?.('autocomplete') ?? '') ||
    (field && NAMED.test(said.join(' '))) ||
    // A code in boxes of one character each.
    (isDigitBox(element) && (element.parentElement?.parentElement?.querySelectorAll('input[maxlength="1"]').length ?? 0) >= 4);
  // A password that is shown for a moment stays one.
  if (marked) secrets.add(element);
  return secrets.has(element);
};
