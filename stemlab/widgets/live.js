// LivePlayer's page side: a source's sound goes to the kernel, its stems come back and are mixed here.

import { audio, Master, page } from "./engine/output.js";
import { button, element, frames, meter, percent, press, say, slider } from "./parts/controls.js";
import { keepKeys } from "./parts/keys.js";
import { Faders, LEVEL, showFaders, stemRow } from "./parts/faders.js";
import { HEARD, inputs, MICROPHONE, open, reason, TAB } from "./engine/inputs.js";

/** @typedef {import("@anywidget/types").AnyModel<any>} Model */
/** @typedef {{heard: number, behind: number, arrival: number, dropouts: number, input: number, wide: number, sounding: boolean, peaks: number[]}} Report */

const TOLD = 500; // ms between two accounts to the kernel
const BACKLOG = 1.5; // seconds of sound under way at most
const WAITED = 5; // seconds without stems after which that is mentioned
const NAMES = /** @type {Record<string, string>} */ ({
  [MICROPHONE]: "Microphone or line-in", [TAB]: "Another browser tab …", [HEARD]: "The notebook’s own sound",
});
const FORMS = ["flac", "stem.mp4"];
const JUDGED = 40; // reports, about a second of sound, after which it is clear whether it is mono

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
    /** @type {import("./engine/inputs.js").Opened | null} */
    this.opened = null;
    this.judged = 0; // reports of sound, both sides the same so far; negative once they were not
    this.trouble = "";
    this.told = this.news = this.turn = 0;
    this.sent = this.made = 0; // samples sent to the kernel, and up to which stems have come
    this.base = NaN; // the line's first sample among all that the kernel has heard
    this.time = 0; // seconds heard, of all lines
    /** @type {Report} */
    this.report = { heard: 0, behind: 0, arrival: 0, dropouts: 0, input: 0, wide: 0, sounding: false, peaks: [] };
    /** @type {AudioWorkletNode | null} */
    this.node = null;
    this.ending = new AbortController();
    this.ended = { signal: this.ending.signal };
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
    model.on("change:running change:owner change:source change:heard", () => this.obey());
    model.on("change:heard", () => this.list());
    model.on("change:aloud", () => this.applyMonitor());
    model.on("msg:custom", (message, buffers) => this.put(message, buffers));
    model.on("comm_live_update", () => this.checkKernel());
    navigator.mediaDevices?.addEventListener("devicechange", () => this.list(), this.ended);
    this.list();
    this.applyMonitor();
    this.obey();
  }

  /** Tells which sources there are. */
  async list() {
    const names = (await inputs()).map(({ label }) => label);
    const heard = this.model.get("heard") ? [HEARD] : [];
    this.set({ sources: [MICROPHONE, ...names, TAB, ...heard] });
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
    this.base = message.base;
    this.made = message.start + stems.length / (2 * this.stems.length);
    this.node?.port.postMessage({ start: message.start, stems }, [stems.buffer]);
  }

  /** @param {Report} report */
  hear(report) {
    this.report = report;
    if (this.playing) this.time = (this.base + report.heard - report.behind) / this.rate;
    if (report.wide > 0) this.judged = -1;
    else if (report.input > 0.001 && this.judged >= 0) this.judged++;
    const time = performance.now();
    if (!this.source || time - this.told < TOLD) return;
    this.told = time;
    const { rate } = this;
    const device = this.track?.getSettings();
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

  /** Whether stems are played. */
  get playing() {
    return this.source !== null && this.report.sounding;
  }

  now() {
    return this.time;
  }

  get track() {
    return this.opened?.stream.getAudioTracks()[0];
  }

  /** Only the page on which Start was pressed listens; a page takes over what belongs to none. */
  get mine() {
    return this.model.get("owner") === page().page;
  }

  toggle() {
    this.set(this.model.get("running") && this.mine ? { running: false } : { running: true, owner: page().page });
  }

  /** Starts or stops as the model says, once for all that has changed. */
  async obey() {
    const turn = ++this.turn;
    this.disconnect();
    await null;
    if (turn !== this.turn || !this.model.get("running") || this.dead) return;
    if (!this.model.get("owner")) return this.set({ owner: page().page });
    if (!this.mine) return;
    this.trouble = "";
    this.context.resume();
    try {
      const opened = await open(this.model);
      if (turn === this.turn) this.connect(opened);
      else release(opened);
    } catch (error) {
      if (turn === this.turn) this.fail(reason(error, this.model.get("source")));
    }
  }

  /** @param {import("./engine/inputs.js").Opened} opened */
  connect(opened) {
    const { stream } = (this.opened = opened);
    const { track } = this;
    if (!track || track.readyState === "ended") throw new Error("it has no sound, or has ended.");
    track.onended = () => this.fail("The source has ended: it was unplugged, or its tab was closed. Press Start when it is back.");
    this.list();
    this.line = Math.random().toString(36).slice(2);
    this.news = performance.now();
    this.sent = this.made = this.judged = 0;
    this.report = { ...this.report, sounding: false };
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
    if (this.track) this.track.onended = null;
    if (this.opened) release(this.opened);
    this.opened = null;
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
    if (this.dead) return "The kernel has stopped: run the cell again.";
    if (this.model.get("error") || this.trouble) return this.model.get("error") || this.trouble;
    if (this.model.get("running") && !this.mine) return "Another page is listening: press Start to listen here instead.";
    if (!this.source) return "";
    if (this.context.state === "suspended") return "The browser needs a click before it listens: click here.";
    if (performance.now() - this.news > 1000 * WAITED)
      return "No stems come back: the kernel is busy with a cell, or this machine is too slow.";
    return this.model.get("notice");
  }

  /** What is heard, and what to know about it. */
  description() {
    const { track, source } = this;
    if (!track || !source) return "";
    const rate = track.getSettings().sampleRate ?? this.rate;
    const name = this.model.get("source") === HEARD ? NAMES[HEARD] : track.label;
    return [
      name,
      ...(rate === this.rate ? [] : [`${rate / 1000} kHz, which the browser brings to ${this.rate / 1000}`]),
      ...(this.judged >= JUDGED ? ["mono: both ears hear the same, equally loud"] : []),
      ...this.hints(),
    ].join(" · ");
  }

  hints() {
    const [aloud, source] = [this.model.get("aloud"), this.model.get("source")];
    if (source === TAB) return aloud ? [] : ["the tab itself is silent while it is shared: press Hear for its stems"];
    return aloud && source !== HEARD ? ["wear headphones: a loudspeaker beside the microphone howls. Esc silences"] : [];
  }

  close() {
    this.turn++;
    this.disconnect();
    this.ending.abort();
    this.monitor.disconnect();
    this.master.close();
  }
}

