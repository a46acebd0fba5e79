// Both decks as they sound: two turntables, the crossfader, the master and the headphones.

import { Master, page } from "../engine/output.js";
import { Phones } from "../engine/phones.js";
import { onChange } from "../parts/changes.js";
import { Recorder } from "../parts/recorder.js";
import { glide } from "./channel.js";
import { CURVES, shares } from "./curves.js";
import { Midi } from "./midi.js";
import { Turntable } from "./turntable.js";

/** @typedef {import("@anywidget/types").AnyModel<any>} Model */

export const SIDES = /** @type {const} */ (["a", "b"]);

/** Both decks as they sound. */
export class Console {
  /** @param {Model} model @param {AudioContext} context */
  constructor(model, context) {
    this.model = model;
    this.context = context;
    this.views = 0;
    this.master = new Master(context);
    this.master.output.connect(context.destination);
    this.buses = SIDES.map(() => context.createGain());
    for (const bus of this.buses) bus.connect(this.master.input);
    this.phones = new Phones(context);
    this.recorder = new Recorder(model, page().page, () => this.lend());
    this.midi = new Midi();
    /** @type {(Turntable | null)[]} */
    this.tables = [null, null];
    /** @type {MediaStreamAudioDestinationNode | null} */
    this.sink = null;
    /** Called when a song has come or gone. @type {Set<() => void>} */
    this.loaded = new Set();
  }

  async start() {
    const { model } = this;
    onChange(model, ["crossfader", "curve"], () => this.fade());
    onChange(model, ["autogain", "target"], () => this.level());
    model.on("change:_stream", () => this.lend());
    onChange(model, ["recording", "_recorder"], () => this.recorder.obey());
    model.on("change:master", () => this.master.setLevel(model.get("master")));
    model.on("msg:custom", (message) => message.kind === "together" && this.together());
    SIDES.forEach((side, i) => model.on(`change:${side}`, () => this.load(i)));
    this.master.setLevel(model.get("master"));
    this.fade();
    this.lend();
    this.recorder.resume();
    await Promise.all(SIDES.map((_, i) => this.load(i)));
  }

  /** Lends the sound to ipywebrtc's MediaStream that Python made for it. */
  async lend() {
    const name = this.model.get("_stream");
    if (!name) return;
    this.sink ??= this.context.createMediaStreamDestination();
    const { stream } = this.sink;
    this.master.output.connect(this.sink);
    const model = await this.model.widget_manager.get_model(name.replace("IPY_MODEL_", ""));
    Object.assign(model, { captureStream: async () => stream });
  }

  /** @param {number} i side */
  async load(i) {
    this.eject(i);
    const name = this.model.get(SIDES[i]);
    const deck = name && (await this.model.widget_manager.get_model(name.replace("IPY_MODEL_", "")));
    if (deck?.get("_length")) {
      const table = new Turntable(deck, this.context, this.buses[i], this.phones.input);
      this.tables[i] = table;
      page().players.set(deck.get("_key"), table.live);
      // One that ends before the console, or is taken off it, must tell its kernel nothing more.
      deck.on("destroy", () => this.tables[i] === table && this.eject(i));
    }
    this.level();
    this.fade();
    const [a, b] = this.tables;
    if (a) a.partner = b;
    if (b) b.partner = a;
    this.tables[i]?.start();
    for (const tell of this.loaded) tell();
  }

  /** @param {number} i side */
  eject(i) {
    const table = this.tables[i];
    if (!table) return;
    table.close();
    page().players.delete(table.model.get("_key"));
    if (table.partner) table.partner.partner = null;
    this.tables[i] = null;
  }

  /** Tells the decks how loud songs are to be. */
  level() {
    for (const table of this.tables) {
      if (!table) continue;
      table.target = this.model.get("autogain") ? this.model.get("target") : 0;
      table.level();
    }
  }

  fade() {
    const [curve, x] = ["curve", "crossfader"].map((name) => this.model.get(name));
    const gains = CURVES[curve](x);
    this.buses.forEach((bus, i) => glide(bus.gain, gains[i], this.context));
    this.tables.forEach((table, i) => table?.channel.cross(table.stems.map((stem) => shares(curve, x, stem)[i])));
  }

  /** Sets traits here and in the kernel. @param {Record<string, any>} traits */
  set(traits) {
    for (const [name, value] of Object.entries(traits)) this.model.set(name, value);
    this.model.save_changes();
  }

  /** Starts both decks at one sample; one that plays already plays on. */
  together() {
    this.context.resume();
    const at = this.context.currentTime + 0.1;
    for (const table of this.tables) {
      if (!table || table.deck.playing) continue;
      table.deck.play(at);
      table.set({ playing: true, owner: page().page });
    }
    for (const table of this.tables) table?.pull();
  }

  /** Begins to record on this page, or ends. */
  record() {
    if (this.model.get("recording")) this.set({ recording: false });
    else this.set({ _recordist: page().page, recording: true });
  }

  /** Vocals of one side over the rest of the other. @param {number} top side */
  mashup(top) {
    const beats = this.model.get("beats");
    this.set({ crossfader: 0.5 });
    this.tables[top]?.blend("Acapella", beats);
    this.tables[1 - top]?.blend("Instrumental", beats);
  }

  close() {
    SIDES.forEach((_, i) => this.eject(i));
    this.recorder.close();
    for (const bus of this.buses) bus.disconnect();
    this.midi.close();
    this.phones.close();
    this.master.close();
  }
}
