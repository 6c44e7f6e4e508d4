/**
 * The one table of colours, light and dark. Each can be set from outside as
 * `--tandem-…`; inside it is read as `--_…`, so that what is set on any
 * ancestor wins. White text on a person's or agent's colour is ≥ 4.5 : 1.
 */
const TABLE: Readonly<Record<string, readonly [light: string, dark: string]>> = {
  surface: ["#ffffff", "#1b1c1f"],
  raised: ["#f3f4f6", "#2a2c31"],
  backdrop: ["#e7e9ed", "#0f1012"],
  text: ["#1a1c20", "#eceef1"],
  muted: ["#59606b", "#a5abb6"],
  line: ["#dcdfe4", "#35383e"],
  accent: ["#1d5fe0", "#7fabff"],
  "on-accent": ["#ffffff", "#0c1526"],
  idle: ["#aab0bb", "#4b4f57"],
  good: ["#15803d", "#4ade80"],
  fair: ["#946000", "#f5c542"],
  poor: ["#c2261d", "#ff8b82"],
  veil: ["rgb(231 233 237 / 0.55)", "rgb(15 16 18 / 0.6)"],
  shadow: ["rgb(20 24 33 / 0.18)", "rgb(0 0 0 / 0.5)"],
  "code-string": ["#146c2e", "#8ddb8c"],
  "code-number": ["#8a3b00", "#f0b072"],
  "code-word": ["#7b2cbf", "#cfa6ff"],
  "code-name": ["#0b57b0", "#8cc2ff"],
  added: ["#e3f5e6", "#17321f"],
  removed: ["#fdeaea", "#3b1d1d"],
  "person-1": ["#2563eb", "#2563eb"],
  "person-2": ["#0f766e", "#0f766e"],
  "person-3": ["#6d28d9", "#7c3aed"],
  "person-4": ["#0e7490", "#0e7490"],
  "person-5": ["#4338ca", "#4f46e5"],
  "person-6": ["#047857", "#047857"],
  "agent-1": ["#c2410c", "#c2410c"],
  "agent-2": ["#b45309", "#b45309"],
  "agent-3": ["#be123c", "#be123c"],
  "agent-4": ["#9a6206", "#9a6206"],
};

/** What can be set from outside, each as `--tandem-…`. */
export const COLOURS: readonly string[] = [...Object.keys(TABLE), "agent"];

/** The table as rules for `:host` or `:root`. */
export function tokenRules(selector: string): string {
  const lines = Object.entries(TABLE).map(([name, [light, dark]]) => {
    const colour = light === dark ? light : `light-dark(${light}, ${dark})`;
    const value = name.startsWith("agent-") ? `var(--tandem-agent, ${colour})` : colour;
    return `--_${name}: var(--tandem-${name}, ${value});`;
  });
  return `${selector} { color-scheme: light dark; ${lines.join(" ")} }`;
}

/** A sheet that the page's policy allows where an inline style is refused. */
export function sheet(css: string): CSSStyleSheet {
  const made = new CSSStyleSheet();
  made.replaceSync(css);
  return made;
}
