// Finding elements. A locator is a list of steps; each takes the elements
// found so far as its scope. Rust has parsed and checked it.

const textOf = (el) =>
  remembered('texts', el, () => {
    if (tagOf(el) === 'input' && buttonInputs.has(el.type)) return el.value;
    return rawText(el);
  });
const noText = new Set(['script', 'style', 'noscript', 'head', 'title', 'template']);
const rawText = (el) => {
  if (noText.has(tagOf(el))) return '';
  if (!hasShadow()) return withoutScripts(el);
  let text = '';
  const shadow = shadowOf(el);
  for (const from of shadow ? [shadow, el] : [el]) {
    for (const node of childNodes(from)) {
      if (nodeType(node) === 3) text += node.nodeValue;
      else if (nodeType(node) === 1) text += textOf(node);
    }
  }
  return text;
};
// Most pages have neither shadow roots nor scripts among their text.
const withoutScripts = (el) => {
  if (!query(el, 'script,style,noscript,template,input').length) return textContent(el);
  let text = '';
  for (const node of childNodes(el)) {
    if (nodeType(node) === 3) text += node.nodeValue;
    else if (nodeType(node) === 1) text += textOf(node);
  }
  return text;
};
const hasShadow = () => remembered('below', 'shadow', () => below(document).some((el) => shadowOf(el)));

const matcher = (want) => {
  if (want.regex !== undefined) {
    const pattern = new RegExp(want.regex, want.flags.replace(/[gy]/g, ''));
    return (text) => pattern.test(fold(text));
  }
  const target = fold(want.text);
  if (want.exact) return (text) => fold(text) === target;
  const lower = target.toLowerCase();
  return (text) => fold(text).toLowerCase().includes(lower);
};
// `text="Log in"` means a text node of the element, whole and in this case.
const textMatcher = (want) => {
  if (!want.strict) {
    const test = matcher(want);
    return (el) => test(textOf(el));
  }
  const target = fold(want.text);
  return (el) => {
    if (fold(textOf(el)) === target) return true;
    return [...childNodes(el)].some((node) => nodeType(node) === 3 && target && fold(node.nodeValue) === target);
  };
};
const hasTextChild = (el, test) => {
  const shadow = shadowOf(el);
  for (const from of shadow ? [shadow, el] : [el]) {
    for (const child of childNodes(from)) {
      if (nodeType(child) === 1 && !noText.has(tagOf(child)) && test(child)) return true;
    }
  }
  return false;
};
// The smallest elements with the text.
const byText = (want) => {
  const test = textMatcher(want);
  return (el) => !noText.has(tagOf(el)) && test(el) && !hasTextChild(el, test);
};

// ---- CSS, with open shadow roots pierced and Playwright's own pseudo-classes

const compound = (part, el, scope) => {
  if (part.scope && el !== scope && !(scope === document && el === htmlOf(document))) return false;
  if (part.css && !matches(el, part.css)) return false;
  return part.pseudos.every((one) => pseudoClass(one, el, scope));
};
const pseudoClass = (one, el, scope) => {
  switch (one.name) {
    case 'has-text':
      return !noText.has(tagOf(el)) && matcher(one.text)(textOf(el));
    case 'text':
    case 'text-is':
    case 'text-matches':
      return byText(one.text)(el);
    case 'visible':
      return visible(el);
    case 'is':
      return one.list.some((complex) => matchesComplex(el, complex, scope));
    case 'not':
      return !one.list.some((complex) => matchesComplex(el, complex, scope));
    case 'has':
      return below(el).some((inner) => one.list.some((complex) => matchesComplex(inner, complex, el)));
    case 'nth-match':
      return select(one.list, document)[one.nth - 1] === el;
    default:
      return false;
  }
};
const matchesComplex = (el, complex, scope) => {
  const { parts, combinators } = complex;
  const back = (at, index) => {
    if (!compound(parts[index], at, scope)) return false;
    if (index === 0) return true;
    const on = (next) => back(next, index - 1);
    switch (combinators[index - 1]) {
      case '>': {
        const parent = parentOf(at);
        return !!parent && on(parent);
      }
      case '+': {
        const sibling = before(at);
        return !!sibling && on(sibling);
      }
      case '~':
        for (let next = before(at); next; next = before(next)) if (on(next)) return true;
        return false;
      default:
        for (let next = parentOf(at); next; next = parentOf(next)) if (on(next)) return true;
        return false;
    }
  };
  return back(el, parts.length - 1);
};
const select = (list, root) =>
  below(root).filter((el) => list.some((complex) => matchesComplex(el, complex, root)));

// ---- roles

// What may have a role, so that not every element has to be asked.
const tagsOfRole = new Map();
for (const [tag, role] of Object.entries(tagRoles)) {
  tagsOfRole.set(role, [...(tagsOfRole.get(role) || []), tag]);
}
for (const [type, role] of Object.entries(inputRoles)) {
  tagsOfRole.set(role, [...(tagsOfRole.get(role) || []), `input[type=${type} i]`]);
}
for (const [role, more] of Object.entries({
  textbox: ['input'], combobox: ['input', 'select'], listbox: ['select'], link: ['a', 'area'], img: ['img'],
  columnheader: ['th'], rowheader: ['th'], banner: ['header'], contentinfo: ['footer'], cell: ['td'],
  gridcell: ['td'], region: ['section'], form: ['form'], none: ['img'],
})) {
  tagsOfRole.set(role, [...(tagsOfRole.get(role) || []), ...more]);
}
const roleSelector = (role) => [...(tagsOfRole.get(role) || []), '[role]'].join(',');

