// Playwright's page, as a program of an agent's sees it. Every method is a
// call to the room, where the code behind the tools does it.
(() => {
  'use strict';
  const tell = globalThis.__tandem_call;
  const { stringify } = JSON;
  let last = 0;
  const waiting = new Map();
  const pages = new Map();
  const held = new Set();
  const pause = (ms) => call('wait', null, { ms });

  const lineOf = () => Number(/snippet\.js:(\d+)/.exec(new Error().stack ?? '')?.[1] ?? 0);
  // A call's error tells where in the program it was made.
  const call = (method, page, args = {}) => {
    const error = new Error();
    return new Promise((resolve, reject) => {
      last += 1;
      const fail = (text) => {
        const where = error.stack.split('\n').filter((line) => line.includes('snippet.js'));
        error.message = text;
        error.stack = [`Error: ${text}`, ...where].join('\n');
        reject(error);
      };
      waiting.set(last, { resolve, fail, page });
      tell(stringify({ kind: 'call', id: last, line: lineOf(), method, tab: page?.target ?? null, args }));
    });
  };
  const answer = async (id, { value, error, url, title, dialog }) => {
    const { resolve, fail, page } = waiting.get(id) ?? {};
    waiting.delete(id);
    if (!resolve) return;
    if (page && url !== undefined) Object.assign(page.seen, { url, title });
    const handler = dialog && page?.dialogs.shift();
    if (handler) {
      if (handler.always) page.dialogs.push(handler);
      try {
        await handler.listener(new Dialog(page, dialog));
      } catch (problem) {
        fail(String(problem?.message ?? problem));
        return;
      }
      if (error !== undefined && /dialog is open/.test(error)) error = undefined;
    }
    if (error !== undefined) fail(error);
    else resolve(value);
  };

  // As the room's parser of locators reads it.
  const quote = (value) => {
    if (value instanceof RegExp) return String(value);
    if (value instanceof Locator) return value.code;
    if (typeof value === 'object' && value !== null) {
      const parts = Object.entries(value).filter(([, each]) => each !== undefined);
      return `{ ${parts.map(([key, each]) => `${key}: ${quote(each)}`).join(', ')} }`;
    }
    return stringify(value);
  };
  const list = (values) => values.filter((value) => value !== undefined).map(quote).join(', ');
  const functionOf = (given) => {
    if (typeof given !== 'function') return `() => (${given})`;
    const text = String(given);
    // A method is a function only with its word.
    return /^(async\s+)?(function|\(|[\w$]+\s*=>)/.test(text) ? text : text.replace(/^(async\s+)?/, '$1function ');
  };
  const bytesOf = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const base64 = (bytes) => {
    let text = '';
    for (const byte of bytes) text += String.fromCharCode(byte);
    return btoa(text);
  };
  const filesOf = (files) =>
    [files ?? []].flat().map((file) => {
      if (typeof file === 'string') return { name: file };
      const { buffer } = file;
      return { name: file.name, base64: base64(typeof buffer === 'string' ? new TextEncoder().encode(buffer) : buffer) };
    });
  const modifiersOf = (options) => [...new Set([...held, ...(options?.modifiers ?? [])])];
  const timed = (options) => ({ timeout: options?.timeout });

  const ALLOWED = new Set(['then', 'catch', 'finally', 'toJSON', 'constructor', 'nodeType']);
  const strict = (name, object) =>
    new Proxy(object, {
      get(target, key) {
        if (key in target || typeof key === 'symbol' || ALLOWED.has(key)) return Reflect.get(target, key);
        const there = Object.getOwnPropertyNames(Object.getPrototypeOf(target)).filter((each) => each !== 'constructor');
        throw new TypeError(`${name}.${key} is not supported here; there are: ${there.sort().join(', ')}`);
      },
    });

  class Locator {
    constructor(page, code) {
      Object.defineProperties(this, { page_: { value: page }, code: { value: code } });
      return strict('locator', this);
    }
    toString() { return `locator ${this.code}`; }
    page() { return this.page_; }
    first() { return new Locator(this.page_, `${this.code}.first()`); }
    last() { return new Locator(this.page_, `${this.code}.last()`); }
    nth(n) { return new Locator(this.page_, `${this.code}.nth(${Number(n)})`); }
    filter(options) { return new Locator(this.page_, `${this.code}.filter(${list([options])})`); }
    and(other) { return new Locator(this.page_, `${this.code}.and(${quote(other)})`); }
    or(other) { return new Locator(this.page_, `${this.code}.or(${quote(other)})`); }
    contentFrame() { return new FrameLocator(this.page_, `${this.code}.contentFrame()`); }
    frameLocator(selector) { return new FrameLocator(this.page_, `${this.code}.frameLocator(${quote(selector)})`); }
    act_(method, args, options) { return call(method, this.page_, { locator: this.code, ...args, ...timed(options) }); }
    ask_(what, options, name) { return this.act_('read', { what, name }, options); }
    async click(options) {
      const double = options?.clickCount === 2;
      await this.act_('click', { button: options?.button, double, modifiers: modifiersOf(options) }, options);
    }
    async dblclick(options) {
      await this.act_('click', { button: options?.button, double: true, modifiers: modifiersOf(options) }, options);
    }
    async tap(options) { await this.act_('tap', {}, options); }
    async fill(text, options) { await this.act_('fill', { text: String(text) }, options); }
    async clear(options) { await this.act_('fill', { text: '' }, options); }
    async type(text, options) { await this.act_('type', { text: String(text) }, options); }
    async pressSequentially(text, options) { await this.act_('type', { text: String(text) }, options); }
    async press(key, options) { await this.act_('press', { key: [...held, key].join('+') }, options); }
    async check(options) { await this.act_('check', { checked: true }, options); }
    async uncheck(options) { await this.act_('check', { checked: false }, options); }
    async setChecked(checked, options) { await this.act_('check', { checked: !!checked }, options); }
    async selectOption(values, options) {
      const named = [values ?? []].flat().map((each) => (typeof each === 'string' ? each : (each.value ?? each.label)));
      await this.act_('select', { values: named }, options);
    }
    async hover(options) { await this.act_('hover', {}, options); }
    async focus(options) { await this.act_('focus', {}, options); }
    async blur(options) { await this.act_('blur', {}, options); }
    async dragTo(target, options) { await this.act_('drag', { to: target.code }, options); }
    async setInputFiles(files, options) { await this.act_('files', { files: filesOf(files) }, options); }
    async scrollIntoViewIfNeeded(options) { await this.act_('scroll', {}, options); }
    async selectText(options) { await this.act_('selectText', {}, options); }
    async highlight() { await this.act_('highlight', {}); }
    async screenshot(options) { return bytesOf(await this.act_('screenshot', { type: options?.type, path: options?.path })); }
    async evaluate(given, argument, options) {
      return await this.act_('evaluate', { function: functionOf(given), argument }, options);
    }
    async evaluateAll(given, argument) { return await this.act_('evaluateAll', { function: functionOf(given), argument }); }
    async textContent(options) { return await this.ask_('textContent', options); }
    async innerText(options) { return await this.ask_('innerText', options); }
    async innerHTML(options) { return await this.ask_('innerHTML', options); }
    async inputValue(options) { return await this.ask_('inputValue', options); }
    async getAttribute(name, options) { return await this.ask_('attribute', options, name); }
    async boundingBox(options) { return await this.ask_('box', options); }
    async isEnabled(options) { return await this.ask_('enabled', options); }
    async isDisabled(options) { return !(await this.ask_('enabled', options)); }
    async isEditable(options) { return await this.ask_('editable', options); }
    async isChecked(options) { return await this.ask_('checked', options); }
    async isVisible() { return (await this.act_('readNow', { what: 'visible' })) === true; }
    async isHidden() { return (await this.act_('readNow', { what: 'visible' })) !== true; }
    async count() { return (await this.act_('readAll', { what: 'visible' })).length; }
    async all() {
      const count = await this.count();
      return Array.from({ length: count }, (_, n) => this.nth(n));
    }
    async allTextContents() { return await this.act_('readAll', { what: 'textContent' }); }
    async allInnerTexts() { return await this.act_('readAll', { what: 'innerText' }); }
    async waitFor(options) { await this.act_('waitFor', { state: options?.state }, options); }
  }
  class FrameLocator {
    constructor(page, code) {
      Object.defineProperties(this, { page_: { value: page }, code: { value: code } });
      return strict('frameLocator', this);
    }
    frameLocator(selector) { return new FrameLocator(this.page_, `${this.code}.frameLocator(${quote(selector)})`); }
    owner() { return new Locator(this.page_, `${this.code}.owner()`); }
  }
  const finders = [
    'getByRole', 'getByText', 'getByLabel', 'getByPlaceholder', 'getByAltText', 'getByTitle', 'getByTestId', 'locator',
  ];
  for (const kind of [Locator, FrameLocator]) {
    for (const name of finders) {
      kind.prototype[name] = function find(...values) {
        return new Locator(this.page_, `${this.code}.${name}(${list(values)})`);
      };
    }
  }

  class Keyboard {
    constructor(page) {
      Object.defineProperty(this, 'page_', { value: page });
      return strict('page.keyboard', this);
    }
    async press(key) { await call('press', this.page_, { key: [...held, key].join('+') }); }
    async type(text) { await call('type', this.page_, { text: String(text) }); }
    async insertText(text) { await call('insertText', this.page_, { text: String(text) }); }
    async down(key) {
      if (['Alt', 'Control', 'ControlOrMeta', 'Meta', 'Shift'].includes(key)) held.add(key);
      else await this.press(key);
    }
    async up(key) { held.delete(key); }
  }
  class Mouse {
    constructor(page) {
      Object.defineProperty(this, 'page_', { value: page });
      return strict('page.mouse', this);
    }
    async move(x, y) { await call('mouse', this.page_, { act: 'move', x, y }); }
    async down(options) { await call('mouse', this.page_, { act: 'down', button: options?.button }); }
    async up(options) { await call('mouse', this.page_, { act: 'up', button: options?.button }); }
    async click(x, y, options) {
      await call('mouse', this.page_, { act: 'click', x, y, button: options?.button, count: options?.clickCount ?? 1 });
    }
    async dblclick(x, y, options) { await this.click(x, y, { ...options, clickCount: 2 }); }
    async wheel(x, y) { await call('mouse', this.page_, { act: 'wheel', x, y }); }
  }
  class Dialog {
    constructor(page, { kind, message, defaultPrompt }) {
      Object.assign(this, { page_: page, kind, text: message, given: defaultPrompt ?? '' });
      return strict('dialog', this);
    }
    type() { return this.kind; }
    message() { return this.text; }
    defaultValue() { return this.given; }
    async accept(text) { await call('dialog', this.page_, { accept: true, text }); }
    async dismiss() { await call('dialog', this.page_, { accept: false }); }
  }

  const wanted = (pattern) => {
    if (typeof pattern === 'function') return (url) => pattern(new URL(url));
    if (pattern instanceof RegExp) return (url) => pattern.test(url);
    const text = String(pattern);
    const parts = text.replace(/[.+^$()|[\]\\]/g, '\\$&').replace(/\?/g, '\\?');
    const glob = parts.replace(/\*\*|\*/g, (star) => (star === '**' ? '.*' : '[^/]*')).replace(/\{([^}]*)\}/g, (_, each) => `(${each.replace(/,/g, '|')})`);
    return (url) => new RegExp(`^${glob}$`).test(url) || url === text;
  };
  const until = async (limit, what, test) => {
    const end = performance.now() + (limit ?? 30000);
    for (;;) {
      const found = await test();
      if (found) return found;
      if (performance.now() > end) throw new Error(`Timeout ${limit ?? 30000}ms exceeded while waiting for ${what}`);
      await pause(100);
    }
  };

  class Page {
    constructor(target, seen) {
      const proxy = strict('page', this);
      Object.defineProperties(this, {
        target: { value: target }, seen: { value: { ...seen } }, dialogs: { value: [] },
        keyboard: { value: new Keyboard(proxy) }, mouse: { value: new Mouse(proxy) },
      });
      return proxy;
    }
    url() { return this.seen.url; }
    async title() { return (await call('look', this), this.seen.title); }
    async content() { return await call('content', this); }
    async goto(url, options) { await call('goto', this, { url: String(url), ...timed(options) }); }
    async goBack(options) { await call('history', this, { by: -1, ...timed(options) }); }
    async goForward(options) { await call('history', this, { by: 1, ...timed(options) }); }
    async reload(options) { await call('reload', this, timed(options)); }
    async evaluate(given, argument) { return await call('evaluate', this, { function: functionOf(given), argument }); }
    async waitForTimeout(ms) { await pause(ms); }
    async waitForLoadState(state, options) { await call('loaded', this, { state: state ?? 'load', ...timed(options) }); }
    async waitForSelector(selector, options) {
      const found = this.locator(selector);
      await found.waitFor(options);
      return found;
    }
    async waitForURL(pattern, options) {
      const fits = wanted(pattern);
      await until(options?.timeout, `the address ${pattern}`, async () => (await call('look', this), fits(this.seen.url)));
    }
    async waitForFunction(given, argument, options) {
      return await until(options?.timeout, 'the function', () => this.evaluate(given, argument));
    }
    async waitForEvent(name, options) {
      if (!['popup', 'page'].includes(name)) throw new TypeError(`waitForEvent knows popup only, not ${name}`);
      const before = new Set((await call('tabs', this)).map((tab) => tab.target));
      return await until(options?.timeout, 'a new page', async () => {
        const tab = (await call('tabs', this)).find((each) => !before.has(each.target));
        return tab && pageOf(tab);
      });
    }
    async screenshot(options) {
      const args = { type: options?.type, path: options?.path, fullPage: !!options?.fullPage };
      return bytesOf(await call('screenshot', this, args));
    }
    async setViewportSize({ width, height }) { await call('resize', this, { width, height }); }
    async bringToFront() { await call('front', this); }
    async close() { await call('close', this); }
    isClosed() { return !!this.seen.closed; }
    async pause() { await call('pause', this); }
    context() { return context; }
    on(name, listener) { return this.listen_(name, listener, true); }
    once(name, listener) { return this.listen_(name, listener, false); }
    listen_(name, listener, always) {
      if (name !== 'dialog') throw new TypeError(`page.on knows dialog only, not ${name}; use browser_console_messages or browser_network_requests`);
      this.dialogs.push({ listener, always });
      return this;
    }
    frameLocator(selector) { return new FrameLocator(this, `frameLocator(${quote(selector)})`); }
    async dragAndDrop(from, to, options) { await this.locator(from).dragTo(this.locator(to), options); }
  }
  for (const name of finders) {
    Page.prototype[name] = function find(...values) {
      const [selector] = values;
      const ref = name === 'locator' && typeof selector === 'string' && selector.startsWith('aria-ref=');
      return new Locator(this, ref ? selector.slice(9) : `${name}(${list(values)})`);
    };
  }
  // Playwright's older way: by a selector.
  for (const name of [
    'click', 'dblclick', 'tap', 'fill', 'type', 'press', 'check', 'uncheck', 'setChecked', 'selectOption', 'hover', 'focus',
    'setInputFiles', 'textContent', 'innerText', 'innerHTML', 'inputValue', 'getAttribute', 'isVisible', 'isHidden',
    'isEnabled', 'isDisabled', 'isEditable', 'isChecked',
  ]) {
    Page.prototype[name] = function act(selector, ...values) { return this.locator(selector)[name](...values); };
  }
  const pageOf = ({ target, url, title }) => {
    if (!pages.has(target)) pages.set(target, new Page(target, { url, title }));
    return pages.get(target);
  };
  class Context {
    constructor() { return strict('context', this); }
    pages() { return [...pages.values()]; }
    async newPage() { return pageOf(await call('newPage', null)); }
    async waitForEvent(name, options) { return await this.pages()[0].waitForEvent(name, options); }
    async cookies(urls) { return await call('cookies', null, { urls: [urls ?? []].flat() }); }
  }
  const context = new Context();

  const shown = (value) => {
    if (typeof value === 'string') return value;
    if (value instanceof Error) return value.stack;
    try {
      return plain(value);
    } catch {
      return String(value);
    }
  };
  const plain = (value) =>
    stringify(value, (_, each) => {
      if (typeof each === 'bigint') return String(each);
      if (each instanceof Uint8Array) return `${each.length} bytes`;
      if (each instanceof Locator || each instanceof FrameLocator) return each.code;
      if (each instanceof Page) return each.url();
      if (each instanceof Map) return Object.fromEntries(each);
      if (each instanceof Set) return [...each];
      return each;
    }) ?? 'null';
  for (const level of ['log', 'info', 'warn', 'error', 'debug']) {
    console[level] = (...values) => tell(stringify({ kind: 'log', level, text: values.map(shown).join(' ').slice(0, 20000) }));
  }

  globalThis.__tandem_realm = {
    answer,
    async run(given, tabs, current) {
      const body = { kind: 'done' };
      try {
        if (typeof given !== 'function') throw new TypeError('code is a function such as async (page) => { … }');
        for (const tab of tabs) pageOf(tab);
        body.value = plain(await given(pages.get(current)));
      } catch (problem) {
        const where = String(problem?.stack ?? '').split('\n').find((line) => line.includes('snippet.js')) ?? '';
        const line = /snippet\.js:(\d+)/.exec(where)?.[1];
        body.error = `${problem?.name === 'Error' ? '' : `${problem?.name ?? 'Error'}: `}${problem?.message ?? problem}${line ? `\n    at line ${line} of the code` : ''}`;
      }
      tell(stringify(body));
    },
  };
})();
