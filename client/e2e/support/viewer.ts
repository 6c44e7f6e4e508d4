/** What a test sees of the picture in a viewer's page. */

import { expect, type Page } from "@playwright/test";

export type Rgb = [number, number, number];

export const RED: Rgb = [200, 30, 30];
export const BLUE: Rgb = [30, 30, 200];
export const GREEN: Rgb = [20, 160, 40];
export const YELLOW: Rgb = [230, 200, 20];

/** The mean colour of the decoded video in a small square around a place given in parts of it. */
export async function colourAt(page: Page, x: number, y: number): Promise<Rgb | null> {
  return page.evaluate(
    ([x, y]) => {
      const room = document.querySelector("tandem-room");
      const video = (room?.shadowRoot ?? document).querySelector("video");
      if (!video?.videoWidth) return null;
      const canvas = document.createElement("canvas");
      canvas.width = canvas.height = 8;
      const context = canvas.getContext("2d");
      if (!context) return null;
      context.drawImage(
        video,
        video.videoWidth * x - 4,
        video.videoHeight * y - 4,
        8,
        8,
        0,
        0,
        8,
        8,
      );
      const pixels = context.getImageData(0, 0, 8, 8).data;
      const mean = (channel: number) =>
        Math.round(
          pixels.reduce((sum, value, at) => sum + (at % 4 === channel ? value : 0), 0) / 64,
        );
      return [mean(0), mean(1), mean(2)] as const;
    },
    [x, y] as const,
  );
}

/** Waits until the picture shows a colour, give or take what 4:2:0 and rounding cost. */
export async function expectColour(page: Page, colour: Rgb, timeout = 15_000): Promise<void> {
  await expect
    .poll(
      async () => {
        const shown = await colourAt(page, 0.8, 0.8);
        return shown
          ? Math.max(...shown.map((value, at) => Math.abs(value - (colour[at] ?? 0))))
          : 999;
      },
      { timeout, message: `the picture shows ${colour}` },
    )
    .toBeLessThan(12);
}

/** The size of the decoded video. */
export async function videoSize(page: Page): Promise<[number, number]> {
  return page.evaluate(() => {
    const room = document.querySelector("tandem-room");
    const video = (room?.shadowRoot ?? document).querySelector("video");
    return [video?.videoWidth ?? 0, video?.videoHeight ?? 0] as [number, number];
  });
}

/** Where a pixel of the remote display is on the viewer's page. */
export async function place(page: Page, x: number, y: number): Promise<{ x: number; y: number }> {
  return page.evaluate(
    ([x, y]) => {
      const room = document.querySelector("tandem-room");
      const video = (room?.shadowRoot ?? document).querySelector("video");
      if (!video) throw new Error("no video");
      const box = video.getBoundingClientRect();
      const scale = Math.min(box.width / video.videoWidth, box.height / video.videoHeight);
      const left = box.left + (box.width - video.videoWidth * scale) / 2;
      const top = box.top + (box.height - video.videoHeight * scale) / 2;
      return { x: left + x * scale, y: top + y * scale };
    },
    [x, y] as const,
  );
}
