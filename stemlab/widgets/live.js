// LivePlayer's page side: a source's sound goes to the kernel, its stems come back and are mixed here.

import { audio, Master, page } from "./engine.js";
import { button, element, frames, meter, percent, press, say, slider } from "./controls.js";
import { Faders, LEVEL, showFaders, stemRow } from "./faders.js";

/** @typedef {import("@anywidget/types").AnyModel<any>} Model */
/** @typedef {{heard: number, behind: number, arrival: number, dropouts: number, input: number, sounding: boolean, peaks: number[]}} Report */

const TOLD = 500; // ms between two accounts to the kernel
const BACKLOG = 1.5; // seconds of sound under way at most
const WAITED = 5; // seconds without stems after which that is mentioned
const REASONS = /** @type {Record<string, string>} */ ({
  NotAllowedError: "The browser may not listen to this source: allow it beside the address, then press Start.",
  NotFoundError: "There is no microphone or line-in here: plug one in, then press Start.",
  NotReadableError: "Another program holds the input, or it was unplugged: free it, then press Start.",
  OverconstrainedError: "The input cannot do what was asked of it: choose another one.",
});

/** One live source on this page: its way to the kernel and back to the ears. */
class Live extends Faders {
  /** @param {Model} model @param {AudioContext} context */
  constructor(model, context) {
    super(model);
    this.context = context;
    this.master = new Master(context);
    this.line = "";
    this.views = 0;
    this.dead = false;
    /** @type {MediaStreamAudioSourceNode | null} */
    this.source = null;
    /** @type {MediaStream | null} */
    this.stream = null;
    this.trouble = "";
    this.told = this.news = this.turn = 0;
    this.sent = this.made = 0; // samples sent to the kernel, and up to which stems have come
    /** @type {Report} */
    this.report = { heard: 0, behind: 0, arrival: 0, dropouts: 0, input: 0, sounding: false, peaks: [] };
    /** @type {AudioWorkletNode | null} */
    this.node = null;
    // The input is never heard aloud by itself: loudspeaker and microphone would howl.
    this.monitor = new GainNode(context, { gain: 0 });
    this.master.output.connect(this.monitor).connect(context.destination);
  }

  /** Follows the model from now on. */
  start() {
    const { model } = this;
    this.follow();
    this.master.setLevel(model.get("master"));
    model.on("change:master", () => this.master.setLevel(model.get("master")));
    model.on("change:running change:heard", () => this.obey());
    model.on("change:aloud", () => this.applyMonitor());
    model.on("msg:custom", (message, buffers) => this.put(message, buffers));
    model.on("comm_live_update", () => this.checkKernel());
    this.applyMonitor();
    this.obey();
  }

  applyGains() {
    this.node?.port.postMessage({ gains: this.pairs() });
  }

  applyMonitor() {
    this.monitor.gain.setTargetAtTime(this.model.get("aloud") ? 1 : 0, this.context.currentTime, 0.005);
  }

  /** What would come back too late is left out, so that the kernel can catch up. @param {{start: number, sound: Float32Array}} block */
  send({ start, sound }) {
    if (this.sent - this.made > BACKLOG * this.rate) return;
    this.sent = start + sound.length / 2;
    this.model.send({ kind: "sound", line: this.line, start }, undefined, [sound]);
  }

  /** @param {any} message @param {DataView[]} buffers */
  put(message, buffers) {
    if (message.kind !== "stems" || message.line !== this.line) return;
    this.news = performance.now();
    const { buffer, byteOffset, byteLength } = buffers[0];
    const stems = new Int16Array(buffer.slice(byteOffset, byteOffset + byteLength));
    this.made = message.start + stems.length / (2 * this.stems.length);
    this.node?.port.postMessage({ start: message.start, stems }, [stems.buffer]);
  }

