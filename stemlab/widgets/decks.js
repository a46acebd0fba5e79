// The decks' page side: `Console` has two turntables, the crossfader and the master; `Face` is what one sees.

import { audio, Master, page } from "./engine.js";
import { button, clock, drawSong, element, meter, press, slider, waveform } from "./controls.js";
import { crate } from "./crate.js";
import { Midi } from "./midi.js";
import { glide, PRESETS, Turntable } from "./turntable.js";

/** @typedef {import("@anywidget/types").AnyModel<any>} Model */

const RATE = 44100;
const SIDES = /** @type {const} */ (["a", "b"]);
const WINDOW = 8; // seconds that the close-ups show
const FRAME = 33; // ms between two pictures
const TILES = 200; // pictures of blocks that are kept
const FULL = 300; // sum of peaks that fills its height
const FINE_SHIFT = 0.01; // seconds by which the grid is moved
const SHOWN_TRAITS = [
  "levels", "mutes", "solos", "playing", "owner", "loop", "overview", "bpm", "first_beat", "key", "tempo", "semitones", "synced",
  "cue", "cues", "eq", "kills", "filter", "listening", "crossfader", "curve", "master", "beats", "folder", "songs", "error",
].map((name) => `change:${name}`).join(" ");
const LOOPS = [1, 2, 4, 8, 16, 32];
const JUMPS = [-4, -1, 1, 4];
const CUE_HUES = ["#e64980", "#12b886", "#4c6ef5", "#fab005"];
/** @type {Record<string, string>} */
const SHORT = { Instrumental: "Instr.", "Vocals 50 %": "Vox 50 %", "Drums only": "Drums" };
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
    /** @type {(Turntable | null)[]} */
    this.tables = [null, null];
    this.onload = () => {};
  }

  async start() {
    const { model } = this;
    model.on("change:crossfader change:curve", () => this.fade());
    model.on("change:_stream", () => this.lend());
    model.on("change:master", () => this.master.setLevel(model.get("master")));
    model.on("msg:custom", (message) => message.kind === "together" && this.together());
    SIDES.forEach((side, i) => model.on(`change:${side}`, () => this.load(i)));
    this.master.setLevel(model.get("master"));
    this.fade();
    this.lend();
    await Promise.all(SIDES.map((_, i) => this.load(i)));
  }

  /** Lends the sound to ipywebrtc's MediaStream that Python made for it. */
  async lend() {
    const name = this.model.get("_stream");
    if (!name) return;
    const sink = this.context.createMediaStreamDestination();
    this.master.output.connect(sink);
    const stream = await this.model.widget_manager.get_model(name.replace("IPY_MODEL_", ""));
    Object.assign(stream, { captureStream: async () => sink.stream });
  }

  /** @param {number} i side */
  async load(i) {
    this.eject(i);
    const name = this.model.get(SIDES[i]);
    const deck = name && (await this.model.widget_manager.get_model(name.replace("IPY_MODEL_", "")));
    if (deck?.get("_length")) {
      const table = new Turntable(deck, this.context, this.buses[i]);
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
    for (const bus of this.buses) bus.disconnect();
    this.master.close();
  }
}

const percent = (/** @type {number} */ value) => `${Math.round(100 * value)} %`;
const signed = (/** @type {number} */ value, /** @type {number} */ digits, /** @type {string} */ unit) =>
  `${value < 0 ? "−" : value > 0 ? "+" : "±"}${Math.abs(value).toFixed(digits)}${unit}`;
