// What programs ask of elements without touching them.

const factsOf = {
  textContent: (el) => textContent(el),
  innerText: (el) => (el instanceof HTMLElement ? el.innerText : textContent(el)),
  innerHTML: (el) => el.innerHTML,
  inputValue: (el) => {
    const field = ['input', 'textarea', 'select'].includes(tagOf(el)) ? el : control(el);
    if (!field) throw new Error(`${describe(el)} is not an <input>, <textarea> or <select>`);
    return field.value;
  },
  attribute: (el, name) => attr(el, name),
  visible: (el) => visible(el),
  enabled: (el) => !disabled(el),
  editable: (el) => fieldKind(el) !== 'none' && !disabled(el) && !readOnly(el),
  checked: (el) => checkedState(el) === true,
  box: (el) => {
    const { x, y, width, height } = boxOf(el);
    return visible(el) ? { x, y, width, height } : null;
  },
};
// What a person is told of an element that an agent wants to act on, and what tells it from all others.
const marks = new WeakMap();
let lastMark = 0;
const cardOf = (el) => {
  if (!marks.has(el)) marks.set(el, ++lastMark);
  const field = ['input', 'textarea', 'select'].includes(tagOf(el)) ? el : control(el);
  const button = el.closest('button, input');
  const submits = !!button?.form && ['submit', 'image'].includes(button.type);
  return {
    role: roleOf(el) || 'generic',
    name: cut(nameOf(el), 200),
    secret: !!field && isSecret(field),
    submits,
    mark: `${performance.timeOrigin}/${marks.get(el)}`,
    box: factsOf.box(el),
  };
};
factsOf.card = cardOf;
const documentMark = () => `${performance.timeOrigin}`;
const MOST_FACTS = 2000;
const facts = ({ locator, what, name }) => {
  const { found, error } = lookUp(locator);
  if (error) return { error: error.why };
  try {
    return {
      values: found.slice(0, MOST_FACTS).map((el) => pass(() => factsOf[what](el, name))),
      matches: found.length < 2 ? [] : pass(() => found.slice(0, 5).map((el) => `${describe(el)} aka ${locatorFor(el)}`)),
    };
  } catch (problem) {
    return { error: String(problem.message) };
  }
};
// What lies at a place of the window, by the nearest thing with a role.
const elementAt = ({ x, y, start }) => {
  const top = deepest(x, y);
  if (!top) return null;
  return pass(() => {
    let el = top;
    for (let at = top; at && tagOf(at) !== 'body'; at = flatParentOf(at)) {
      const role = roleOf(at);
      if (role && !['none', 'generic', 'presentation'].includes(role)) {
        el = at;
        break;
      }
    }
    lastRef = Math.max(lastRef, start);
    const [role, name] = [roleOf(el) || 'generic', nameOf(el)];
    return { ref: given.get(el) || giveRef(el, role, name, ''), role, name: cut(name, 200), last: lastRef };
  });
};
