// The face of one deck: its song, transport, loops, cues, stems, tempo, key and beat grid.

import { button, choice, clock, drawSong, element, group, knob, meter, press, say, signed, slider, waveform } from "../parts/controls.js";
import { LEVEL, showFaders } from "../parts/faders.js";
import { Closeup, CUE_HUES } from "./closeup.js";
import { CueEditor } from "./cues.js";
import { camelot, fits, KEYS } from "./harmony.js";
import { FILTER } from "./mixer.js";
import { rove, toolbar } from "./toolbar.js";
import { PRESETS, REACH } from "./turntable.js";

/** @typedef {import("@anywidget/types").AnyModel<any>} Model */
/** @typedef {import("./turntable.js").Turntable} Turntable */

const CALM = 2; // pictures between two of what does not scroll
const FINE_SHIFT = 0.01; // seconds by which the grid is moved
const LOOPS = [1, 2, 4, 8, 16, 32];
const JUMPS = [-4, -1, 1, 4];
const PUSH = 200; // ms of a nudge by a click that says nothing of its end
const TEMPO = { ...REACH, rest: 1, step: 0.001, text: (/** @type {number} */ value) => signed(100 * (value - 1), 1, " %") };

/** By how much the key is shifted. @param {number} semitones @param {number} cents */
const shift = (semitones, cents) => signed(semitones, 0, "") + (Math.round(cents) ? ` ${signed(cents, 0, " ¢")}` : "");

/** The face of one deck. */
export class DeckFace {
  /** @param {Turntable} table @param {string} letter @param {Model} desk of both decks */
  constructor(table, letter, desk) {
    this.table = table;
    this.desk = desk;
    this.model = table.model;
    this.letter = letter;
    this.dirty = true;
    this.editing = false;
    this.frame = 0;
    this.placed = "";
    /** @type {string[]} */
    this.colours = this.model.get("colours");
    this.closeup = new Closeup(table, letter, this.colours, () => desk.get("zoom"));
    this.wave = waveform({
      duration: this.model.get("duration"),
      seek: (seconds) => table.seek(seconds),
      mark: (a, b) => table.set({ loop: [table.snap(a), Math.max(table.snap(b), table.snap(a) + (table.beat || 0.1))] }),
    });
    this.wave.node.classList.add("overview");
    this.rows = table.stems.map((stem, s) => this.row(stem, s));
    this.presets = Object.keys(PRESETS)
      .filter((preset) => !preset.includes("rums") || table.stems.includes("drums"))
      .map((preset) => ({ preset, node: this.named(preset, preset, () => table.blend(preset, desk.get("beats"))) }));
    this.editor = new CueEditor(table, letter, (i) => this.pad?.[i].focus());
    this.node = element("section", { class: `deck ${letter}`, role: "group", "aria-label": `Deck ${letter}` },
      this.head(), this.wave.node, this.transport(), this.editor.node, this.pads(),
      element("div", { class: "stems" }, ...this.rows.map((row) => row.node)),
      rove(element("div", { class: "line presets" }, ...this.presets.map(({ node }) => node))), this.tempo(), this.grid());
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
    this.meter = meter();
    return element("div", { class: "head-line" }, element("span", { class: "badge" }, this.letter),
      element("span", { class: "title" }, this.model.get("title") || "Untitled"),
      element("div", { class: "facts" }, this.bpm, this.key),
      element("div", { class: "clock" }, this.time, this.left), this.meter.node);
  }

  transport() {
    const { table } = this;
    this.play = this.named("Play", "", () => table.toggle());
    this.play.className = "play";
    this.cue = this.named("Cue", "CUE", () => table.cue());
    this.cue.className = "cue";
    this.sync = this.named("Sync", "SYNC", () => table.sync());
    this.sync.className = "sync";
    const nudges = [this.held("Nudge slower", "−", -1), this.held("Nudge faster", "+", 1)];
    const line = element("div", { class: "line transport" }, this.cue, this.play, this.sync, group("Nudge", ...nudges),
      toolbar("Hot cues", ...this.hotCues()));
    return rove(line, [this.cue, this.play, this.sync, ...nudges]);
  }

