/** The languages in which a page of the server's own is wanted: its address asks first, then the browser. */
export const languages = (): readonly (string | null)[] => [
  new URLSearchParams(location.search).get("lang"),
  ...navigator.languages,
];