const SCALES = {
  level: { min: 0, max: 1.5, rest: 1, text: percent },
  tempo: { min: 0.84, max: 1.16, rest: 1, text: (/** @type {number} */ value) => signed(100 * (value - 1), 1, " %") },
  eq: { min: -26, max: 6, rest: 0, text: (/** @type {number} */ value) => signed(value, 0, " dB") },
  filter: { min: -1, max: 1, rest: 0, text: (/** @type {number} */ value) =>
    Math.abs(value) < 0.01 ? "off" : `${percent(Math.abs(value))} ${value < 0 ? "low-pass" : "high-pass"}` },
  cross: { min: 0, max: 1, rest: 0.5, text: (/** @type {number} */ value) => `${percent(value)} B` },
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
    this.pictured = "";
    /** @type {string[]} */
    this.colours = this.model.get("colours");
    this.tiles = new Tiles(table, this.colours);
    this.closeup = element("canvas", { class: `closeup ${letter}`, role: "img", "aria-label": `Close-up ${letter}` });
    this.wave = waveform({
      duration: this.model.get("duration"),
      seek: (seconds) => table.seek(seconds),
      mark: (a, b) => table.set({ loop: [table.snap(a), Math.max(table.snap(b), table.snap(a) + (table.beat || 0.1))] }),
    });
    this.wave.node.classList.add("overview");
    this.rows = table.stems.map((stem, s) => this.row(stem, s));
    this.presets = Object.keys(PRESETS)
      .filter((preset) => !preset.includes("rums") || table.stems.includes("drums"))
      .map((preset) => this.named(preset, SHORT[preset] ?? preset, () => table.blend(preset, beats())));
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
    const [levels, mutes, solos, cues] = ["levels", "mutes", "solos", "cues"].map((name) => model.get(name));
    const gains = table.gains();
    this.rows.forEach((row, s) => {
      row.level.show(levels[s]);
      row.figure.textContent = percent(levels[s]);
      press(row.mute, mutes[s]);
      press(row.solo, solos[s]);
      row.node.classList.toggle("silent", gains[s] === 0);
    });
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

  draw() {
    const { table, model } = this;
    const now = table.deck.now();
    this.wave.place(now);
    if (this.time) this.time.textContent = clock(now);
    if (this.left) this.left.textContent = `−${clock((model.get("duration") - now) / model.get("tempo"))}`;
    const { peaks, moving } = table.deck.report;
    this.rows.forEach((row, s) => row.peak.show(moving ? (peaks[s] ?? 0) : 0));
    if (this.dirty)
      drawSong(this.wave.canvas, model.get("overview"), table.gains(), this.colours, getComputedStyle(this.node).getPropertyValue("--faint"));
    const picture = [now, table.stretch.closeup.size, this.closeup.clientWidth].join();
    if (this.dirty || picture !== this.pictured) drawCloseup(this.closeup, table, now, this.tiles);
    this.pictured = picture;
    this.dirty = false;
  }

  /** One plain sentence on what is wrong, or "". */
  complaint() {
    const told = this.table.complaint();
    return told && `Deck ${this.letter}: ${told}`;
  }
}

/**
 * Draws the seconds around the playhead: stems stacked by what is heard of them, beats, bars, loop and hot cues.
 * @param {HTMLCanvasElement} canvas @param {Turntable} table @param {number} now @param {Tiles} tiles
 */
function drawCloseup(canvas, table, now, tiles) {
  const ratio = globalThis.devicePixelRatio || 1;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight].map((size) => Math.round(size * ratio));
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  const pen = canvas.getContext("2d");
  if (!pen || !width) return;
  pen.clearRect(0, 0, width, height);
  const span = WINDOW * table.model.get("tempo");
  const place = (/** @type {number} */ seconds) => ((seconds - now) / span + 0.5) * width;
  const style = getComputedStyle(canvas);
  const [text, soft, accent] = ["--text", "--soft", "--accent"].map((name) => style.getPropertyValue(name));
  const [a, b] = table.model.get("loop");
  if (b > a) fill(pen, accent, 0.25, place(a), 0, place(b) - place(a), height);
  drawGrid(pen, table, now - span / 2, now + span / 2, place, text, height);
  tiles.draw(pen, now - span / 2, now + span / 2, place, height);
  const marks = [[table.model.get("cue"), soft], ...table.model.get("cues").map((/** @type {number} */ cue, /** @type {number} */ i) => [cue, CUE_HUES[i]])];
  for (const [cue, hue] of marks) if (cue >= 0) {
    fill(pen, hue, 1, place(cue) - ratio, 0, 2 * ratio, height);
    fill(pen, hue, 1, place(cue) - ratio, 0, 9 * ratio, 9 * ratio);
  }
  fill(pen, text, 1, width / 2 - ratio, 0, 2 * ratio, height);
}