  /** @param {Report} report */
  hear(report) {
    this.report = report;
    const time = performance.now();
    if (!this.source || time - this.told < TOLD) return;
    this.told = time;
    const { rate } = this;
    const device = this.stream?.getAudioTracks()[0]?.getSettings();
    this.set({
      dropouts: report.dropouts,
      _page: {
        behind: report.behind / rate,
        arrival: report.arrival / rate,
        output: this.context.outputLatency || this.context.baseLatency,
        input: /** @type {any} */ (device)?.latency ?? null,
      },
    });
  }

  get rate() {
    return this.context.sampleRate;
  }

  /** Starts or stops as the model says. */
  async obey() {
    const turn = ++this.turn;
    this.disconnect();
    if (!this.model.get("running") || this.dead) return;
    this.trouble = "";
    this.context.resume();
    try {
      const stream = await this.open();
      if (turn === this.turn) this.connect(stream);
    } catch (error) {
      this.fail(REASONS[/** @type {Error} */ (error).name] ?? `The source cannot be heard: ${/** @type {Error} */ (error).message}`);
    }
  }

  /** The source's MediaStream. @returns {Promise<MediaStream>} */
  async open() {
    const name = this.model.get("heard");
    const model = /** @type {any} */ (await this.model.widget_manager.get_model(name.replace("IPY_MODEL_", "")));
    return model.captureStream();
  }

  /** @param {MediaStream} stream */
  connect(stream) {
    const [track] = stream.getAudioTracks();
    if (!track || track.readyState === "ended") throw new Error("it has no sound, or has ended.");
    track.onended = () => this.fail("The source has ended: it was unplugged, or its tab was closed. Press Start when it is back.");
    this.stream = stream;
    this.line = Math.random().toString(36).slice(2);
    this.news = performance.now();
    this.sent = this.made = 0;
    this.node = new AudioWorkletNode(this.context, "stemlab-live", {
      outputChannelCount: [2], channelCount: 2, channelCountMode: "explicit",
      processorOptions: { stems: this.stems.length },
    });
    this.node.port.onmessage = ({ data }) => ("sound" in data ? this.send(data) : this.hear(data));
    this.applyGains();
    this.source = this.context.createMediaStreamSource(stream);
    this.source.connect(this.node).connect(this.master.input);
  }

  disconnect() {
    this.source?.disconnect();
    this.node?.disconnect();
    this.node?.port.postMessage({ close: true });
    this.source = this.node = null;
  }

  /** @param {string} trouble */
  fail(trouble) {
    this.disconnect();
    this.trouble = trouble;
    this.set({ running: false });
  }

  async checkKernel() {
    const model = await this.model.widget_manager.get_model(this.model.get("_key"));
    this.dead = !(/** @type {any} */ (model).comm_live);
    this.obey();
  }

  /** One plain sentence on what is wrong, or "". */
  complaint() {
    if (this.dead) return "The kernel has gone: run the cell again.";
    if (this.model.get("error") || this.trouble) return this.model.get("error") || this.trouble;
    if (!this.source) return "";
    if (this.context.state === "suspended") return "The browser waits for a click before it listens: click here.";
    if (performance.now() - this.news > 1000 * WAITED)
      return "No stems come back: the kernel is held up by a cell, or this machine is too slow.";
    return this.model.get("notice");
  }

  close() {
    this.disconnect();
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.monitor.disconnect();
    this.master.close();
  }
}

