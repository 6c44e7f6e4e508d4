/** The entry of the page of whoever administers the server. */
import { render } from "solid-js/web";
import { sheet, tokenRules } from "../../../element/src/tokens.ts";
import { App } from "./app.tsx";
import { t } from "./texts/index.ts";

document.adoptedStyleSheets = [sheet(tokenRules(":root"))];
document.documentElement.lang = t.language;
document.title = `${t.title} · Tandem`;
render(() => <App />, document.body);
