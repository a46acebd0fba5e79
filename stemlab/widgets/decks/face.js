// The decks as one sees and steers them: both decks, the mixer, what is saved, the crate, the keyboard.

import { audio, page } from "../engine/output.js";
import { onChange } from "../parts/changes.js";
import { button, element, frames, say, watchWidth } from "../parts/controls.js";
import { answer, keepKeys } from "../parts/keys.js";
import { Console, SIDES } from "./console.js";
import { Crate, takesFiles } from "./crate.js";
import { DeckFace } from "./deck.js";
import { fits } from "./harmony.js";
import { MixerFace } from "./mixer.js";
import { SaveFace } from "./saving.js";
import { keyList, shortcut } from "./shortcuts.js";
import { toolbar } from "./toolbar.js";
import { REACH } from "./turntable.js";

/** @typedef {import("@anywidget/types").AnyModel<any>} Model */

const RATE = 44100;
const SHOWN_TRAITS = [
  "levels", "mutes", "solos", "playing", "owner", "loop", "overview", "bpm", "first_beat", "metre", "knots", "key", "tempo", "semitones", "cents", "tuning", "stem_filters",
  "synced", "cue", "cues", "last_loop", "quantise", "slip", "trim", "loudness", "autogain", "zoom", "eq", "kills", "filter", "pfl",
  "listening", "crossfader", "curve", "master", "beats", "folder", "folders", "songs", "preparing",
  "error", "out", "kind", "recording", "note",
];

const UPLOADED = 1 << 20; // bytes of a file that are sent at once

/** Sends files to the kernel, the last of them for a deck or, with "", for the crate. @param {Model} model @param {FileList} files @param {string} side */
async function upload(model, files, side) {
  for (const file of files)
    for (let at = 0; at < file.size; at += UPLOADED) {
      const piece = await file.slice(at, at + UPLOADED).arrayBuffer();
      const facts = { name: file.name, first: at === 0, last: at + UPLOADED >= file.size };
      model.send({ kind: "dropped", side: file === files[files.length - 1] ? side : "", ...facts }, undefined, [piece]);
    }
}

/** The first tab stop below a node. @param {HTMLElement} node */
const firstStop = (node) =>
  [.../** @type {NodeListOf<HTMLElement>} */ (node.querySelectorAll("button, input, select"))].find((one) => one.tabIndex === 0 && one.checkVisibility());

/** All of it, made anew when a song is loaded. */
class Face {
  /** @param {Console} desk @param {HTMLElement} el */
  constructor(desk, el) {
    this.desk = desk;
    this.root = element("div", {
      class: "stemlab-player stemlab-decks", tabindex: "0", role: "group", "aria-label": "Decks",
      onkeydown: (/** @type {KeyboardEvent} */ event) => answer(event, () => (this.crate ? shortcut(event, desk, this.crate) : undefined)),
      onpointerdown: () => desk.context.resume(),
    });
    el.append(this.root);
    /** @type {(DeckFace | null)[]} */
    this.faces = [];
    /** @type {Crate | null} */
    this.crate = null;
    /** @type {(() => void)[]} */
    this.stops = [];
    this.unwatch = watchWidth(this.root, [640, 960, 1100], () => this.faces.forEach((face) => face && (face.dirty = true)));
    this.advice = "";
    this.built = 0; // how often
    this.keys = keyList();
    this.browsed = (/** @type {any} */ message) => message.kind === "browsed" && this.crate?.picker.show(message.path, message.names);
    desk.model.on("msg:custom", this.browsed);
    this.leave = desk.midi.join(this.root, (words) => (this.advice = words));
  }

  async build() {
    const { desk } = this;
    const turn = ++this.built;
    this.faces = desk.tables.map((table, i) => table && new DeckFace(table, SIDES[i].toUpperCase(), desk.model));
    this.mixer = new MixerFace(desk, () => desk.midi.learn(), (words) => (this.advice = words), this.keys);
    this.saving = new SaveFace(desk);
    this.crate ??= new Crate({
      look: (folder) => desk.set({ folder }),
      browse: (path) => desk.model.send({ kind: "browse", path }),
      keep: () => desk.model.send({ kind: "export history" }),
      drop: (files, side) => upload(desk.model, files, side),
      goes: (song) => this.goes(song),
      load: (side, path) => desk.model.send({ kind: "load", side, path }),
      prepare: (paths) => desk.model.send({ kind: "prepare", paths }),
      cancel: (paths) => desk.model.send({ kind: "cancel", paths }),
    });
    this.told = element("div", { class: "complaint", role: "alert" });
    const [a, b] = await Promise.all(this.faces.map((face, i) => face?.node ?? this.empty(i)));
    if (turn !== this.built) return; // another song came meanwhile
    [a, b].forEach((node, i) => takesFiles(node, (files) => upload(desk.model, files, SIDES[i])));
    const held = this.root.contains(document.activeElement) ? document.activeElement : null;
    this.root.replaceChildren(this.leaps(a, b),
      element("div", { class: "closeups" }, ...this.faces.flatMap((face) => (face ? [face.closeup.node] : [])), this.zoom()),
      element("div", { class: "table" }, a, this.mixer.node, b), this.keys, this.told, this.crate.node, this.saving.node);
    if (held) /** @type {HTMLElement} */ (held.isConnected ? held : this.root).focus(); // what is moved loses it
    this.follow();
  }

