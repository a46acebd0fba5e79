// The decks' page side: `Console` has two turntables, the crossfader, the master and the headphones; `Face` is what one sees.

import { audio, Master, page } from "../engine/output.js";
import { Closeup, CUE_HUES } from "./closeup.js";
import { button, clock, drawSong, element, frames, meter, percent, press, say, slider, waveform } from "../parts/controls.js";
import { keepKeys } from "../parts/keys.js";
import { Crate } from "./crate.js";
import { showFaders } from "../parts/faders.js";
import { Midi } from "./midi.js";
import { Phones } from "../engine/phones.js";
import { Recorder } from "../parts/recorder.js";
import { glide, PRESETS, Turntable } from "./turntable.js";

/** @typedef {import("@anywidget/types").AnyModel<any>} Model */

const RATE = 44100;
const SIDES = /** @type {const} */ (["a", "b"]);
const CALM = 2; // pictures between two of what does not scroll
const FINE_SHIFT = 0.01; // seconds by which the grid is moved
const SHOWN_TRAITS = [
  "levels", "mutes", "solos", "playing", "owner", "loop", "overview", "bpm", "first_beat", "key", "tempo", "semitones", "synced",
  "cue", "cues", "eq", "kills", "filter", "pfl", "listening", "crossfader", "curve", "master", "beats", "folder", "songs", "preparing",
  "error", "out", "kind", "recording", "note",
].map((name) => `change:${name}`).join(" ");
const LOOPS = [1, 2, 4, 8, 16, 32];
const JUMPS = [-4, -1, 1, 4];
const TONICS = ["C", "D♭", "D", "E♭", "E", "F", "F♯", "G", "A♭", "A", "B♭", "B"];
const KEYS = ["major", "minor"].flatMap((mode) => TONICS.map((tonic) => `${tonic} ${mode}`));

/** Gains of both sides for a crossfader at 0 to 1. @type {Record<string, (x: number) => [number, number]>} */
const CURVES = {
  "constant power": (x) => [Math.cos((x * Math.PI) / 2), Math.sin((x * Math.PI) / 2)],
  linear: (x) => [1 - x, x],
  cut: (x) => [Math.min(1, 20 * (1 - x)), Math.min(1, 20 * x)],
};

/** Both decks as they sound. */
class Console {
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
    /** @type {(Turntable | null)[]} */
    this.tables = [null, null];
    /** @type {MediaStreamAudioDestinationNode | null} */
    this.sink = null;
    this.onload = () => {};
  }

  async start() {
    const { model } = this;
    model.on("change:crossfader change:curve", () => this.fade());
    model.on("change:_stream", () => this.lend());
    model.on("change:recording change:_recorder", () => this.recorder.obey());
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
    }
    const [a, b] = this.tables;
    if (a) a.partner = b;
    if (b) b.partner = a;
    this.tables[i]?.start();
    this.onload();
  }

  /** @param {number} i side */
  eject(i) {
    const table = this.tables[i];
    if (!table) return;
    table.close();
    page().players.delete(table.model.get("_key"));
    this.tables[i] = null;
  }

  fade() {
    const gains = CURVES[this.model.get("curve")](this.model.get("crossfader"));
    this.buses.forEach((bus, i) => glide(bus.gain, gains[i], this.context));
  }

  /** Sets traits here and in the kernel. @param {Record<string, any>} traits */
  set(traits) {
    for (const [name, value] of Object.entries(traits)) this.model.set(name, value);
    this.model.save_changes();
  }

  /** Starts both decks at one sample. */
  together() {
    this.context.resume();
    const at = this.context.currentTime + 0.1;
    for (const table of this.tables) {
      table?.deck.play(at);
      table?.set({ playing: true, owner: page().page });
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
    this.phones.close();
    this.master.close();
  }
}

const signed = (/** @type {number} */ value, /** @type {number} */ digits, /** @type {string} */ unit) =>
  `${value < 0 ? "−" : value > 0 ? "+" : "±"}${Math.abs(value).toFixed(digits)}${unit}`;