const byRole = (step) => {
  const test = step.name && matcher(step.name);
  const about = step.description && matcher(step.description);
  const states = Object.entries(step.states);
  const inRole = roleSelector(step.role);
  return (el) =>
    matches(el, inRole) &&
    roleOf(el) === step.role &&
    states.every(([state, want]) => stateOf(el, state) === want) &&
    (step.includeHidden || !hiddenForAria(el)) &&
    (!test || test(nameOf(el))) &&
    (!about || about(descriptionOf(el)));
};
const stateOf = (el, state) => {
  switch (state) {
    case 'level':
      return levelOf(el);
    case 'disabled':
      return disabled(el);
    case 'checked':
      return checkedState(el);
    case 'expanded':
      return expandedState(el);
    case 'pressed':
      return pressedState(el);
    default:
      return selectedState(el);
  }
};
const descriptionOf = (el) => {
  const ids = (attr(el, 'aria-describedby') || '').split(/\s+/).filter(Boolean);
  const parts = ids.map((id) => byId(rootOf(el), id)).filter(Boolean);
  return fold(parts.map(textContent).join(' ') || attr(el, 'aria-description') || '');
};
const byLabel = (step) => {
  const test = matcher(step.text);
  return (el) => {
    const ids = attr(el, 'aria-labelledby');
    if (ids) {
      const parts = ids.split(/\s+/).map((id) => byId(rootOf(el), id)).filter(Boolean);
      if (parts.length) return parts.some((part) => test(textOf(part))) || test(nameOf(el));
    }
    const label = attr(el, 'aria-label');
    if (fold(label)) return test(label);
    return labelsOf(el).some((each) => test(textOf(each)));
  };
};

// ---- steps

const everyBelow = (scope, test) => unique(scope.flatMap((root) => below(root).filter(test)), scope.length > 1);
const unique = (elements, mixed = true) => {
  if (!mixed) return elements;
  const set = new Set(elements);
  if (set.size < 2) return [...set];
  // In the order of the page, as a person counts them.
  return below(document).filter((el) => set.has(el));
};
const steps = {
  css: (scope, step) => {
    if (!step.own && !hasShadow()) {
      const css = step.relative ? step.css.replace(/^/, ':scope ') : step.css;
      return unique(scope.flatMap((root) => query(root, css)), scope.length > 1);
    }
    return unique(scope.flatMap((root) => select(step.list, root)), scope.length > 1);
  },
  xpath: (scope, step) => {
    const kind = XPathResult.ORDERED_NODE_SNAPSHOT_TYPE;
    const found = scope.flatMap((root) => {
      const path = nodeType(root) === 1 && step.xpath.startsWith('/') ? `.${step.xpath}` : step.xpath;
      const result = Document.prototype.evaluate.call(document, path, root, null, kind);
      const count = Math.min(result.snapshotLength, MOST_ELEMENTS);
      return Array.from({ length: count }, (_, n) => result.snapshotItem(n));
    });
    return unique(found.filter((node) => nodeType(node) === 1), scope.length > 1);
  },
  role: (scope, step) => everyBelow(scope, byRole(step)),
  text: (scope, step) => {
    const test = byText(step.text);
    // What is searched in may itself be the smallest element with the text.
    const own = scope.filter((root) => nodeType(root) === 1 && test(root));
    const inside = everyBelow(scope, test);
    return own.length ? unique([...own, ...inside]) : inside;
  },
  label: (scope, step) => everyBelow(scope, byLabel(step)),
  attribute: (scope, step) => {
    const test = matcher(step.text);
    return everyBelow(scope, (el) => {
      const value = attr(el, step.attribute);
      return value !== null && test(value);
    });
  },
  nth: (scope, step) => {
    const found = scope.at(step.nth);
    return found ? [found] : [];
  },
  filter: (scope, step) => {
    const has = step.hasText && matcher(step.hasText);
    const hasNot = step.hasNotText && matcher(step.hasNotText);
    return scope.filter(
      (el) =>
        (!has || has(textOf(el))) &&
        (!hasNot || !hasNot(textOf(el))) &&
        (!step.has || resolve(step.has, [el]).length > 0) &&
        (!step.hasNot || resolve(step.hasNot, [el]).length === 0) &&
        (step.visible === undefined || visible(el) === step.visible),
    );
  },
  and: (scope, step) => {
    const others = new Set(resolve(step.other, [document]));
    return scope.filter((el) => others.has(el));
  },
  or: (scope, step) => unique([...scope, ...resolve(step.other, [document])]),
};
const resolve = (list, scope) => {
  let found = scope;
  for (const step of list) found = steps[step.kind](found, step);
  return found.filter((node) => nodeType(node) === 1);
};
const find = (locator) =>
  pass(() => {
    if (locator.ref) {
      const el = refElement(locator.ref);
      return el ? [el] : [];
    }
    return resolve(locator.steps, [document]);
  });
