/** The panel as a chunk of our own page: with its styles, which elsewhere stand in a tree of their own. */
import "./panel.css";

export { default } from "./panels.tsx";