/** @param {CanvasRenderingContext2D} pen @param {string} colour @param {number} alpha @param {...number} box */
function fill(pen, colour, alpha, ...box) {
  pen.globalAlpha = alpha;
  pen.fillStyle = colour;
  pen.fillRect(.../** @type {[number, number, number, number]} */ (box));
  pen.globalAlpha = 1;
}

/**
 * @param {CanvasRenderingContext2D} pen @param {Turntable} table @param {number} from @param {number} to
 * @param {(seconds: number) => number} place @param {string} colour @param {number} height
 */
function drawGrid(pen, table, from, to, place, colour, height) {
  const { beat } = table;
  if (!beat) return;
  const first = table.model.get("first_beat");
  for (let k = Math.ceil((Math.max(0, from) - first) / beat); first + k * beat < Math.min(to, table.model.get("duration")); k++) {
    const bar = ((k % 4) + 4) % 4 === 0;
    fill(pen, colour, bar ? 0.75 : 0.3, Math.round(place(first + k * beat)), 0, bar ? 2 : 1, height);
  }
}

/** Pictures of the song's blocks, each painted once for the faders as they stand: moving them about costs little. */
class Tiles {
  /** @type {Map<number, HTMLCanvasElement>} */
  #painted = new Map();
  #of = "";

  /** @param {Turntable} table @param {string[]} colours */
  constructor(table, colours) {
    this.table = table;
    this.colours = colours;
  }

  /** @param {CanvasRenderingContext2D} pen @param {number} from @param {number} to seconds @param {(seconds: number) => number} place @param {number} height */
  draw(pen, from, to, place, height) {
    const { block, rate } = this.table.deck.song;
    const gains = this.table.gains();
    const of = [...gains, height].join();
    if (of !== this.#of || this.#painted.size > TILES) this.#painted.clear();
    this.#of = of;
    for (let k = Math.floor((from * rate) / block); (k * block) / rate < to; k++) {
      const tile = this.#tile(k, gains, height);
      const left = Math.round(place((k * block) / rate));
      if (tile) pen.drawImage(tile, left, 0, Math.round(place(((k + 1) * block) / rate)) - left, height);
    }
  }

  /** @param {number} k @param {Float32Array} gains @param {number} height */
  #tile(k, gains, height) {
    const peaks = this.table.stretch.closeup.get(k);
    const known = this.#painted.get(k);
    if (known || !peaks) return known;
    const width = peaks.length / gains.length;
    const tile = element("canvas", { width, height });
    const pen = tile.getContext("2d");
    for (let s = gains.length - 1; pen && s >= 0; s--) {
      pen.fillStyle = this.colours[s];
      for (let column = 0; column < width; column++) {
        const sum = gains.slice(0, s + 1).reduce((all, gain, i) => all + gain * peaks[i * width + column], 0);
        const tall = Math.min(1, sum / FULL) * height;
        pen.fillRect(column, (height - tall) / 2, 1, tall);
      }
    }
    this.#painted.set(k, tile);
    return tile;
  }
}

/** The mixer between the decks: equalisers, filters, crossfader, mashups, master. */
class MixerFace {
  /** @param {Console} desk @param {() => void} learn */
  constructor(desk, learn) {
    this.desk = desk;
    this.learn = learn;
    this.model = desk.model;
    /** @type {(() => void)[]} */
    this.shows = [];
    this.node = element("section", { class: "mixer", role: "group", "aria-label": "Mixer" },
      this.together(), ...["High", "Mid", "Low"].map((band, i) => this.band(band, 2 - i)), this.filters(), this.mashups(),
      this.crossfader(), this.master());
  }

