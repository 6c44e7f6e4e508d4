// What is drawn over a page for a video: callouts of acts, a pointer, chapter
// cards. All of it lies in a closed shadow root in the top layer, takes no
// event, and is no part of the outline. Styles are set by CSSOM alone, which
// no policy of the page forbids and no text can break out of.

const create = (name) => Document.prototype.createElement.call(document, name);
const HOST = {
  all: 'initial', position: 'fixed', inset: '0', width: 'auto', height: 'auto', margin: '0', padding: '0', border: '0',
  background: 'transparent', overflow: 'clip', contain: 'strict', display: 'block', 'pointer-events': 'none', 'z-index': '2147483647',
};
let drawn = null;
const layer = () => {
  if (!drawn || !isConnected(drawn.host)) {
    const host = create('x-tandem-overlay');
    for (const [name, value] of Object.entries(HOST)) host.style.setProperty(name, value, 'important');
    host.setAttribute('aria-hidden', 'true');
    host.setAttribute('popover', 'manual');
    drawn = { host, root: host.attachShadow({ mode: 'closed' }), cursor: null, at: null };
    htmlOf(document).append(host);
  }
  try {
    // Once more, so that it is above what the page has put on top since.
    if (drawn.host.matches(':popover-open')) drawn.host.hidePopover();
    drawn.host.showPopover();
  } catch {
    // Without a top layer it lies as high as a number can bring it.
  }
  return drawn;
};
// Nothing is left in a page that has nothing drawn on it.
const tidyLayer = () => {
  if (drawn && !drawn.root.childNodes.length) {
    drawn.host.remove();
    drawn = null;
  }
};
const piece = (root, own, given) => {
  const el = create('div');
  el.style.cssText = `box-sizing: border-box; ${own}`;
  if (given) el.style.cssText += `; ${given}`;
  el.style.setProperty('pointer-events', 'none', 'important');
  root.append(el);
  return el;
};
const passing = (el, duration) => {
  const fade = [{ opacity: 1 }, { opacity: 1, offset: 0.75 }, { opacity: 0 }];
  if (!getComputedStyle(el).animationName || getComputedStyle(el).animationName === 'none') {
    el.animate(fade, { duration, fill: 'forwards' });
  }
  setTimeout(() => {
    el.remove();
    tidyLayer();
  }, duration);
};

const ARROW = 'polygon(0 0, 0 84%, 22% 66%, 38% 100%, 54% 93%, 39% 60%, 68% 60%)';
const INSET = 'polygon(7% 15%, 7% 69%, 24% 55%, 41% 91%, 46% 89%, 30% 53%, 52% 53%)';
const pointerAt = (root, { x, y }) => {
  const el = piece(root, `position: absolute; left: 0; top: 0; width: 20px; height: 28px; filter: drop-shadow(0 1px 2px rgba(0,0,0,.4))`);
  piece(el, `position: absolute; inset: 0; background: #fff; clip-path: ${ARROW}`);
  piece(el, `position: absolute; inset: 0; background: #111; clip-path: ${INSET}`);
  el.style.transform = `translate(${x}px, ${y}px)`;
  return el;
};
// A hand does not move a mouse on a straight line.
const travel = (from, to) => {
  const [dx, dy] = [to.x - from.x, to.y - from.y];
  const middle = { x: from.x + dx / 2 - dy * 0.12, y: from.y + dy / 2 + dx * 0.12 };
  const steps = [];
  for (let n = 0; n <= 12; n++) {
    const t = n / 12;
    const at = (a, b, c) => (1 - t) * (1 - t) * a + 2 * (1 - t) * t * b + t * t * c;
    steps.push({ transform: `translate(${at(from.x, middle.x, to.x)}px, ${at(from.y, middle.y, to.y)}px)` });
  }
  return steps;
};
// The pointer stands here; nowhere without a point.
const pointerStands = ({ point }) => {
  if (!point) {
    drawn?.cursor?.remove();
    if (drawn) drawn.cursor = null;
    tidyLayer();
    return;
  }
  const over = layer();
  over.cursor?.remove();
  over.cursor = pointerAt(over.root, point);
  over.at = point;
};

const corners = {
  'top-left': 'top: 12px; left: 12px',
  top: 'top: 12px; left: 50%; translate: -50%',
  'top-right': 'top: 12px; right: 12px',
  'bottom-left': 'bottom: 12px; left: 12px',
  bottom: 'bottom: 12px; left: 50%; translate: -50%',
  'bottom-right': 'bottom: 12px; right: 12px',
};
// Names the act that comes now, and shows where it comes.
const callOut = ({ duration, corner, title, titleStyle, point, from, cursor, pointStyle, highlightStyle, box }) => {
  const over = layer();
  for (const el of over.passing || []) el.remove();
  over.passing = [];
  const show = (own, given) => {
    const el = piece(over.root, own, given);
    over.passing.push(el);
    passing(el, duration);
    return el;
  };
  if (highlightStyle && box) {
    show(`position: absolute; left: ${box.x}px; top: ${box.y}px; width: ${box.width}px; height: ${box.height}px`, highlightStyle);
  }
  if (pointStyle && point) {
    // Of no size by itself, and in the middle of the point whatever size it is given.
    show(`position: absolute; left: ${point.x}px; top: ${point.y}px; width: 0; height: 0; translate: -50% -50%`, pointStyle);
  }
  if (title) {
    const label = show(
      `position: absolute; ${corners[corner]}; max-width: 70%; padding: 6px 12px; border-radius: 8px; overflow-wrap: anywhere; ` +
        'background: rgba(0,0,0,.75); color: #fff; font: 14px/1.4 system-ui, sans-serif',
      titleStyle,
    );
    label.textContent = title;
  }
  if (cursor && point) {
    const start = over.at || from || point;
    over.cursor?.remove();
    over.cursor = pointerAt(over.root, point);
    if (duration > 0) over.cursor.animate(travel(start, point), { duration: duration * 0.8, easing: 'ease-in-out' });
    over.at = point;
  }
  tidyLayer();
};

// A card over the whole view, for a while.
const chapterCard = ({ title, description, duration }) => {
  const over = layer();
  over.card?.remove();
  const back = piece(
    over.root,
    'position: absolute; inset: 0; display: flex; align-items: center; justify-content: center; ' +
      'background: rgba(10,12,20,.35); backdrop-filter: blur(6px); -webkit-backdrop-filter: blur(6px)',
  );
  const card = piece(
    back,
    'max-width: min(80%, 640px); padding: 32px 48px; border-radius: 14px; background: rgba(12,14,22,.85); color: #fff; ' +
      'text-align: center; overflow-wrap: anywhere; font-family: system-ui, sans-serif; box-shadow: 0 10px 40px rgba(0,0,0,.45)',
  );
  piece(card, 'font-size: 28px; font-weight: 600; line-height: 1.3').textContent = title;
  if (description) piece(card, 'margin-top: 12px; font-size: 16px; line-height: 1.5; opacity: .8').textContent = description;
  over.card = back;
  const soft = Math.min(250, duration / 4);
  const at = duration ? soft / duration : 0;
  back.animate([{ opacity: 0 }, { opacity: 1, offset: at }, { opacity: 1, offset: 1 - at }, { opacity: 0 }], { duration, fill: 'forwards' });
  setTimeout(() => {
    back.remove();
    tidyLayer();
  }, duration);
};
const heldBox = ({ handle }) => {
  const el = heldElement(handle);
  if (!el) return null;
  const { x, y, width, height } = boxOf(el);
  return { x, y, width, height };
};

Object.assign(globalThis.__tandem, { callOut, chapterCard, pointerStands, heldBox });