const SCALES = {
  level: { min: 0, max: 1.5, rest: 1, step: 0.05, text: percent },
  tempo: { min: 0.84, max: 1.16, rest: 1, step: 0.001, text: (/** @type {number} */ value) => signed(100 * (value - 1), 1, " %") },
  eq: { min: -26, max: 6, rest: 0, step: 1, text: (/** @type {number} */ value) => signed(value, 0, " dB") },
  filter: { min: -1, max: 1, rest: 0, step: 0.05, text: (/** @type {number} */ value) =>
    Math.abs(value) < 0.01 ? "off" : `${percent(Math.abs(value))} ${value < 0 ? "low-pass" : "high-pass"}` },
  cross: { min: 0, max: 1, rest: 0.5, step: 0.05, text: (/** @type {number} */ value) => `${percent(value)} B` },
};

/** @param {string} key @param {number} semitones */
function shifted(key, semitones) {
  const [tonic, mode] = key.split(" ");
  return `${TONICS[(TONICS.indexOf(tonic) + semitones + 12) % 12]} ${mode}`;
}

/** The key's hour on the Camelot wheel. @param {string} key */
function camelot(key) {
  const [tonic, mode] = key.split(" ");
  const fifths = 7 * (TONICS.indexOf(tonic) - (mode === "minor" ? 9 : 0));
  return `${((((7 + fifths) % 12) + 12) % 12) + 1}${mode === "minor" ? "A" : "B"}`;
}

/** @param {string} name @param {(string | number)[]} options @param {(value: string) => void} choose */
function choice(name, options, choose) {
  const node = element("select", { "aria-label": name, title: name, onchange: () => choose(node.value) },
    ...options.map((option) => element("option", { value: option }, String(option))));
  return node;
}

/** @param {string} name @param {...(Node | string)} children */
const group = (name, ...children) => element("div", { class: "group", role: "group", "aria-label": name }, ...children);

/** The face of one deck. */
class DeckFace {
  /** @param {Turntable} table @param {string} letter @param {() => number} beats that a preset takes */
  constructor(table, letter, beats) {
    this.table = table;
    this.model = table.model;
    this.letter = letter;
    this.dirty = true;
    this.frame = 0;
    this.placed = "";
    /** @type {string[]} */
    this.colours = this.model.get("colours");
    this.closeup = new Closeup(table, letter, this.colours);
    this.wave = waveform({
      duration: this.model.get("duration"),
      seek: (seconds) => table.seek(seconds),
      mark: (a, b) => table.set({ loop: [table.snap(a), Math.max(table.snap(b), table.snap(a) + (table.beat || 0.1))] }),
    });
    this.wave.node.classList.add("overview");
    this.rows = table.stems.map((stem, s) => this.row(stem, s));
    this.presets = Object.keys(PRESETS)
      .filter((preset) => !preset.includes("rums") || table.stems.includes("drums"))
      .map((preset) => this.named(preset, preset, () => table.blend(preset, beats())));
    this.node = element("section", { class: `deck ${letter}`, role: "group", "aria-label": `Deck ${letter}` },
      this.head(), this.wave.node, this.transport(), this.pads(),
      element("div", { class: "stems" }, ...this.rows.map((row) => row.node)),
      element("div", { class: "line presets" }, ...this.presets), this.tempo(), this.grid());
  }

  /** A button of this deck. @param {string} name @param {string} face @param {() => void} act */
  named(name, face, act) {
    return button(`${name} ${this.letter}`, face, act);
  }