  /** For the keyboard: straight to a part. @param {HTMLElement} a deck @param {HTMLElement} b deck */
  leaps(a, b) {
    const { mixer, crate, saving } = this;
    const parts = { "Deck A": a, "Deck B": b, Mixer: mixer?.node, Crossfader: mixer?.crossing, Crate: crate?.node, Save: saving?.node };
    const leap = (/** @type {HTMLElement | undefined} */ part) => () => part && firstStop(part)?.focus();
    const node = toolbar("Go to", ...Object.entries(parts).map(([name, part]) => button(`Go to: ${name}`, name, leap(part))));
    node.classList.add("leaps");
    return node;
  }

  /** Shows fewer or more seconds of both songs close up. */
  zoom() {
    const { desk } = this;
    const by = (/** @type {number} */ factor) => () => desk.set({ zoom: Math.min(64, Math.max(1, desk.model.get("zoom") * factor)) });
    const node = toolbar("Zoom", button("Zoom out", "−", by(2)), button("Zoom in", "+", by(0.5)));
    node.classList.add("zoom");
    return node;
  }

  /** Whether a song goes with what plays, or else with what is on the decks. @param {import("./crate.js").Entry} song */
  goes({ bpm, key }) {
    const tables = this.desk.tables.filter((table) => table !== null);
    const playing = tables.filter((table) => table.deck.playing);
    return (playing.length ? playing : tables).every((table) => {
      const ratio = table.bpm / bpm;
      const tempo = ratio * 2 ** -Math.round(Math.log2(ratio));
      return tempo >= REACH.min && tempo <= REACH.max && fits(key, table.heard);
    });
  }

  /** What stands where no song is. @param {number} i side */
  async empty(i) {
    const name = this.desk.model.get(SIDES[i]);
    const deck = name && (await this.desk.model.widget_manager.get_model(name.replace("IPY_MODEL_", "")));
    const words = deck?.get("error") || "No song on this deck.";
    return element("section", { class: "deck none", role: "group", "aria-label": `Deck ${SIDES[i].toUpperCase()}` }, words);
  }

  /** Shows what the models say, now and when it changes. */
  follow() {
    for (const stop of this.stops) stop();
    const models = [this.desk.model, ...this.faces.flatMap((face) => (face ? [face.model] : []))];
    const show = () => {
      for (const face of [...this.faces, this.mixer, this.saving]) face?.show();
      const [folder, folders, songs, preparing, error] = ["folder", "folders", "songs", "preparing", "error"].map((name) => this.desk.model.get(name));
      this.crate?.show(folder, folders, songs, preparing, error);
    };
    this.stops = models.map((model) => onChange(model, SHOWN_TRAITS, show));
    show();
  }

  /** @returns {() => void} stops it */
  start() {
    const build = () => this.build();
    build();
    this.desk.loaded.add(build);
    const stop = frames((ms) => this.draw(ms));
    return () => {
      stop();
      this.desk.loaded.delete(build);
      this.unwatch();
      this.desk.model.off("msg:custom", this.browsed);
      for (const one of this.stops) one();
      this.leave();
    };
  }

  /** @param {number} time ms */
  draw(time) {
    this.faces.forEach((face) => face?.draw(time));
    this.mixer?.draw();
    if (this.told) say(this.told, [this.advice, ...this.faces.map((face) => face?.complaint())].filter(Boolean).join(" "));
  }
}

/** @type {Map<string, Console>} */
const CONSOLES = new Map();

/** The processor of a deck, once a page. @param {AudioContext} context @param {string} text */
function loadStretch(context, text) {
  const url = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
  return (page().stretch ??= context.audioWorklet.addModule(url));
}

/** @param {{model: Model}} props */
async function initialize({ model }) {
  const context = await audio(model.get("_worklet"), RATE);
  await loadStretch(context, model.get("_stretch"));
  const desk = new Console(model, context);
  CONSOLES.set(model.get("_key"), desk);
  page().players.set(model.get("_key"), { output: desk.master.output, phones: desk.phones.input, context });
  await desk.start();
  return () => {
    desk.close();
    CONSOLES.delete(model.get("_key"));
    page().players.delete(model.get("_key"));
  };
}

/** @param {{model: Model, el: HTMLElement}} props */
function render({ model, el }) {
  const desk = CONSOLES.get(model.get("_key"));
  if (!desk) return undefined;
  keepKeys();
  const stop = new Face(desk, el).start();
  desk.views++;
  return () => {
    stop();
    if (--desk.views === 0) for (const table of desk.tables) table?.set({ playing: false });
  };
}

export default { initialize, render };
