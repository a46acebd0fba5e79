// LivePlayer's page side: a source's sound is separated and mixed in an audio thread of its own.

import { Master, page, unique } from "./engine/output.js";
import { Account, HEAVY } from "./engine/live/account.js";
import { measure } from "./engine/live/measure.js";
import { fetchEngine, listening, separating, separatingAside } from "./engine/live/node.js";
import { Outbox } from "./engine/live/outbox.js";
import { HEARD, inputs, MICROPHONE, open, reason, TAB } from "./engine/inputs.js";
import { NAMES, LiveFace } from "./liveface.js";
import { onChange } from "./parts/changes.js";
import { element } from "./parts/controls.js";
import { Faders } from "./parts/faders.js";
import { keepKeys } from "./parts/keys.js";

/** @typedef {import("@anywidget/types").AnyModel<any>} Model */
/** @typedef {import("./engine/live/columns.js").Rows & {network: string}} Rows of a picture, and whose frames they are */
/**
 * @typedef {{run: number, time: number, heard: number, healed: number, input: number, wide: number, took: number[],
 *   peaks: ArrayLike<number>}} Report
 * @typedef {{node: AudioWorkletNode, port: MessagePort | Worker}} Voice what separates, and where it takes orders
 * @typedef {{context: AudioContext, voice: Voice, master: Master, monitor: GainNode,
 *   engine: import("./engine/live/node.js").Engine}} Chain
 */

const TOLD = 500; // ms between two accounts
const INTERRUPTED = "other programs interrupt the audio thread: close busy ones, or let the browser have real-time priority";
const JUDGED = 40; // reports, about a second of sound, after which it is clear whether it is mono
/** @type {Report} */
const NOTHING = { run: 0, time: 0, heard: 0, healed: 0, input: 0, wide: 0, took: [], peaks: [] };

/** One live source on this page: its way to the ears, with an audio thread of its own. */
export class Live extends Faders {
  /** @param {Model} model */
  constructor(model) {
    super(model);
    this.views = 0;
    this.dead = false;
    /** @type {Chain | null} */
    this.chain = null;
    /** @type {Account | null} */
    this.account = null;
    this.outbox = new Outbox((block) => this.send(block));
    /** @type {Promise<any>} */
    this.loaded = Promise.resolve();
    /** @type {MediaStreamAudioSourceNode | null} */
    this.source = null;
    /** @type {import("./engine/inputs.js").Opened | null} */
    this.opened = null;
    this.judged = 0; // reports of sound, both sides the same so far; negative once they were not
    this.trouble = this.failure = ""; // with the source, with the audio thread
    this.told = this.turn = 0;
    /** @type {number | null | undefined} */
    this.measured = undefined; // seconds of the chain; null if they were not found
    this.aside = false; // a Worker separates
    this.late = 0; // hops by which it is late
    /** @type {Map<string, {rows: Rows, put: (first: number, bytes: Uint8Array) => void}>} */
    this.viewers = new Map();
    this.report = NOTHING;
    this.ending = new AbortController();
    this.ended = { signal: this.ending.signal };
  }

  /** Follows the model from now on, and gets the audio thread ready meanwhile. */
  start() {
    const { model } = this;
    this.follow();
    onChange(model, ["running", "owner", "source", "heard"], () => this.obey());
    model.on("change:heard", () => this.list());
    model.on("change:_model", () => (this.loaded = this.loaded.then(() => this.exchange()).catch((error) => (this.failure = error.message))));
    model.on("comm_live_update", () => this.checkKernel());
    navigator.mediaDevices?.addEventListener("devicechange", () => this.list(), this.ended);
    this.loaded = this.load().catch((error) => (this.failure = error.message));
    this.list();
    this.obey();
  }

  /** What separates as the model says, fetched once for all of this page. */
  async engine() {
    const { model } = this;
    return (page().engines[model.get("_model")] ??= await fetchEngine(model));
  }

  async load() {
    const { model } = this;
    const engine = await this.engine();
    const context = await listening(engine.card.sample_rate, model.get("_worklet"), engine.text);
    const voice = await separating(context, engine);
    if (this.ending.signal.aborted) return void context.close();
    // The input is never heard aloud by itself: loudspeaker and microphone would howl.
    const monitor = new GainNode(context, { gain: 0 });
    this.chain = { context, voice, master: new Master(context), monitor, engine };
    this.wire(this.chain);
    this.speak(this.chain, voice);
    if (voice.load > HEAVY) await this.stepAside(this.chain);
    page().players.set(model.get("_key"), this.shown(this.chain));
  }