  head() {
    this.time = element("span", { class: "time", role: "timer", "aria-label": `Position ${this.letter}` });
    this.left = element("span", { class: "left", role: "timer", "aria-label": `Time left ${this.letter}` });
    this.bpm = element("span", { class: "bpm", "aria-label": `Tempo of deck ${this.letter}` });
    this.key = element("span", { class: "key" });
    return element("div", { class: "head-line" }, element("span", { class: "badge" }, this.letter),
      element("span", { class: "title" }, this.model.get("title") || "Untitled"),
      element("div", { class: "facts" }, this.bpm, this.key),
      element("div", { class: "clock" }, this.time, this.left));
  }

  transport() {
    const { table } = this;
    this.play = this.named("Play", "", () => table.toggle());
    this.play.className = "play";
    this.cue = this.named("Cue", "CUE", () => table.cue());
    this.cue.className = "cue";
    this.sync = this.named("Sync", "SYNC", () => table.sync());
    this.sync.className = "sync";
    return element("div", { class: "line transport" }, this.cue, this.play, this.sync,
      group("Nudge", this.held("Nudge slower", "−", -1), this.held("Nudge faster", "+", 1)),
      group("Hot cues", ...this.hotCues()));
  }

  /** A button that acts while it is held. @param {string} name @param {string} face @param {number} way */
  held(name, face, way) {
    const { table } = this;
    const node = this.named(name, face, () => {});
    node.addEventListener("pointerdown", (event) => {
      node.setPointerCapture(event.pointerId);
      table.nudge(way);
    });
    node.addEventListener("pointerup", () => table.nudge(0));
    node.addEventListener("pointercancel", () => table.nudge(0));
    return node;
  }

  pads() {
    const { table } = this;
    const jumps = JUMPS.map((beats) =>
      this.named(`Jump ${beats}`, beats < 0 ? `◂${-beats}` : `${beats}▸`, () => table.beatJump(beats)));
    this.loops = LOOPS.map((beats) => this.named(`Loop ${beats}`, String(beats), () => table.beatLoop(beats)));
    return element("div", { class: "line" }, element("span", { class: "label" }, "LOOP"), group("Loop", ...this.loops),
      group("Beat jump", ...jumps));
  }

  hotCues() {
    const { table } = this;
    this.pad = CUE_HUES.map((hue, i) => {
      const node = this.named(`Hot cue ${i + 1}`, String(i + 1), () => table.hotCue(i));
      node.style.setProperty("--hue", hue);
      node.title += ": press to mark or to jump, right-click to clear";
      node.addEventListener("contextmenu", (event) => {
        event.preventDefault();
        table.forget(i);
      });
      return node;
    });
    return this.pad;
  }

  /** @param {string} stem @param {number} s */
  row(stem, s) {
    const { table, letter } = this;
    const flip = (/** @type {"mutes" | "solos"} */ field) => table.change(field, s, !this.model.get(field)[s]);
    const mute = this.named(`Mute ${stem}`, "M", () => flip("mutes"));
    mute.className = "mute";
    const solo = this.named(`Solo ${stem}`, "S", () => flip("solos"));
    solo.className = "solo";
    const name = stem[0].toUpperCase() + stem.slice(1);
    const level = slider(`${name} level ${letter}`, SCALES.level, (value) => table.change("levels", s, value));
    const figure = element("output", { class: "figure" });
    const peak = meter();
    const node = element("div", { class: "row", role: "group", "aria-label": `${stem} ${letter}`, style: `--hue: ${this.colours[s]}` },
      element("span", { class: "name" }, name), mute, solo, level.input, figure, peak.node);
    return { node, mute, solo, level, figure, peak };
  }

  tempo() {
    const { table, letter, model } = this;
    this.fader = slider(`Tempo ${letter}`, SCALES.tempo, (value) => table.set({ tempo: value, synced: false }));
    this.tempoFigure = element("output", { class: "figure" });
    this.keyFigure = element("output", { class: "figure" });
    const step = (/** @type {number} */ way) => () =>
      table.set({ semitones: Math.min(6, Math.max(-6, model.get("semitones") + way)) });
    return element("div", { class: "line tempo" }, element("span", { class: "label" }, "TEMPO"), this.fader.input, this.tempoFigure,
      element("span", { class: "label" }, "KEY"), group("Key", this.named("Key down", "♭", step(-1)), this.named("Key up", "♯", step(1))),
      this.keyFigure);
  }

