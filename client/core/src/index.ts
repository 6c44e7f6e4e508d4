/** What the DOM parts, the element and the app may use of the core. */
export * from "./codec.ts";
export * from "./gestures.ts";
export * from "./keyboard/codes.ts";
export * from "./keyboard/composition.ts";
export * from "./keyboard/keyboard.ts";
export * from "./keyboard/keysyms.ts";
export * from "./messages.ts";
export * from "./moves.ts";
export * from "./people.ts";
export * from "./photon.ts";
export * from "./protocol.ts";
export * from "./session.ts";
export * from "./stats.ts";
export * from "./store.ts";
export * from "./viewport.ts";
export * from "./wheel.ts";
export * from "./words.ts";