  together() {
    const both = button("Play both decks together", "▶ ▶", () => this.desk.together());
    both.className = "both";
    return both;
  }

  /** One line for both decks: what `make` makes for each, the name between. @param {string} name @param {(table: Turntable, letter: string) => Node[]} make */
  pair(name, make) {
    const [a, b] = this.desk.tables.map((table, i) =>
      element("div", { class: "half" }, ...(table ? make(table, SIDES[i].toUpperCase()) : [])));
    return element("div", { class: "pair" }, a, element("span", { class: "label" }, name), b);
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

  mashups() {
    const { desk, model } = this;
    const beats = choice("Beats a preset takes", [0, 1, 2, 4, 8, 16, 32], (value) => desk.set({ beats: Number(value) }));
    this.shows.push(() => (beats.value = String(model.get("beats"))));
    const over = (/** @type {number} */ top) => {
      const [voice, rest] = top ? ["B", "A"] : ["A", "B"];
      return button(`Vocals of ${voice} over ${rest}`, `${voice} vox / ${rest}`, () => desk.mashup(top));
    };
    return element("div", { class: "mashups" }, over(0), element("label", {}, beats, " beats"), over(1));
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

/** All of it, made anew when a song is loaded. */
class Face {
  /** @param {Console} desk @param {HTMLElement} el */
  constructor(desk, el) {
    this.desk = desk;
    this.root = element("div", {
      class: "stemlab-player stemlab-decks", tabindex: "0", role: "group", "aria-label": "Decks",
      "data-lm-suppress-shortcuts": "true", onkeydown: (/** @type {KeyboardEvent} */ event) => this.key(event),
      onpointerdown: () => desk.context.resume(),
    });
    el.append(element("div", { class: "stemlab-frame" }, this.root));
    /** @type {(DeckFace | null)[]} */
    this.faces = [];
    this.drawn = this.frame = 0;
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
    this.mixer = new MixerFace(desk, () => this.midi.learn());
    this.crate = crate((folder) => desk.set({ folder }), (side, path) => desk.model.send({ kind: "load", side, path }));
    this.told = element("div", { class: "complaint", role: "alert" });
    const [a, b] = await Promise.all(this.faces.map((face, i) => face?.node ?? this.empty(i)));
    this.root.replaceChildren(
      element("div", { class: "closeups" }, ...this.faces.flatMap((face) => (face ? [face.closeup] : []))),
      element("div", { class: "table" }, a, this.mixer.node, b), this.told, this.crate.node);
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
      for (const face of [...this.faces, this.mixer]) face?.show();
      const [folder, songs, error] = ["folder", "songs", "error"].map((name) => this.desk.model.get(name));
      this.crate?.show(folder, songs, error);
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

  /** Draws as often as is worth it. @returns {() => void} stops it */
  start() {
    this.build();
    this.desk.onload = () => this.build();
    const loop = (/** @type {number} */ time) => {
      this.frame = requestAnimationFrame(loop);
      if (time - this.drawn < FRAME) return;
      this.drawn = time;
      this.draw();
    };
    this.frame = requestAnimationFrame(loop);
    return () => {
      cancelAnimationFrame(this.frame);
      this.resize.disconnect();
      for (const one of this.stops) one();
      this.midi.close();
    };
  }

  draw() {
    this.faces.forEach((face) => face?.draw());
    this.mixer?.draw();
    const complaint = [this.advice, ...this.faces.map((face) => face?.complaint())].filter(Boolean).join(" ");
    if (this.told && this.told.textContent !== complaint) this.told.textContent = complaint;
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
  page().players.set(model.get("_key"), { output: desk.master.output, context });
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
  const stop = new Face(desk, el).start();
  desk.views++;
  return () => {
    stop();
    if (--desk.views === 0) for (const table of desk.tables) table?.set({ playing: false });
  };
}

export default { initialize, render };