  /** @param {Chain} chain */
  wire({ context, master, monitor }) {
    const { model } = this;
    master.output.connect(monitor).connect(context.destination);
    const loud = () => monitor.gain.setTargetAtTime(model.get("aloud") ? 1 : 0, context.currentTime, 0.005);
    const level = () => master.setLevel(model.get("master"));
    model.on("change:master", level);
    model.on("change:aloud", loud);
    model.on("change:recording", () => this.order({ mark: model.get("recording") }));
    model.on("change:_kept", () => this.keep());
    model.on("msg:custom", ({ kind }) => {
      if (kind === "taken") this.outbox.acknowledge();
      if (kind === "measure") this.measure();
    });
    level();
    loud();
  }

  /** Has the chain separated by a voice from now on; its clock goes on. @param {Chain} chain @param {Voice} voice */
  speak(chain, voice) {
    chain.voice = voice;
    for (const port of new Set([voice.port, voice.node.port])) port.onmessage = ({ data }) => this.heed(data);
    voice.node.connect(chain.master.input);
    this.late = 0;
    this.order({ time: this.report.time });
    this.applyGains();
    this.keep();
    for (const viewer of this.viewers.keys()) this.show(viewer);
    if (this.source) this.order({ begin: this.turn });
    this.source?.connect(voice.node);
  }

  /** Lets a Worker separate where the audio thread is too slow; its stems come later. @param {Chain} chain */
  async stepAside(chain) {
    this.aside = true;
    this.replace(chain, await separatingAside(chain.context, chain.engine));
  }

  /** Lets another network take over. */
  async exchange() {
    const { chain } = this;
    const engine = await this.engine();
    if (!chain || engine === chain.engine || this.ending.signal.aborted) return;
    const voice = await (this.aside ? separatingAside : separating)(chain.context, engine);
    chain.engine = engine;
    this.account &&= new Account(engine.card, chain.context);
    this.replace(chain, voice);
  }

  /** @param {Chain} chain @param {Voice} voice */
  replace(chain, voice) {
    this.silence(chain);
    this.source?.disconnect();
    this.speak(chain, voice);
  }

  /** Ends what separates. @param {Chain} chain */
  silence({ voice: { node, port } }) {
    this.order({ close: true });
    node.disconnect();
    if (port instanceof Worker) port.terminate();
  }

  /** Tells what separates. @param {object} order */
  order(order) {
    if (!this.chain) return;
    const { port, node } = this.chain.voice;
    for (const one of new Set([port, node.port])) one.postMessage(order);
  }

  /** @param {any} told by what separates */
  heed(told) {
    if ("run" in told) this.hear(told);
    else if ("view" in told) this.viewers.get(told.view)?.put(told.first, told.cells);
    else if ("late" in told) this.late = told.late;
    else if ("gap" in told) this.account?.miss();
    else this.outbox.put(told);
  }

  /** What other widgets of this page may know. @param {Chain} chain */
  shown({ context, master }) {
    const live = this;
    return {
      output: master.output, context, live,
      now: () => live.report.time,
      gains: () => live.gains(),
      get playing() {
        return live.playing;
      },
    };
  }

  /** Tells which sources there are. */
  async list() {
    const names = (await inputs()).map(({ label }) => label);
    const heard = this.model.get("heard") ? [HEARD] : [];
    this.set({ sources: [MICROPHONE, ...names, TAB, ...heard] });
  }

  applyGains() {
    this.order({ gains: this.pairs() });
  }

  /**
   * Has a picture's columns handed on as they are made, to a viewer of some name; with no rows no more.
   * @param {string} viewer @param {Rows | null} rows
   * @param {(first: number, bytes: Uint8Array) => void} put
   */
  watch(viewer, rows, put) {
    if (rows) this.viewers.set(viewer, { rows, put });
    else this.viewers.delete(viewer);
    this.show(viewer);
  }

  /** Has a picture's columns made by the network whose frames they are; it may still be on its way. @param {string} viewer */
  show(viewer) {
    const rows = this.viewers.get(viewer)?.rows;
    this.order({ view: viewer, rows: rows?.network === this.chain?.engine.card.sha256 ? rows : null });
  }

  /** Has blocks of all that is separated sent to the kernel, if it wants them; each time they are a line of their own. */
  keep() {
    const keep = this.model.get("_kept");
    this.order({ keep: keep ? unique() : "" });
    if (keep && this.model.get("recording")) this.order({ mark: true });
  }

  /** @param {import("./engine/live/outbox.js").Block} block */
  send(block) {
    if ("mark" in block) this.model.send({ kind: "mark", on: block.mark });
    else this.model.send({ kind: "sound", line: block.line, start: block.start }, undefined, [block.sound]);
  }