  grid() {
    const { table, letter, model } = this;
    this.keys = choice(`Key of the song ${letter}`, ["", ...KEYS], (key) => {
      model.set("key", key);
      model.save_changes();
    });
    const later = (/** @type {number} */ way) => () => table.shift(way * FINE_SHIFT);
    return element("div", { class: "line grid" }, element("span", { class: "label" }, "GRID"),
      group("Beat grid", this.named("Tap", "TAP", () => table.tap()), this.named("Double tempo", "×2", () => table.count(2)),
        this.named("Halve tempo", "÷2", () => table.count(0.5)), this.named("Grid earlier", "◂", later(-1)),
        this.named("Grid later", "▸", later(1)), this.named("First beat here", "1", () => table.downbeat())),
      this.keys);
  }

  /** Brings the controls in line with the model. */
  show() {
    const { model, table } = this;
    const cues = model.get("cues");
    showFaders(this.rows, model, table.gains());
    this.fader?.show(model.get("tempo"));
    if (this.tempoFigure) this.tempoFigure.textContent = SCALES.tempo.text(model.get("tempo"));
    if (this.keyFigure) this.keyFigure.textContent = signed(model.get("semitones"), 0, "");
    this.showRhythm();
    const sounding = model.get("playing") && table.mine;
    this.play?.setAttribute("aria-label", `${sounding ? "Pause" : "Play"} ${this.letter}`);
    this.play?.classList.toggle("on", sounding);
    if (this.sync) press(this.sync, model.get("synced"));
    this.loops?.forEach((node, i) => press(node, Math.abs(table.looped - LOOPS[i]) < 0.01));
    this.pad?.forEach((node, i) => press(node, cues[i] >= 0));
    this.wave.bracket(model.get("loop"));
    this.dirty = true;
  }

  showRhythm() {
    const { model, table, keys, bpm, key } = this;
    const name = model.get("key");
    if (keys) keys.value = name;
    if (bpm) bpm.textContent = table.beat ? table.bpm.toFixed(2) : model.get("listening") ? "…" : "–";
    if (!key) return;
    const heard = name && shifted(name, model.get("semitones"));
    key.textContent = heard ? `${camelot(heard)} · ${heard}` : "";
  }

  /** Draws what has changed: the close-up each time, the rest, which stands still, less often. @param {number} time ms */
  draw(time) {
    const { table, model } = this;
    const now = table.deck.now();
    if (this.dirty) this.closeup.dirty = true;
    this.closeup.draw(now, time);
    if (this.frame++ % CALM && !this.dirty) return;
    const { peaks, moving } = table.deck.report;
    this.rows.forEach((row, s) => row.peak.show(moving ? (peaks[s] ?? 0) : 0));
    this.sync?.classList.toggle("lost", table.lost);
    if (this.dirty)
      drawSong(this.wave.canvas, model.get("overview"), table.gains(), this.colours, getComputedStyle(this.node).getPropertyValue("--faint"));
    const place = clock(now);
    if (place !== this.placed || this.dirty) this.place(now);
    this.placed = place;
    this.dirty = false;
  }

  /** @param {number} now seconds */
  place(now) {
    this.wave.place(now);
    if (this.time) say(this.time, clock(now));
    if (this.left) say(this.left, `−${clock((this.model.get("duration") - now) / this.model.get("tempo"))}`);
  }

  /** One plain sentence on what is wrong, or "". */
  complaint() {
    const told = this.table.complaint();
    return told && `Deck ${this.letter}: ${told}`;
  }
}