/** @param {import("./engine/inputs.js").Opened} opened */
function release({ stream, own }) {
  if (own) for (const track of stream.getTracks()) track.stop();
}

/** The face of a live source. */
class Face {
  /** @param {Live} live @param {HTMLElement} el */
  constructor(live, el) {
    this.live = live;
    this.model = live.model;
    this.go = button("Start", "Start", () => live.toggle());
    this.source = element("select", {
      "data-control": "Source", "aria-label": "Source", title: "Source", onchange: () => live.set({ source: this.source.value }),
    });
    this.aloud = button("Hear the stems; wear headphones", "Hear", () => live.set({ aloud: !this.model.get("aloud") }));
    this.aloud.setAttribute("aria-keyshortcuts", "H");
    this.record = button("Record input and stems", "● Record", () => live.set({ recording: !this.model.get("recording") }));
    this.form = element("select", {
      "data-control": "Format", "aria-label": "Format of the recording", title: "Format of the recording",
      onchange: () => live.set({ form: this.form.value }),
    }, ...FORMS.map((form) => element("option", { value: form }, form)));
    this.saved = element("div", { class: "saved", role: "status", "aria-label": "Recording" });
    this.inputMeter = meter();
    this.state = element("span", { class: "state", role: "status", "aria-label": "Latency" });
    this.rows = live.stems.map((stem, s) => stemRow(live, stem, s, () => {}));
    this.level = slider("Master level", LEVEL, (value) => live.set({ master: value }));
    this.figure = element("output", { class: "figure" });
    this.meters = [meter(), meter()];
    this.complaint = element("span", { class: "complaint", role: "alert" });
    this.description = element("div", { class: "description", role: "status", "aria-label": "What is heard" });
    this.bill = element("div", { class: "bill" });
    const top = element("div", { class: "transport live" }, this.go, this.source, this.inputMeter.node, this.aloud, this.record,
      this.form, this.state);
    const foot = element("div", { class: "foot" }, element("span", { class: "name" }, "Master"), this.level.input,
      this.figure, ...this.meters.map((one) => one.node), this.complaint);
    this.root = element("div", {
      class: "stemlab-player stemlab-live", role: "group", "aria-label": "Live separation", tabindex: "0",
      onpointerdown: () => live.context.resume(),
      onkeydown: (/** @type {KeyboardEvent} */ event) => this.key(event),
    }, top, this.description, ...this.rows.map((row) => row.node), foot, this.bill, this.saved);
    el.append(element("div", { class: "stemlab-frame" }, this.root));
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const act = event.ctrlKey || event.metaKey || event.altKey ? undefined : this.shortcut(event);
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  }