/** The face of a live source. */
class Face {
  /** @param {Live} live @param {HTMLElement} el */
  constructor(live, el) {
    this.live = live;
    this.model = live.model;
    this.go = button("Start", "Start", () => live.set({ running: !this.model.get("running") }));
    this.aloud = button("Hear the stems; wear headphones", "Hear", () => live.set({ aloud: !this.model.get("aloud") }));
    this.record = button("Record input and stems", "● Record", () => live.set({ recording: !this.model.get("recording") }));
    this.saved = element("div", { class: "saved", role: "status", "aria-label": "Recording" });
    this.inputMeter = meter();
    this.state = element("span", { class: "state", role: "status", "aria-label": "Latency" });
    this.rows = live.stems.map((stem, s) => stemRow(live, stem, s, () => {}));
    this.level = slider("Master level", LEVEL, (value) => live.set({ master: value }));
    this.figure = element("output", { class: "figure" });
    this.meters = [meter(), meter()];
    this.complaint = element("span", { class: "complaint", role: "alert" });
    this.bill = element("div", { class: "bill" });
    const top = element("div", { class: "transport live" }, this.go, this.aloud, this.record,
      element("span", { class: "title" }, "Live input"), this.inputMeter.node, this.state);
    const foot = element("div", { class: "foot" }, element("span", { class: "name" }, "Master"), this.level.input,
      this.figure, ...this.meters.map((one) => one.node), this.complaint);
    this.root = element("div", {
      class: "stemlab-player stemlab-live", role: "group", "aria-label": "Live separation", tabindex: "0",
      "data-lm-suppress-shortcuts": "true", onpointerdown: () => live.context.resume(),
    }, top, ...this.rows.map((row) => row.node), foot, this.bill, this.saved);
    el.append(element("div", { class: "stemlab-frame" }, this.root));
  }

  /** Follows the model and draws. @returns {() => void} stops it */
  start() {
    for (const name of ["levels", "mutes", "solos", "pans", "master", "running", "aloud", "account", "recording", "saved"])
      this.model.on(`change:${name}`, () => this.show());
    this.show();
    return frames(() => this.draw());
  }

  show() {
    const { live, model } = this;
    showFaders(this.rows, model, live.gains());
    this.level.show(model.get("master"));
    this.figure.textContent = percent(model.get("master"));
    const running = model.get("running");
    this.go.textContent = running ? "Stop" : "Start";
    this.go.setAttribute("aria-label", running ? "Stop" : "Start");
    press(this.aloud, model.get("aloud"));
    press(this.record, model.get("recording"));
    say(this.saved, model.get("recording") ? "Recording …" : model.get("saved"));
    this.bill.replaceChildren(...Object.entries(model.get("account")).map(([part, seconds]) =>
      element("span", {}, `${part} `, element("b", {}, seconds === null ? "unknown" : `${(1000 * seconds).toFixed(0)} ms`))));
  }

  draw() {
    const { live } = this;
    const { report } = live;
    this.inputMeter.show(report.input);
    this.rows.forEach((row, s) => row.peak.show(report.peaks[s] ?? 0));
    this.meters.forEach((one, side) => one.show(live.master.peaks[side]));
    const late = report.behind ? `${((1000 * report.behind) / live.rate).toFixed(0)} ms late` : "finding its pace…";
    const drops = `${report.dropouts} dropout${report.dropouts === 1 ? "" : "s"}`;
    say(this.state, live.source ? `${late} · ${drops}` : "stopped");
    say(this.complaint, live.complaint());
  }
}

/** @type {Map<string, Live>} */
const LIVES = new Map();

/** @param {{model: Model}} props */
async function initialize({ model }) {
  if (!model.get("rate")) return undefined;
  const context = await audio(model.get("_worklet"), model.get("rate"));
  const live = new Live(model, context);
  LIVES.set(model.get("_key"), live);
  page().players.set(model.get("_key"), { output: live.master.output, context, live });
  live.start();
  return () => {
    live.close();
    LIVES.delete(model.get("_key"));
    page().players.delete(model.get("_key"));
  };
}

/** @param {{model: Model, el: HTMLElement}} props */
function render({ model, el }) {
  const live = LIVES.get(model.get("_key"));
  if (!live) {
    el.append(element("div", { class: "stemlab-player broken", role: "alert" }, model.get("error")));
    return undefined;
  }
  const stop = new Face(live, el).start();
  live.views++;
  return () => {
    stop();
    if (--live.views === 0) live.set({ running: false });
  };
}

export default { initialize, render };
