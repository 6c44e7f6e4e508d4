// Keeps which form fields were changed by real input, until it is asked. It
// lives in a world of its own, so that no page sees or disturbs it. What is
// secret is kept as a fact without its value.
(() => {
  if (globalThis.__tandem_fields) return;
  const MOST = 50;
  const LONGEST = 200;
  const changed = new Map();

  const words = (text) => (text ?? '').replace(/\s+/g, ' ').trim().slice(0, LONGEST);
  const label = (element) =>
    words(
      element.getAttribute('aria-label') ||
        element.labels?.[0]?.innerText ||
        element.placeholder ||
        element.title ||
        element.name ||
        element.id ||
        element.localName,
    );
  const value = (element) => {
    if (element.type === 'checkbox' || element.type === 'radio') return element.checked ? 'checked' : 'unchecked';
    if (element.type === 'file') return [...element.files].map((file) => file.name).join(', ').slice(0, LONGEST);
    if (element.localName === 'select') {
      return [...element.selectedOptions].map((option) => words(option.label)).join(', ').slice(0, LONGEST);
    }
    return words(element.isContentEditable ? element.innerText : element.value);
  };
  const note = (event) => {
    if (!event.isTrusted) return;
    const element = event.composedPath()[0];
    if (!(element instanceof HTMLElement)) return;
    // Taken out and put in again: the last one changed is the last one told.
    changed.delete(element);
    changed.set(element, isSecret(element));
    if (changed.size > MOST) changed.delete(changed.keys().next().value);
  };
  addEventListener('input', note, true);
  addEventListener('change', note, true);
  globalThis.__tandem_fields = {
    take() {
      const all = [...changed].map(([element, secret]) => ({
        name: label(element),
        kind: element.type ?? element.localName,
        value: secret ? null : value(element),
      }));
      changed.clear();
      return all;
    },
  };
})();