/** The mixer between the decks: equalisers, filters, crossfader, mashups, master. */
class MixerFace {
  /** @param {Console} desk @param {() => void} learn @param {(words: string) => void} tell */
  constructor(desk, learn, tell) {
    this.desk = desk;
    this.learn = learn;
    this.tell = tell;
    this.model = desk.model;
    /** @type {(() => void)[]} */
    this.shows = [];
    this.node = element("section", { class: "mixer", role: "group", "aria-label": "Mixer" },
      this.together(), ...["High", "Mid", "Low"].map((band, i) => this.band(band, 2 - i)), this.filters(), this.phones(), this.mashups(),
      this.crossfader(), this.master());
  }

  together() {
    const both = button("Play both decks together", "▶ ▶", () => this.desk.together());
    both.className = "both";
    return both;
  }

  /** One line for both decks: what `make` makes for each, the name or a control between. @param {string | Node} name @param {(table: Turntable, letter: string) => Node[]} make */
  pair(name, make) {
    const [a, b] = this.desk.tables.map((table, i) =>
      element("div", { class: "half" }, ...(table ? make(table, SIDES[i].toUpperCase()) : [])));
    return element("div", { class: "pair" }, a, name instanceof Node ? name : element("span", { class: "label" }, name), b);
  }

  /** @param {string} name @param {number} i band */
  band(name, i) {
    return this.pair(name.toUpperCase(), (table, letter) => {
      const change = (/** @type {string} */ field, /** @type {any} */ value) => {
        const list = [...table.model.get(field)];
        list[i] = value;
        table.set({ [field]: list });
      };
      const { input, show } = slider(`${name} ${letter}`, SCALES.eq, (value) => change("eq", value));
      const kill = button(`Kill ${name.toLowerCase()} ${letter}`, "✕", () => change("kills", !table.model.get("kills")[i]));
      kill.className = "mute";
      this.shows.push(() => {
        show(table.model.get("eq")[i]);
        press(kill, table.model.get("kills")[i]);
      });
      return letter === "A" ? [input, kill] : [kill, input];
    });
  }

  filters() {
    return this.pair("FILTER", (table, letter) => {
      const { input, show } = slider(`Filter ${letter}`, SCALES.filter, (value) => table.set({ filter: value }));
      input.classList.add("two-sided");
      this.shows.push(() => show(table.model.get("filter")));
      return [input];
    });
  }

  /** What the headphones hear, ahead of crossfader and master, and where they are. */
  phones() {
    const { desk } = this;
    const option = (/** @type {string} */ value, /** @type {string} */ name) => element("option", { value }, name);
    const output = element("select", { class: "output", "aria-label": "Output of the headphones", title: "Output of the headphones",
      onchange: () => choose(output.value) });
    const pair = this.pair(output, (table, letter) => {
      const listen = button(`Headphones ${letter}`, "PFL", () => {
        const on = !table.model.get("pfl");
        table.set({ pfl: on });
        this.tell(on && !desk.phones.chosen ? "Choose the output of your headphones, beside PFL." : "");
      });
      listen.className = "pfl";
      this.shows.push(() => press(listen, table.model.get("pfl")));
      return [listen];
    });
    const list = () => {
      const { outputs, chosen } = desk.phones;
      output.replaceChildren(option("", "no headphones"), ...outputs.map(({ id, name }) => option(id, name)), option("?", "find outputs…"));
      output.value = chosen;
    };
    const choose = async (/** @type {string} */ id) => {
      this.tell(id === "?" ? await desk.phones.find() : await desk.phones.choose(id));
      list();
    };
    list();
    pair.classList.add("phones");
    return pair;
  }

  mashups() {
    const { desk, model } = this;
    const beats = choice("Beats a preset takes", [0, 1, 2, 4, 8, 16, 32], (value) => desk.set({ beats: Number(value) }));
    this.shows.push(() => (beats.value = String(model.get("beats"))));
    const over = (/** @type {number} */ top) => {
      const [voice, rest] = top ? ["B", "A"] : ["A", "B"];
      const name = `Vocals ${voice} + music ${rest}`;
      return button(name, name, () => desk.mashup(top));
    };
    return element("div", { class: "mashups" }, over(0), over(1), element("label", {}, "over ", beats, " beats"));
  }

