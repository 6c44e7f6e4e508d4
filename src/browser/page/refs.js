// Refs: short names of elements that an agent has been shown.

// ref -> { element, role, name, key }; the oldest are forgotten first.
const refs = new Map();
const given = new WeakMap(); // element -> ref
let lastRef = 0;
const MOST_REFS = 50000;

const refElement = (ref) => {
  const el = refs.get(ref)?.element.deref();
  return el && isConnected(el) ? el : null;
};
const giveRef = (el, role, name, key, heirs) => {
  const old = given.get(el);
  const known = old && refs.get(old);
  if (known && known.role === role && known.name === name) {
    known.key = key;
    return old;
  }
  const ref = heirs?.get(key) || `e${++lastRef}`;
  heirs?.delete(key);
  given.set(el, ref);
  refs.set(ref, { element: new WeakRef(el), role, name, key });
  if (refs.size > MOST_REFS) refs.delete(refs.keys().next().value);
  return ref;
};
// Refs whose element has gone, by role, name and place. Where two would
// answer to one key, nothing is certain and neither is passed on.
const orphans = () => {
  const found = new Map();
  for (const [ref, known] of refs) {
    const el = known.element.deref();
    if (el && isConnected(el)) continue;
    found.set(known.key, found.has(known.key) ? null : ref);
  }
  return found;
};
// What a ref was, and what has the same role and name now.
const heirOf = ({ ref, role, name, start }) =>
  pass(() => {
    lastRef = Math.max(lastRef, start);
    const known = refs.get(ref) || (role ? { role, name } : null);
    if (!known) return {};
    const like = query(document, '*').length > 20000 ? [] : below(document).filter(
      (el) => roleOf(el) === known.role && visible(el) && nameOf(el) === known.name,
    );
    const now = like.length === 1 ? giveRef(like[0], known.role, known.name, '') : '';
    return { role: known.role, name: known.name, count: like.length, ref: now, last: lastRef };
  });
