/**
 * The picture: the video, the still that stands in for it while there is no
 * stream, and where both lie. It tells of each frame that is shown.
 */
import { type Placement, Viewport } from "../../core/src/index.ts";
import { Listeners } from "./listeners.ts";

export interface SurfaceEvents {
  frame(shownAt: number, rtp: number | undefined): void;
  placed(placement: Placement): void;
}

type FrameMetadata = VideoFrameCallbackMetadata & { rtpTimestamp?: number };

export class Surface {
  readonly viewport = new Viewport();
  readonly stage: HTMLElement;
  readonly #picture: HTMLElement;
  readonly #video: HTMLVideoElement;
  readonly #still: HTMLCanvasElement;
  readonly #events: SurfaceEvents;
  readonly #listeners = new Listeners();
  #fresh = false;
  #held = false;

  constructor(
    parts: {
      stage: HTMLElement;
      picture: HTMLElement;
      video: HTMLVideoElement;
      still: HTMLCanvasElement;
    },
    events: SurfaceEvents,
  ) {
    this.stage = parts.stage;
    this.#picture = parts.picture;
    this.#video = parts.video;
    this.#still = parts.still;
    this.#events = events;
  }

  start(): void {
    const observer = new ResizeObserver(() => this.measure());
    observer.observe(this.stage);
    this.#listeners.add(() => observer.disconnect());
    this.#watchFrames();
    // Firefox before 132 has no frame callback: at least the first frame is told.
    this.#listeners.on(this.#video, "loadeddata", () => this.#shown(performance.now(), undefined));
    this.measure();
  }

  stop(): void {
    this.#listeners.stop();
    this.#video.srcObject = null;
  }

  show(stream: MediaStream): void {
    this.#fresh = true;
    this.#video.srcObject = stream;
    // Muted video may play by itself; where it may not, the next press starts it.
    void this.#video.play().catch(() => {
      this.stage.addEventListener("pointerdown", () => void this.#video.play(), { once: true });
    });
  }

  /** Keeps the last picture over the video until a new stream shows its first. */
  freeze(): void {
    const { videoWidth, videoHeight } = this.#video;
    // Frozen already, or held: the video behind it may have gone black since.
    if (videoWidth === 0 || this.#fresh || this.#held || !this.#still.hidden) return;
    this.#still.width = videoWidth;
    this.#still.height = videoHeight;
    this.#still.getContext("2d")?.drawImage(this.#video, 0, 0);
    this.#still.hidden = false;
  }

  /**
   * While the room has no browser its display is black: what was seen last
   * stays, and without that nothing is shown. True when there is nothing.
   */
  hold(held: boolean): boolean {
    if (this.#held && !held && !this.#fresh) this.#still.hidden = true;
    this.#held = held;
    return held && this.#still.hidden !== false;
  }

  measure(): void {
    const { clientWidth, clientHeight } = this.stage;
    this.viewport.setElement(
      { width: clientWidth, height: clientHeight },
      window.devicePixelRatio || 1,
    );
    this.place();
  }

  place(): void {
    const placement = this.viewport.placement();
    const { width, height } = this.viewport.display;
    const style = this.#picture.style;
    style.transform = `translate(${placement.left}px, ${placement.top}px)`;
    style.width = `${width * placement.scale}px`;
    style.height = `${height * placement.scale}px`;
    this.#events.placed(placement);
  }

  #watchFrames(): void {
    if (!("requestVideoFrameCallback" in this.#video)) return;
    let handle = 0;
    const seen = (_now: number, metadata: FrameMetadata) => {
      handle = this.#video.requestVideoFrameCallback(seen);
      this.#shown(metadata.expectedDisplayTime, metadata.rtpTimestamp);
    };
    handle = this.#video.requestVideoFrameCallback(seen);
    this.#listeners.add(() => this.#video.cancelVideoFrameCallback(handle));
  }

  #shown(at: number, rtp: number | undefined): void {
    if (this.#fresh) {
      this.#fresh = false;
      if (!this.#held) this.#still.hidden = true;
    }
    this.#events.frame(at, rtp);
  }
}
