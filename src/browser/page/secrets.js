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
