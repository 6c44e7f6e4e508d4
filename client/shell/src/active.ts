/** What has the focus, in the tree that an element is in: the page's, or that of an embedded room. */
export function activeIn(element: Element | undefined): Element | null {
  const root = element?.getRootNode();
  return root instanceof ShadowRoot ? root.activeElement : document.activeElement;
}
