// Whether an element can be acted on now, where, and who really got the event.

const held = new Map(); // number -> element
let lastHeld = 0;
const hold = (el) => {
  held.set(++lastHeld, el);
  if (held.size > 64) held.delete(held.keys().next().value);
  return lastHeld;
};
const heldElement = (handle) => {
  const el = held.get(handle);
  return el && isConnected(el) ? el : null;
};

// A frame of the screen; where there are none, a moment instead.
const FRAMELESS = 250;
// Tells whether there was one.
const frame = (most = FRAMELESS) =>
  new Promise((done) => {
    requestAnimationFrame(() => done(true));
    setTimeout(() => done(false), most);
  });
const sameBox = (a, b) => a.x === b.x && a.y === b.y && a.width === b.width && a.height === b.height;

// A person who clicks a label means its control, one who clicks a word in a
// button means the button.
const control = (el) => {
  const label = closest(el, 'label');
  return label && label !== el && !matches(el, 'input,select,textarea,button,a[href]') ? label.control : label?.control;
};
const retarget = (el, act) => {
  switch (act) {
    case 'field':
      return fieldKind(el) === 'none' && tagOf(el) !== 'select' ? control(el) || el : el;
    case 'check': {
      const role = roleOf(el);
      const own = ['checkbox', 'radio', 'switch', 'menuitemcheckbox', 'menuitemradio', 'option'].includes(role);
      return own ? el : control(el) || closest(el, '[role=checkbox],[role=radio],[role=switch]') || el;
    }
    case 'file':
      return tagOf(el) === 'input' ? el : control(el) || el;
    case 'click':
      return closest(el, 'button,[role=button],a,[role=link]') || el;
    default:
      return el;
  }
};

const deepest = (x, y) => {
  let el = atPoint(document, x, y);
  for (let root = el && shadowOf(el); root; root = shadowOf(el)) {
    const inner = atPoint(root, x, y);
    if (!inner || inner === el) break;
    el = inner;
  }
  return el;
};
// An event at `top` counts as one at `el`.
const reaches = (el, top) => {
  if (holds(el, top)) return true;
  const label = closest(top, 'label');
  return !!label && label.control === el;
};
const hits = (el, x, y) => {
  const top = deepest(x, y);
  if (!top) return { ok: false, by: 'nothing: the point is outside of the page' };
  if (reaches(el, top)) return { ok: true };
  let cover = top;
  for (let at = flatParentOf(top); at && !holds(at, el); at = flatParentOf(at)) {
    if (idOf(at) || attr(at, 'role') || tagOf(at) === 'dialog') cover = at;
  }
  return { ok: false, by: cover === top ? describe(top) : `${describe(top)} in ${describe(cover)}` };
};
// The middle of the first part of the element that is in the window.
const pointIn = (el) => {
  const inner = getComputedStyle(el).display === 'contents' ? [...flatChildrenOf(el)] : [];
  const boxes = inner.length
    ? inner.flatMap((node) => (nodeType(node) === 1 ? [...boxesOf(node)] : textBoxes(node)))
    : [...boxesOf(el)];
  for (const box of boxes) {
    const left = Math.max(box.left, 0);
    const top = Math.max(box.top, 0);
    const right = Math.min(box.right, innerWidth);
    const bottom = Math.min(box.bottom, innerHeight);
    if ((right - left) * (bottom - top) >= 1) return { x: (left + right) / 2, y: (top + bottom) / 2 };
  }
  return null;
};
const textBoxes = (node) => {
  if (nodeType(node) !== 3) return [];
  const range = new Range();
  range.selectNode(node);
  return [...range.getClientRects()];
};
// On a retry the element is brought elsewhere, from under what may cover it.
const alignments = [
  null,
  { block: 'end', inline: 'end' },
  { block: 'center', inline: 'center' },
  { block: 'start', inline: 'start' },
];

// Who got the event is seen in the window's capture phase, before the page.
let guard = null;
const guarded = [
  'pointerdown', 'mousedown', 'pointerup', 'mouseup', 'click', 'dblclick', 'auxclick', 'contextmenu',
  'touchstart', 'touchend',
];
const onGuarded = (event) => {
  if (!guard || !event.isTrusted) return;
  const target = event.composedPath()[0];
  if (guard.verdict === undefined) {
    const element = target instanceof Element;
    guard.verdict = element && reaches(guard.el, target) ? 'hit' : element ? describe(target) : 'the page';
  }
  if (guard.verdict !== 'hit') {
    event.preventDefault();
    event.stopImmediatePropagation();
  }
};
for (const name of guarded) window.addEventListener(name, onGuarded, { capture: true, passive: false });