  crossfader() {
    const { desk, model } = this;
    const { input, show } = slider("Crossfader", SCALES.cross, (value) => desk.set({ crossfader: value }));
    input.classList.add("cross");
    const curve = choice("Crossfader curve", Object.keys(CURVES), (value) => desk.set({ curve: value }));
    this.shows.push(() => {
      show(model.get("crossfader"));
      curve.value = model.get("curve");
    });
    return element("div", { class: "crossing" }, element("span", { class: "badge A" }, "A"), input,
      element("span", { class: "badge B" }, "B"),
      element("div", { class: "under" }, curve, button("Learn MIDI", "MIDI", this.learn)));
  }

  master() {
    const { desk, model } = this;
    const { input, show } = slider("Master level", SCALES.level, (value) => desk.set({ master: value }));
    this.meters = [meter(), meter()];
    this.limit = element("span", { class: "limit", role: "status", "aria-label": "Limiter" }, "LIMIT");
    this.limited = -1e9;
    this.shows.push(() => show(model.get("master")));
    return element("div", { class: "master" }, element("span", { class: "label" }, "MASTER"), input,
      ...this.meters.map((one) => one.node), this.limit);
  }

  show() {
    for (const show of this.shows) show();
  }

  draw() {
    const { master } = this.desk;
    const time = performance.now();
    this.meters?.forEach((one, side) => one.show(master.peaks[side]));
    if (master.gain < 0.995) this.limited = time;
    this.limit?.classList.toggle("on", time - (this.limited ?? 0) < 300);
  }
}

/** What is kept: a recording of the master, stems and mixes of the decks. */
class SaveFace {
  /** @param {Console} desk */
  constructor(desk) {
    this.desk = desk;
    this.record = button("Record", "● REC", () => desk.record());
    this.record.className = "record";
    this.what = element("select", { "aria-label": "What to save", title: "What to save" },
      ...desk.tables.flatMap((table, i) => (table ? this.parts(table, SIDES[i]) : [])));
    const save = button("Save", "Save", () => {
      const [side, ...what] = this.what.value.split(" ");
      desk.model.send({ kind: "save", side, what: what.join(" ") });
    });
    this.kind = choice("Format", ["wav", "flac"], (kind) => desk.set({ kind }));
    this.out = element("input", {
      type: "text", "aria-label": "Folder to save to", title: "Folder to save to", spellcheck: "false",
      onkeydown: (/** @type {KeyboardEvent} */ event) => event.stopPropagation(),
      onchange: () => desk.set({ out: this.out.value }),
    });
    this.note = element("div", { class: "note", role: "status", "aria-label": "Saved" });
    this.node = element("section", { class: "saving", role: "group", "aria-label": "Save" },
      element("div", { class: "line" }, this.record, this.what, save, this.kind, element("span", { class: "label" }, "TO"), this.out), this.note);
  }

  /** What can be saved of a deck. @param {Turntable} table @param {"a" | "b"} side */
  parts(table, side) {
    const names = [...table.stems.map((stem) => [stem, stem]), ["mix", "mix with the current faders"], ["stem.mp4", "all stems (.stem.mp4)"]];
    return names.map(([what, name]) => element("option", { value: `${side} ${what}` }, `${side.toUpperCase()}: ${name}`));
  }

  show() {
    const { model } = this.desk;
    const on = model.get("recording");
    press(this.record, on);
    this.record.setAttribute("aria-label", on ? "Stop recording" : "Record");
    this.kind.value = model.get("kind");
    if (document.activeElement !== this.out) this.out.value = model.get("out");
    this.note.textContent = model.get("note");
  }
}

