/**
 * A room that exists only in the page, to look at the client without a server:
 * a WebSocket that answers as the server does, and a real RTCPeerConnection
 * that streams a drawn canvas. Never part of what is built.
 * `window.fake` lets the script that looks change the state.
 */
(() => {
  const you = { id: "p-mara", name: "Mara Lind", kind: "person", role: "controller" };
  const jun = { id: "p-jun", name: "Jun Abe", kind: "person", role: "viewer" };
  const atlas = { id: "a-atlas", name: "Atlas", kind: "agent", role: "agent" };
  const options = new URLSearchParams(location.search);
  const view = {
    id: "main",
    size: { width: 1280, height: 720 },
    phase: { state: "live" },
    present: [you, jun, atlas],
    holder: null,
    floor: { mode: "together", takeover: null, turn: null, requests: [], hand_backs: 0 },
    waiting: [],
    help: [],
    approvals: [],
    page: { title: "Orders of today", url: "https://shop.example/orders" },
  };
  const fake = {
    view,
    inputs: [],
    socket: null,
    peer: null,
    refuse: false,
    log: [],
    stamps: 0,
    setView(change) {
      Object.assign(view, change);
      fake.socket?.say({ type: "view", room: view });
    },
    event(event) {
      fake.socket?.say({ type: "event", event });
    },
    close(code) {
      fake.socket?.drop(code);
    },
  };
  window.fake = fake;

  const canvas = document.createElement("canvas");
  canvas.width = 1280;
  canvas.height = 720;
  const c = canvas.getContext("2d");
  let tick = 0;
  const draw = () => {
    tick += 1;
    c.fillStyle = "#dfe3ea";
    c.fillRect(0, 0, 1280, 720);
    c.fillStyle = "#fff";
    c.fillRect(0, 36, 1280, 684);
    c.fillStyle = "#fff";
    c.fillRect(8, 6, 220, 30);
    c.fillStyle = "#eef0f4";
    c.fillRect(0, 36, 1280, 40);
    c.fillStyle = "#222";
    c.font = "14px sans-serif";
    c.fillText("Orders of today", 20, 26);
    c.fillText("shop.example/orders", 110, 61);
    c.font = "28px sans-serif";
    c.fillText("Orders of today", 80, 150);
    c.font = "16px sans-serif";
    for (let i = 0; i < 9; i += 1) {
      c.fillStyle = i % 2 ? "#f6f7f9" : "#fff";
      c.fillRect(80, 180 + i * 44, 1120, 44);
      c.fillStyle = "#333";
      c.fillText(`#10${i}4   Lamp, brass, ${i + 1} pcs`, 96, 208 + i * 44);
      c.fillText(`${(i + 2) * 19}.00 €`, 1100, 208 + i * 44);
    }
    c.fillStyle = "#1d5fe0";
    c.fillRect(80, 610, 160, 44);
    c.fillStyle = "#fff";
    c.fillText("Ship them all", 108, 638);
    c.fillStyle = "#1d5fe0";
    c.fillRect(0, 716, (tick * 8) % 1280, 4);
  };
  setInterval(draw, 33);
  draw();

  class FakeSocket {
    static CONNECTING = 0;
    static OPEN = 1;
    static CLOSING = 2;
    static CLOSED = 3;
    constructor() {
      this.readyState = 0;
      fake.log.push(`open ${Math.round(performance.now())}`);
      fake.socket = this;
      setTimeout(() => {
        if (this.readyState !== 0) return;
        if (fake.refuse || options.has("refuse")) return this.drop(1006);
        this.readyState = 1;
        const watching = options.has("watching");
        this.say({
          type: "welcome",
          protocol: 1,
          version: "0.1.0",
          you: watching ? jun : you,
          may_act: !watching,
          room: view,
          ice_servers: [],
        });
      }, 5);
    }
    say(message) {
      this.onmessage?.({ data: JSON.stringify(message) });
    }
    drop(code) {
      if (this.readyState === 3) return;
      this.readyState = 3;
      this.onclose?.({ code });
      fake.peer?.close();
    }
    close() {
      this.readyState = 3;
      fake.peer?.close();
    }
    async send(text) {
      const message = JSON.parse(text);
      if (message.type === "ping") setTimeout(() => this.say({ type: "pong", t: message.t }), 8);
      if (message.type === "fit") {
        fake.inputs.push(message);
        canvas.width = message.width;
        canvas.height = message.height;
        fake.setView({ size: { width: message.width, height: message.height } });
      }
      if (message.type === "sessions" && message.on) {
        // What the dev server streams, as the room's socket would tell it.
        const stream = new EventSource("/api/rooms/main/sessions/events");
        stream.onmessage = ({ data, lastEventId: id }) =>
          this.say({ type: "session_update", project: "main", id, update: JSON.parse(data) });
      }
      if (message.type === "floor" || message.type === "approve") fake.inputs.push(message);
      if (message.type === "report") fake.inputs.push(message);
      if (message.type === "offer" && !options.has("no-picture")) await this.answer(message.sdp);
    }
    async answer(sdp) {
      const peer = new RTCPeerConnection();
      fake.peer = peer;
      peer.ondatachannel = ({ channel }) => {
        channel.binaryType = "arraybuffer";
        if (channel.label === "moves") fake.moves = channel;
        channel.onmessage = ({ data }) => {
          const bytes = new Uint8Array(data);
          fake.inputs.push([...bytes].map(b => b.toString(16).padStart(2, "0")).join(""));
        };
      };
      await peer.setRemoteDescription({ type: "offer", sdp });
      const [track] = canvas.captureStream(30).getTracks();
      peer.addTrack(track, new MediaStream([track]));
      await peer.setLocalDescription(await peer.createAnswer());
      await new Promise(done => {
        if (peer.iceGatheringState === "complete") return done();
        peer.onicegatheringstatechange = () => peer.iceGatheringState === "complete" && done();
      });
      this.say({ type: "answer", sdp: peer.localDescription.sdp });
    }
  }
  window.WebSocket = FakeSocket;
})();
