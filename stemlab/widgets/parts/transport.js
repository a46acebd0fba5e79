// Joins a player's model in the kernel with a Deck of the engine.

import { Deck, Master, page } from "../engine/output.js";
import { onChange } from "./changes.js";
import { Faders } from "./faders.js";

/** @typedef {import("@anywidget/types").AnyModel<any>} Model */

const SHOWN = 100; // ms between two positions on the model
const SAVED = 250; // ms between two positions to the kernel
const APP = "voila" in document.body.dataset; // a page without code
const UNANSWERED = 1.5; // seconds after which a silent kernel is mentioned

/** One player on this page: obeys the model's traits, keeps position and health up to date. */
export class Player extends Faders {
  /**
   * @param {Model} model @param {AudioContext} context
   * @param {typeof Deck} Engine @param {Master} master what the mix goes through @param {AudioNode} outlet where it goes to
   */
  constructor(model, context, Engine = Deck, master = new Master(context), outlet = context.destination) {
    super(model);
    this.context = context;
    this.views = 0;
    this.dead = false;
    this.shown = this.saved = 0;
    const song = { stems: this.stems.length, length: model.get("_length"), block: model.get("_block"), rate: context.sampleRate };
    this.deck = new Engine(context, song,
      (wish) => model.send({ kind: "want", ...wish }),
      (line) => model.send({ kind: "hang up", line }));
    this.deck.onreport = () => this.tick();
    this.deck.onend = () => this.set({ playing: false, position: model.get("duration") });
    this.master = master;
    master.take(this.deck.mixer);
    this.sink = context.createMediaStreamDestination();
    master.output.connect(outlet);
    master.output.connect(this.sink);
  }

  /** Follows the model from now on. */
  start() {
    const { model, deck, master } = this;
    this.follow();
    model.on("change:master", () => master.setLevel(model.get("master")));
    onChange(model, ["playing", "owner"], () => this.obey());
    model.on("change:loop", () => this.applyLoop());
    model.on("change:_stream", () => this.lend());
    model.on("msg:custom", (message, buffers) => this.hear(message, buffers));
    model.on("comm_live_update", () => this.checkKernel());
    master.setLevel(model.get("master"));
    this.applyLoop();
    deck.seek(model.get("position"));
    this.lend().then(() => this.set({ ready: true }));
    this.obey();
  }

  /** @param {any} message @param {DataView[]} buffers */
  hear(message, buffers) {
    if (message.kind === "seek") this.deck.seek(message.to);
    if (message.kind === "replaced") this.deck.replace();
    if (message.line !== this.deck.line) return;
    this.deck.acknowledge();
    if (message.kind !== "block") return;
    const { buffer, byteOffset, byteLength } = buffers[0];
    this.deck.load(message.index, new Int16Array(buffer.slice(byteOffset, byteOffset + byteLength)), message.whole);
  }

  applyGains() {
    this.deck.setGains(this.pairs());
  }

  /** No sound comes for what is ahead of the song. */
  applyLoop() {
    const [a, b] = this.model.get("loop");
    const start = Math.max(0, a);
    this.deck.loop(b > start ? [start, b] : null);
  }

  /** Only the tab in which Play was pressed sounds; a tab takes over what belongs to none. */
  get mine() {
    return this.model.get("owner") === page().page;
  }

  obey() {
    if (this.model.get("playing") && !this.model.get("owner")) this.set({ owner: page().page });
    const play = !this.dead && this.model.get("playing") && this.mine;
    if (play === this.deck.playing) return;
    if (play) {
      this.context.resume();
      this.deck.play(this.entry());
    } else this.deck.pause();
  }

  /** When to start, in seconds of the context's clock; 0 is at once. */
  entry() {
    return 0;
  }

  toggle() {
    const play = !(this.model.get("playing") && this.mine);
    this.set({ playing: play, owner: page().page, position: this.deck.now() });
    this.context.resume();
  }

  /** @param {number} seconds */
  seek(seconds) {
    const to = Math.min(Math.max(seconds, 0), this.model.get("duration"));
    this.deck.seek(to);
    this.set({ position: to });
  }

  /** Keeps the model's position near the audio clock's, and the kernel's near the model's. */
  tick() {
    const time = performance.now();
    if (!this.deck.playing || time - this.shown < SHOWN) return;
    this.shown = time;
    this.model.set("position", this.deck.now());
    if (time - this.saved < SAVED) return;
    this.saved = time;
    this.model.save_changes();
  }

  /** Lends the sound to ipywebrtc's MediaStream that Python made for it. */
  async lend() {
    const name = this.model.get("_stream");
    if (!name) return;
    const stream = await this.model.widget_manager.get_model(name.replace("IPY_MODEL_", ""));
    Object.assign(stream, { captureStream: async () => this.sink.stream });
  }

  /** A kernel that was restarted or died has taken the song with it. */
  async checkKernel() {
    const model = await this.model.widget_manager.get_model(this.model.get("_key"));
    this.dead = !(/** @type {any} */ (model).comm_live);
    this.obey();
  }

  close() {
    this.deck.pause();
    this.deck.close();
    this.master.close();
  }

  /** What anything else on the page may use. @returns {import("../engine/output.js").Live} */
  get live() {
    const { deck, context, master } = this;
    return {
      now: () => deck.now(),
      gains: () => this.gains(),
      get playing() {
        return deck.playing;
      },
      seek: (seconds) => this.seek(seconds),
      output: master.output,
      manager: this.model.widget_manager,
      context,
    };
  }

  /** One plain sentence on what is wrong, or "". */
  complaint() {
    if (this.model.get("error")) return this.model.get("error");
    if (this.dead) return APP ? "This app has stopped: load the page again." : "The kernel has stopped: run the cell again.";
    if (this.context.state === "suspended" && this.deck.playing) return "The browser needs a click before it plays sound: click here.";
    if (this.model.get("playing") && !this.mine) return "Playing in another tab: press Play to hear it here.";
    if (this.deck.silence() > UNANSWERED)
      return `${APP ? "This app does not answer" : "The kernel does not answer; it may be busy with a cell"}. What is buffered plays on.`;
    return this.late();
  }

  /** Says why faders do not act: before a part is separated, the original is heard. */
  late() {
    const { raw } = this.deck.report;
    if (!this.deck.playing || !raw || this.pairs().flat().every((gain) => gain === 1)) return "";
    const speed = this.model.get("speed");
    return speed > 0 && speed < 1.1
      ? `The original plays: this machine separates at ${speed.toFixed(1)} × real time, too slow to play along.`
      : "The original plays until this part is separated: then the faders act.";
  }

  /** How it is, in a word. */
  health() {
    const share = this.model.get("separated");
    return share < 1 ? `${Math.floor(100 * share)} % separated` : "Ready";
  }

  /** How it is, in figures. */
  details() {
    const { underruns } = this.deck.report;
    const speed = this.model.get("speed");
    const share = this.model.get("separated");
    return [
      `${this.deck.buffered().toFixed(0)} s buffered`,
      `${underruns} underrun${underruns === 1 ? "" : "s"}`,
      share < 1 ? `${Math.floor(100 * share)} % separated` : "separated",
      ...(speed ? [`${speed.toFixed(0)} × real time`] : []),
    ].join(" · ");
  }
}