  /** A button that nudges while it is held, by a pointer or a key. @param {string} name @param {string} face @param {number} way */
  held(name, face, way) {
    const { table } = this;
    const node = this.named(name, face, () => {});
    const release = () => table.bend !== 1 && table.nudge(0);
    const key = (/** @type {KeyboardEvent} */ event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault(); // of the click
      if (event.type === "keyup") release();
      else if (!event.repeat) table.nudge(way);
    };
    node.addEventListener("keydown", key);
    node.addEventListener("keyup", key);
    node.addEventListener("pointerdown", (event) => {
      node.setPointerCapture(event.pointerId);
      table.nudge(way);
    });
    for (const end of ["pointerup", "pointercancel", "blur"]) node.addEventListener(end, release);
    // By MIDI or a screen reader: a pointer's click counts its presses.
    node.addEventListener("click", ({ detail }) => {
      if (detail) return;
      table.nudge(way);
      setTimeout(release, PUSH);
    });
    return node;
  }

  pads() {
    const { table } = this;
    const jumps = JUMPS.map((beats) =>
      this.named(`Jump ${beats}`, beats < 0 ? `◂${-beats}` : `${beats}▸`, () => table.beatJump(beats)));
    this.loops = LOOPS.map((beats) => this.named(`Loop ${beats}`, String(beats), () => table.beatLoop(beats)));
    this.again = this.named("Last loop", "↻", () => table.reloop());
    this.modes = /** @type {const} */ ([["quantise", "Quantise", "Q"], ["slip", "Slip", "SLIP"]]).map(([trait, name, face]) =>
      ({ trait, node: this.named(name, face, () => table.set({ [trait]: !this.model.get(trait) })) }));
    return rove(element("div", { class: "line pads" }, group("Loop", this.named("Loop in", "IN", () => table.loopIn()),
      this.named("Loop out", "OUT", () => table.loopOut()), this.again, this.named("Halve loop", "½", () => table.scaleLoop(0.5)),
      this.named("Double loop", "×2", () => table.scaleLoop(2)), ...this.loops), group("Beat jump", ...jumps),
      group("Modes", ...this.modes.map(({ node }) => node))));
  }

  hotCues() {
    const { table } = this;
    this.pad = CUE_HUES.map((_, i) => {
      const node = this.named(`Hot cue ${i + 1}`, String(i + 1), () => (this.editing ? this.edit(i) : table.hotCue(i)));
      node.addEventListener("contextmenu", (event) => {
        event.preventDefault();
        this.edit(i);
      });
      return node;
    });
    this.pencil = this.named("Edit hot cues", "✎", () => this.setEditing(!this.editing));
    this.pencil.title = "Press, then a hot cue, to name or colour it or have it recall the stems";
    return [...this.pad, this.pencil];
  }

  /** Whether the next hot cue that is pressed is to be edited. @param {boolean} on */
  setEditing(on) {
    this.editing = on;
    if (this.pencil) press(this.pencil, on);
  }

  /** @param {number} i */
  edit(i) {
    this.setEditing(false);
    this.editor.open(i);
  }

  /** Shows which hot cues there are. */
  showCues() {
    this.pad?.forEach((node, i) => {
      const cue = this.model.get("cues")[i];
      press(node, "at" in cue);
      node.style.setProperty("--hue", cue.hue ?? CUE_HUES[i]);
      node.title = "at" in cue ? `${cue.name || `Hot cue ${i + 1}`} (${clock(cue.at)}): right-click or ✎ to name, colour or clear` : `Mark hot cue ${i + 1}`;
    });
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
    const level = slider(`${name} level ${letter}`, LEVEL, (value) => table.change("levels", s, value));
    const figure = element("output", { class: "figure" });
    const filter = knob(`${name} filter ${letter}`, FILTER, (value) => table.change("stem_filters", s, value));
    const echo = this.named(`Echo out ${stem}`, "E", () => table.echoOut(s));
    echo.title = `Mute ${stem} at the next beat; the beat before sounds on as an echo`;
    const swap = this.named(`Swap ${stem}`, "⇄", () => table.swap(stem));
    swap.title = `Swap ${stem} at the next bar: here out and on the other deck in, or the other way round`;
    const peak = meter();
    const node = element("div", { class: "row", role: "group", "aria-label": `${stem} ${letter}`, style: `--hue: ${this.colours[s]}` },
      element("span", { class: "name" }, name), mute, solo, level.input, figure, filter.input, echo, swap, peak.node);
    rove(node);
    return { node, mute, solo, level, figure, filter, peak };
  }