/** All of it, made anew when a song is loaded. */
class Face {
  /** @param {Console} desk @param {HTMLElement} el */
  constructor(desk, el) {
    this.desk = desk;
    this.root = element("div", {
      class: "stemlab-player stemlab-decks", tabindex: "0", role: "group", "aria-label": "Decks",
      onkeydown: (/** @type {KeyboardEvent} */ event) => this.key(event),
      onpointerdown: () => desk.context.resume(),
    });
    el.append(element("div", { class: "stemlab-frame" }, this.root));
    /** @type {(DeckFace | null)[]} */
    this.faces = [];
    /** @type {Crate | null} */
    this.crate = null;
    /** @type {(() => void)[]} */
    this.stops = [];
    this.resize = new ResizeObserver(() => this.faces.forEach((face) => face && (face.dirty = true)));
    this.resize.observe(this.root);
    this.advice = "";
    this.midi = new Midi(this.root, (words) => (this.advice = words));
  }

  async build() {
    const { desk } = this;
    this.faces = desk.tables.map((table, i) => table && new DeckFace(table, SIDES[i].toUpperCase(), () => desk.model.get("beats")));
    this.mixer = new MixerFace(desk, () => this.midi.learn(), (words) => (this.advice = words));
    this.saving = new SaveFace(desk);
    this.crate ??= new Crate({
      look: (folder) => desk.set({ folder }),
      load: (side, path) => desk.model.send({ kind: "load", side, path }),
      prepare: (paths) => desk.model.send({ kind: "prepare", paths }),
      cancel: (paths) => desk.model.send({ kind: "cancel", paths }),
    });
    this.told = element("div", { class: "complaint", role: "alert" });
    const [a, b] = await Promise.all(this.faces.map((face, i) => face?.node ?? this.empty(i)));
    this.root.replaceChildren(
      element("div", { class: "closeups" }, ...this.faces.flatMap((face) => (face ? [face.closeup.node] : []))),
      element("div", { class: "table" }, a, this.mixer.node, b), this.told, this.saving.node, this.crate.node);
    this.follow();
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
      const [folder, songs, preparing, error] = ["folder", "songs", "preparing", "error"].map((name) => this.desk.model.get(name));
      this.crate?.show(folder, songs, preparing, error);
    };
    this.stops = models.map((model) => {
      model.on(SHOWN_TRAITS, show);
      return () => model.off(SHOWN_TRAITS, show);
    });
    show();
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const act = this.shortcut(event);
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  }

  /** Deck A is at the left of the keyboard, deck B at its right. @param {KeyboardEvent} event */
  shortcut({ code, target, shiftKey }) {
    const { desk } = this;
    const [a, b] = desk.tables;
    if (target instanceof HTMLInputElement && target.type === "text") return undefined;
    const digit = /^Digit([1-4789]|0)$/.exec(code);
    if (digit) {
      const number = Number(digit[1] === "0" ? 10 : digit[1]);
      const [table, i] = number < 5 ? [a, number - 1] : [b, number - 7];
      return () => (shiftKey ? table?.forget(i) : table?.hotCue(i));
    }
    if (code === "Space" && !(target instanceof HTMLButtonElement)) return () => desk.together();
    const slide = (/** @type {number} */ way) => () =>
      desk.set({ crossfader: Math.min(1, Math.max(0, desk.model.get("crossfader") + way * 0.05)) });
    const arrows = target instanceof HTMLInputElement ? {} : { ArrowLeft: slide(-1), ArrowRight: slide(1) };
    return /** @type {Record<string, () => void>} */ ({
      KeyQ: () => a?.toggle(), KeyW: () => a?.cue(), KeyE: () => a?.sync(),
      KeyP: () => b?.toggle(), KeyO: () => b?.cue(), KeyI: () => b?.sync(), ...arrows,
    })[code];
  }

  /** @returns {() => void} stops it */
  start() {
    this.build();
    this.desk.onload = () => this.build();
    const stop = frames((ms) => this.draw(ms));
    return () => {
      stop();
      this.resize.disconnect();
      for (const one of this.stops) one();
      this.midi.close();
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
