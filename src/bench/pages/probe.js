// Measures the viewer's page from inside. Times are in milliseconds since the
// navigation began.
globalThis.probe = (() => {
  let first, pressed, changed, before, video;
  const canvas = document.createElement("canvas");
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  const probe = { shown: 0, last: 0, first: new Promise((done) => (first = done)) };

  // The colour of a small square of the picture that carries no text.
  const colour = () => {
    canvas.width = canvas.height = 4;
    pen.drawImage(video, video.videoWidth * 0.8, video.videoHeight * 0.95, 4, 4, 0, 0, 4, 4);
    return pen.getImageData(0, 0, 1, 1).data;
  };
  const differs = (a, b) => Math.abs(a[0] - b[0]) + Math.abs(a[2] - b[2]) > 60;

  // A picture is shown when the browser expects it to be visible: at the refresh
  // of its screen after it was handed over to be composed.
  const frame = (_, { presentationTime, expectedDisplayTime }) => {
    probe.shown += 1;
    probe.last = performance.now();
    first(expectedDisplayTime);
    if (pressed !== undefined && differs(colour(), before)) {
      changed([expectedDisplayTime - pressed, presentationTime - pressed]);
      pressed = undefined;
    }
    video.requestVideoFrameCallback(frame);
  };
  const find = () => {
    video = document.querySelector("tandem-room")?.shadowRoot?.querySelector("video");
    if (video) video.requestVideoFrameCallback(frame);
    else requestAnimationFrame(find);
  };
  requestAnimationFrame(find);

  // Gets ready for one press; its time is then in `probe.photon`.
  probe.arm = () => {
    before = colour();
    probe.photon = new Promise((done) => (changed = done));
    addEventListener("pointerdown", (event) => (pressed = event.timeStamp), { capture: true, once: true });
    return true;
  };
  probe.place = async (x, y) => {
    const box = video.getBoundingClientRect();
    const scale = Math.min(box.width / video.videoWidth, box.height / video.videoHeight);
    const [width, height] = [video.videoWidth * scale, video.videoHeight * scale];
    return [box.left + (box.width - width) / 2 + width * x, box.top + (box.height - height) / 2 + height * y];
  };
  probe.still = (ms) =>
    new Promise((done) => {
      const look = () => (performance.now() - probe.last >= ms ? done(true) : setTimeout(look, 20));
      setTimeout(look, ms);
    });
  probe.picture = async () => {
    const [width, height] = [(canvas.width = video.videoWidth), (canvas.height = video.videoHeight)];
    pen.drawImage(video, 0, 0);
    const blob = new Blob([pen.getImageData(0, 0, width, height).data]);
    const url = await new Promise((done) => {
      const reader = new FileReader();
      reader.onload = () => done(reader.result);
      reader.readAsDataURL(blob);
    });
    return [width, height, url.slice(url.indexOf(",") + 1)];
  };
  return probe;
})();