const place = () => ({ x: screenX, y: screenY, outerWidth, outerHeight, innerWidth, innerHeight, zoom: devicePixelRatio });

const lookUp = (locator) => {
  try {
    return { found: find(locator) };
  } catch (error) {
    return { error: { state: 'fail', code: 'syntax', why: String(error.message || error).slice(0, 300) } };
  }
};
const wait = (code, why, el) => ({ state: 'wait', code, why, what: el ? describe(el) : '' });

// One try: find, wait until it is still, scroll to it, ask what lies on top.
// `then` names what is done with the element at once if it can be acted on.
const probe = async ({ then, ...asked }) => {
  const answer = await probeOnly(asked);
  if (!then || answer.state !== 'ok') return answer;
  return { ...answer, outcome: globalThis.__tandem[then.name]({ ...then.argument, handle: answer.handle }) };
};
const probeOnly = async ({ locator, needs, act, attempt, strict = true, guarding = true, code = true }) => {
  const { found, error } = lookUp(locator);
  if (error) return error;
  if (!found.length) {
    if (locator.ref) return { state: 'fail', code: 'ref' };
    return wait('no_match', 'no element matches');
  }
  if (found.length > 1 && strict) {
    const list = pass(() => found.slice(0, 10).map((el) => `${describe(el)} aka ${locatorFor(el)}`));
    return { state: 'fail', code: 'strict', count: found.length, matches: list };
  }
  const el = retarget(found[0], act);
  const need = (what) => needs.includes(what);
  if (need('visible') && !visible(el)) return wait('invisible', 'the element is not visible', el);
  if (need('enabled') && disabled(el)) return wait('disabled', 'the element is not enabled', el);
  if (need('editable')) {
    if (fieldKind(el) === 'none') {
      return { state: 'fail', code: 'kind', why: `${describe(el)} is not a text field; it cannot be filled` };
    }
    if (readOnly(el)) return wait('read_only', 'the element is read-only', el);
  }
  const align = alignments[attempt % alignments.length];
  // Scrolled to first: what is stable is stable where it will be hit.
  if (need('point') || need('scroll')) {
    if (align) scrollTo(el, { ...align, behavior: 'instant' });
    else scrollIfNeeded(el, true);
  }
  const answer = { state: 'ok', handle: hold(el), window: place() };
  if (need('stable')) {
    const first = boxOf(el);
    const moment = document.timeline.currentTime;
    const next = frame();
    // There is nothing else to do until the next frame.
    if (code) answer.code = locatorFor(el);
    let shown = await next;
    // Under load two frames may be of one moment: between those nothing moves.
    if (shown && document.timeline.currentTime === moment) shown = await frame();
    if (!shown && !document.hidden) return wait('busy', 'the page shows no frames', el);
    if (!isConnected(el)) return wait('detached', 'the element was removed from the page', el);
    if (!sameBox(first, boxOf(el))) return wait('moving', 'the element is moving', el);
  } else if (code) answer.code = locatorFor(el);
  if (!need('point')) return answer;
  const point = pointIn(el);
  if (!point) return wait('outside', 'the element is outside of the viewport', el);
  if (need('hit')) {
    const hit = hits(el, point.x, point.y);
    if (!hit.ok) return wait('covered', `${hit.by} is in the way`, el);
    guard = guarding ? { el, verdict: undefined } : null;
  }
  return { ...answer, ...point };
};

// After the act: the page has had a frame to react in.
const settle = async ({ most, typed }) => {
  const verdict = guard?.verdict;
  guard = null;
  if (typed) await arrival;
  await frame(most);
  return { verdict };
};
const unguard = () => {
  const verdict = guard?.verdict;
  guard = null;
  return { verdict };
};

// ---- frames: the side of the element that holds one

const frameBox = (el, scroll) => {
  if (scroll) scrollIfNeeded(el, true);
  const box = boxOf(el);
  const style = getComputedStyle(el);
  return {
    x: box.left + el.clientLeft + parseFloat(style.paddingLeft),
    y: box.top + el.clientTop + parseFloat(style.paddingTop),
    visible: visible(el),
    window: place(),
  };
};
const frameHit = (el, x, y) => hits(el, x, y);
const frameRef = (el) => given.get(el) || '';
const frameCode = (el) => locatorFor(el);
const scrolled = () => ({ scrollX, scrollY });