  tempo() {
    const { table, letter, model } = this;
    this.fader = slider(`Tempo ${letter}`, TEMPO, (value) => table.set({ tempo: value, synced: false }));
    this.tempoFigure = element("output", { class: "figure" });
    this.keyFigure = this.named("Key as recorded", "", () => table.set({ semitones: 0, cents: 0 }));
    this.keyFigure.className = "figure";
    const match = this.named("Match key", "FIT", () => table.matchKey());
    match.title = "Match key: shift by up to 3 semitones to a key that goes with the other deck's, and by cents to its tuning";
    const step = (/** @type {number} */ way) => () =>
      table.set({ semitones: Math.min(6, Math.max(-6, model.get("semitones") + way)) });
    return rove(element("div", { class: "line tempo" }, element("span", { class: "label" }, "TEMPO"), this.fader.input, this.tempoFigure,
      element("span", { class: "label" }, "KEY"), group("Key", this.named("Key down", "♭", step(-1)), this.named("Key up", "♯", step(1)), match),
      this.keyFigure));
  }

  grid() {
    const { table, letter, model } = this;
    this.keys = choice(`Key of the song ${letter}`, ["", ...KEYS], (key) => {
      model.set("key", key);
      model.save_changes();
    });
    const later = (/** @type {number} */ way) => () => table.shift(way * FINE_SHIFT);
    return element("div", { class: "line grid" }, element("span", { class: "label" }, "GRID"),
      toolbar("Beat grid", this.named("Tap", "TAP", () => table.tap()), this.named("Double tempo", "×2", () => table.count(2)),
        this.named("Halve tempo", "÷2", () => table.count(0.5)), this.named("Grid earlier", "◂", later(-1)),
        this.named("Grid later", "▸", later(1)), this.named("First beat here", "1", () => table.downbeat())),
      this.keys);
  }

  /** Brings the controls in line with the model. */
  show() {
    const { model, table } = this;
    showFaders(this.rows, model, table.gains());
    this.rows.forEach((row, s) => row.filter.show(model.get("stem_filters")[s]));
    this.fader?.show(model.get("tempo"));
    if (this.tempoFigure) this.tempoFigure.textContent = TEMPO.text(model.get("tempo"));
    if (this.keyFigure) this.keyFigure.textContent = shift(model.get("semitones"), model.get("cents"));
    this.showRhythm();
    const sounding = model.get("playing") && table.mine;
    this.play?.setAttribute("aria-label", `${sounding ? "Pause" : "Play"} ${this.letter}`);
    this.play?.classList.toggle("on", sounding);
    if (this.sync) {
      press(this.sync, model.get("synced") && !table.waiting);
      this.sync.classList.toggle("waiting", table.waiting);
      say(this.sync, table.waiting ? "waiting for BPM" : "SYNC");
    }
    this.loops?.forEach((node, i) => press(node, Math.abs(table.looped - LOOPS[i]) < 0.01));
    if (this.again) press(this.again, model.get("loop").length === 2);
    this.modes?.forEach(({ trait, node }) => press(node, model.get(trait)));
    const gains = table.gains();
    this.presets.forEach(({ preset, node }) => press(node, table.stems.every((stem, s) => gains[s] === PRESETS[preset](stem))));
    this.showCues();
    this.wave.bracket(model.get("loop"));
    this.dirty = true;
  }

  showRhythm() {
    const { model, table, keys, bpm, key } = this;
    const name = model.get("key");
    if (keys) keys.value = name;
    if (bpm) bpm.textContent = table.beat ? table.bpm.toFixed(2) : model.get("listening") ? "…" : "–";
    if (!key) return;
    const { heard } = table;
    key.textContent = heard ? `${camelot(heard)} · ${heard}${fits(heard, table.partner?.heard ?? "") ? " ✓" : ""}` : "";
    const tuned = Math.round(table.tuned);
    key.title = [key.textContent.endsWith("✓") ? "Goes together with the other deck's key" : "", heard && `Tuning: ${signed(tuned, 0, " cents")} from 440 Hz`]
      .filter(Boolean).join(". ");
  }

  /** Draws what has changed: the close-up each time, the rest, which stands still, less often. @param {number} time ms */
  draw(time) {
    const { table, model } = this;
    const now = table.deck.now();
    if (this.dirty) this.closeup.dirty = true;
    this.closeup.draw(now, time);
    if (this.frame++ % CALM && !this.dirty) return;
    const { peaks, moving, raw } = table.deck.report;
    this.rows.forEach((row, s) => {
      row.peak.show(moving && !raw ? (peaks[s] ?? 0) : 0);
      row.node.classList.toggle("turning", table.turning.has(s));
    });
    this.meter?.show(table.channel.peak);
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
