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
