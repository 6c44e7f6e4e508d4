/** The element's own tree, in its shadow. */
export interface Parts {
  room: HTMLElement;
  stage: HTMLElement;
  picture: HTMLElement;
  video: HTMLVideoElement;
  still: HTMLCanvasElement;
  field: HTMLTextAreaElement;
  frame: HTMLElement;
  overlay: HTMLElement;
  notice: HTMLElement;
  wheel: HTMLElement;
  sentence: HTMLElement;
  detail: HTMLElement;
  button: HTMLButtonElement;
  toast: HTMLElement;
}

const TREE = `
<div class="room">
<div class="frame"></div>
<div class="stage">
  <div class="picture"><video muted playsinline autoplay disablepictureinpicture></video><canvas class="still" hidden></canvas></div>
  <textarea rows="1" autocomplete="off" autocapitalize="off" autocorrect="off" spellcheck="false"></textarea>
  <div class="overlay" aria-hidden="true"></div>
</div>
<div class="notice" role="status" hidden>
  <div class="card">
    <p class="line"><span class="wheel" aria-hidden="true"></span><span class="sentence"></span></p>
    <p class="detail" hidden></p>
    <slot name="action"><button type="button" hidden></button></slot>
  </div>
</div>
<div class="toast" role="alert" hidden></div>
</div>
`;

export function build(root: ShadowRoot): Parts {
  root.innerHTML = TREE;
  const find = <T extends HTMLElement>(selector: string): T => {
    const found = root.querySelector<T>(selector);
    if (!found) throw new Error(`The element's tree has no ${selector}.`);
    return found;
  };
  const video = find<HTMLVideoElement>("video");
  // The attribute alone does not mute a video that a script makes.
  video.muted = true;
  return {
    room: find(".room"),
    stage: find(".stage"),
    picture: find(".picture"),
    video,
    still: find<HTMLCanvasElement>("canvas"),
    field: find<HTMLTextAreaElement>("textarea"),
    frame: find(".frame"),
    overlay: find(".overlay"),
    notice: find(".notice"),
    wheel: find(".wheel"),
    sentence: find(".sentence"),
    detail: find(".detail"),
    button: find<HTMLButtonElement>("button"),
    toast: find(".toast"),
  };
}