  /** @param {Report} report */
  hear(report) {
    if (report.run !== this.turn) return;
    this.report = report;
    this.account?.hear(report.took);
    if (report.wide > 0) this.judged = -1;
    else if (report.input > 0.001 && this.judged >= 0) this.judged++;
    const time = performance.now();
    if (!this.source || time - this.told < TOLD) return;
    this.told = time;
    this.tell();
  }

  /** Renews the account. */
  tell() {
    const { account, measured } = this;
    if (!account) return;
    const device = /** @type {any} */ (this.track?.getSettings());
    const parts = account.parts(device?.latency ?? null, this.late);
    if (account.heavy && !this.aside && this.chain) this.stepAside(this.chain);
    this.set({ dropouts: account.gaps, account: measured === undefined ? parts : { ...parts, measured } });
  }

  /** Plays a hiss into the chain and tells after how long it came out. */
  async measure() {
    const { chain, source } = this;
    if (!source || !chain) return;
    this.measured = await measure(chain.context, chain.voice.node, chain.master.output);
    this.tell();
  }

  get rate() {
    return this.model.get("rate");
  }

  /** Whether stems are played. */
  get playing() {
    return this.source !== null && this.report.run === this.turn && this.report.heard > 0;
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
    if (turn !== this.turn || !this.model.get("running")) return;
    if (!this.model.get("owner")) return this.set({ owner: page().page });
    if (!this.mine) return;
    this.trouble = "";
    try {
      const opened = await open(this.model);
      await this.loaded;
      if (turn === this.turn && this.chain) this.connect(opened, this.chain);
      else release(opened);
    } catch (error) {
      if (turn === this.turn) this.fail(reason(error, this.model.get("source")));
    }
  }

  /** @param {import("./engine/inputs.js").Opened} opened @param {Chain} chain */
  connect(opened, { context, voice, engine }) {
    const { stream } = (this.opened = opened);
    const { track } = this;
    if (!track || track.readyState === "ended") throw new Error("it has no sound, or has ended.");
    track.onended = () => this.fail("The source has ended: it was unplugged, or its tab was closed. Press Start when it is back.");
    this.list();
    this.judged = 0;
    this.report = { ...NOTHING, time: this.report.time };
    this.account = new Account(engine.card, context);
    this.order({ begin: this.turn });
    this.source = context.createMediaStreamSource(stream);
    this.source.connect(voice.node);
    context.resume();
  }

  disconnect() {
    this.source?.disconnect();
    this.source = null;
    if (this.track) this.track.onended = null;
    if (this.opened) release(this.opened);
    this.opened = null;
    this.chain?.context.suspend(); // silence need not be separated
  }

  /** @param {string} trouble */
  fail(trouble) {
    this.disconnect();
    this.trouble = trouble;
    this.set({ running: false });
  }

  /** The sound does not need the kernel. */
  async checkKernel() {
    const model = await this.model.widget_manager.get_model(this.model.get("_key"));
    this.dead = !(/** @type {any} */ (model).comm_live);
    if (!this.dead) return;
    this.order({ keep: "" });
    this.outbox = new Outbox((block) => this.send(block));
  }

  /** One plain sentence on what is wrong, or "". */
  complaint() {
    const { model } = this;
    if (model.get("error") || this.failure || this.trouble) return model.get("error") || this.failure || this.trouble;
    if (this.dead) return this.mourning();
    if (model.get("running") && !this.mine) return "Another page is listening: press Start to listen here instead.";
    if (this.source && this.chain?.context.state === "suspended") return "The browser needs a click before it listens: click here.";
    return model.get("notice");
  }

  /** What a kernel that has stopped means. */
  mourning() {
    if (!this.chain) return "The kernel has stopped: run the cell again.";
    const taken = this.model.get("recording") ? `what was recorded is in ${this.model.get("folder")}` : "nothing can be recorded";
    return `The kernel has stopped: the sound goes on, ${taken}. Run the cell again.`;
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
      ...(this.report.healed ? [`${this.report.healed} samples were no numbers and are silent`] : []),
      ...(this.aside ? ["this machine is slow: separated beside the audio thread, and later"] : []),
      ...(this.account?.interrupted && !this.aside ? [INTERRUPTED] : []),
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
    if (this.chain) this.silence(this.chain);
    this.chain?.context.close();
  }
}

/** @param {import("./engine/inputs.js").Opened} opened */
function release({ stream, own }) {
  if (own) for (const track of stream.getTracks()) track.stop();
}

/** @type {Map<string, Live>} */
const LIVES = new Map();

/** @param {{model: Model}} props */
function initialize({ model }) {
  if (!model.get("rate")) return undefined;
  const live = new Live(model);
  LIVES.set(model.get("_key"), live);
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
  const stop = new LiveFace(live, el).start();
  live.views++;
  return () => {
    stop();
    if (--live.views === 0 && live.mine) live.set({ running: false });
  };
}

export default { initialize, render };