  /** What a key does, or nothing where the control that has the focus needs it. @param {KeyboardEvent} event */
  shortcut({ target, code, shiftKey }) {
    const { live, model } = this;
    if (code === "Escape") return () => live.set({ aloud: false });
    if (target instanceof HTMLSelectElement) return undefined;
    const stem = Number(/^(?:Digit|Numpad)([1-9])$/.exec(code)?.[1]) - 1;
    const field = shiftKey ? "solos" : "mutes";
    if (stem < live.stems.length) return () => live.change(field, stem, !model.get(field)[stem]);
    if (code === "KeyH") return () => live.set({ aloud: !model.get("aloud") });
    if (code === "Space" && !(target instanceof HTMLButtonElement)) return () => live.toggle();
    return undefined;
  }

  /** Follows the model and draws. @returns {() => void} stops it */
  start() {
    for (const name of ["levels", "mutes", "solos", "pans", "master", "running", "owner", "aloud", "account", "recording", "saved", "form", "source", "sources"])
      this.model.on(`change:${name}`, () => this.show());
    this.show();
    return frames(() => this.draw());
  }

  show() {
    const { live, model } = this;
    showFaders(this.rows, model, live.gains());
    this.level.show(model.get("master"));
    this.figure.textContent = percent(model.get("master"));
    const running = model.get("running") && live.mine;
    this.showSources();
    this.go.textContent = running ? "Stop" : "Start";
    this.go.setAttribute("aria-label", running ? "Stop" : "Start");
    press(this.aloud, model.get("aloud"));
    press(this.record, model.get("recording"));
    this.form.value = model.get("form");
    this.form.disabled = model.get("recording");
    say(this.saved, model.get("recording") ? "Recording …" : model.get("saved"));
    this.bill.replaceChildren(...Object.entries(model.get("account")).map(([part, seconds]) =>
      element("span", {}, `${part} `, element("b", {}, seconds === null ? "unknown" : `${(1000 * seconds).toFixed(0)} ms`))));
  }

  showSources() {
    const { model, source } = this;
    const names = [...new Set([...model.get("sources"), model.get("source")])];
    if (names.join() !== Array.from(source.options, ({ value }) => value).join())
      source.replaceChildren(...names.map((name) => element("option", { value: name }, NAMES[name] ?? name)));
    source.value = model.get("source");
  }

  draw() {
    const { live } = this;
    const { report } = live;
    this.inputMeter.show(report.input);
    this.rows.forEach((row, s) => row.peak.show(report.peaks[s] ?? 0));
    this.meters.forEach((one, side) => one.show(live.master.peaks[side]));
    const late = report.behind ? `${((1000 * report.behind) / live.rate).toFixed(0)} ms delay` : "measuring the delay…";
    const drops = `${report.dropouts} dropout${report.dropouts === 1 ? "" : "s"}`;
    say(this.state, live.source ? `${late} · ${drops}` : "stopped");
    say(this.complaint, live.complaint());
    say(this.description, live.description());
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
  page().players.set(model.get("_key"), {
    output: live.master.output, context, live,
    now: () => live.now(),
    gains: () => live.gains(),
    get playing() {
      return live.playing;
    },
  });
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
  keepKeys();
  const stop = new Face(live, el).start();
  live.views++;
  return () => {
    stop();
    if (--live.views === 0 && live.mine) live.set({ running: false });
  };
}

export default { initialize, render };
