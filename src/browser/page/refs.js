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
const whoOf = (role, name) => `${role}\u0001${name}`;
// Which ref of an element that has gone each new one takes over: the one that
// had its role, name and place, or else, if it has a name, the only one that had
// its role and name. Where two would answer, nothing is certain and neither does.
const heirsOf = (nodes) => {
  const once = (map, key, value) => map.set(key, map.has(key) ? null : value);
  const byKey = new Map();
  const byName = new Map();
  for (const [ref, known] of refs) {
    const el = known.element.deref();
    if (el && isConnected(el)) continue;
    once(byKey, known.key, ref);
    if (known.name) once(byName, whoOf(known.role, known.name), ref);
  }
  const shown = new Map();
  for (const { node } of nodes) once(shown, whoOf(node.r, node.n), node);
  const heirs = new Map();
  const taken = new Set();
  const takeOver = (find) => {
    for (const { node, key } of nodes) {
      if (heirs.has(key) || refs.get(given.get(node.el))?.name === node.n) continue;
      const ref = find(node, key);
      if (!ref || taken.has(ref)) continue;
      taken.add(ref);
      heirs.set(key, ref);
    }
  };
  takeOver((node, key) => byKey.get(key));
  takeOver((node) => shown.get(whoOf(node.r, node.n)) && byName.get(whoOf(node.r, node.n)));
  return heirs;
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
