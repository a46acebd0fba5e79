// StemPlayer's page side: the face of a player.

import { audio, page } from "./engine/output.js";
import { button, clock, drawBars, drawSong, element, frames, height, meter, percent, press, say, slider, watchWidth, waveform } from "./parts/controls.js";
import { answer, keepKeys } from "./parts/keys.js";
import { nameForeign } from "./parts/names.js";
import { LEVEL, showFaders, stemRow } from "./parts/faders.js";
import { stayAtTop } from "./parts/top.js";
import { Player } from "./parts/transport.js";

/**
 * @typedef {import("@anywidget/types").AnyModel<any>} Model
 * @typedef {import("./parts/faders.js").Field} Field
 */

// The overview is a slider to the keyboard: its arrows are the player's own.
const SEEKER = { role: "slider", tabindex: "0", "aria-label": "Position in the song", "aria-valuemin": "0" };

/** The face of a player. */
class Face {
  /** @param {Player} player @param {HTMLElement} el */
  constructor(player, el) {
    this.player = player;
    this.model = player.model;
    this.colours = this.model.get("colours");
    this.selected = 0;
    this.markA = NaN;
    this.dirty = true;
    this.lastHealth = 0;
    this.lastLimit = -1e9;
    this.waves = [this.wave("overview"), ...player.stems.map(() => this.wave("lane"))];
    this.rows = player.stems.map((stem, s) => this.row(stem, s));
    this.root = element("div", {
      class: "stemlab-player", tabindex: "0", role: "group", "aria-label": `Player: ${this.model.get("title")}. Up and down choose a stem, left and right seek.`,
      onkeydown: (/** @type {KeyboardEvent} */ event) => answer(event, () => this.shortcut(event)),
      onpointerdown: (/** @type {Event} */ event) => this.focus(event),
    }, this.transport(), this.waves[0].node, ...this.rows.map((row) => row.node), this.foot());
    el.append(this.root);
    this.seeker = this.waves[0].node;
    for (const [name, value] of Object.entries(SEEKER)) this.seeker.setAttribute(name, value);
    this.seeker.setAttribute("aria-valuemax", String(Math.floor(this.model.get("duration"))));
    this.placed = false;
    this.unwatch = watchWidth(this.root, [640, 1000], () => this.fit());
  }

  fit() {
    this.dirty = true;
    if (!this.placed) stayAtTop(this.root);
    this.placed = true;
  }

  /** @param {string} kind */
  wave(kind) {
    const { player } = this;
    const wave = waveform({
      duration: this.model.get("duration"),
      seek: (seconds) => player.seek(seconds),
      mark: (a, b) => player.set({ loop: [a, b] }),
    });
    wave.node.classList.add(kind);
    return wave;
  }

  transport() {
    const { player } = this;
    this.play = button("Play", "", () => player.toggle());
    this.play.className = "play";
    this.time = element("span", { class: "time", role: "timer", "aria-label": "Position" });
    this.left = element("span", { class: "left", role: "timer", "aria-label": "Time left" });
    const a = button("Loop start", "[", () => (this.markA = player.deck.now()));
    const b = button("Loop end", "]", () => this.closeLoop());
    this.loop = button("Loop off", "⟲", () => player.set({ loop: [] }));
    const title = element("span", { class: "title" }, this.model.get("title"));
    return element("div", { class: "transport" }, this.play, title,
      element("div", { class: "group", role: "group", "aria-label": "Loop" },
        element("span", { class: "word" }, "Loop"), a, b, this.loop),
      element("div", { class: "clock" }, this.time, this.left));
  }

  closeLoop() {
    const b = this.player.deck.now();
    const a = Number.isNaN(this.markA) ? 0 : this.markA;
    if (b - a > 0.05) this.player.set({ loop: [a, b] });
  }

  /** @param {string} stem @param {number} s */
  row(stem, s) {
    return stemRow(this.player, stem, s, () => this.select(s), this.waves[s + 1].node);
  }

  foot() {
    const { player } = this;
    this.master = slider("Master level", LEVEL, (value) => player.set({ master: value }));
    this.masterFigure = element("output", { class: "figure" });
    this.masterMeters = [meter(), meter()];
    this.limit = element("span", { class: "limit", role: "status", "aria-label": "Limiter" }, "LIMIT");
    this.health = element("span", { class: "health" });
    this.complaint = element("span", { class: "complaint", role: "alert" });
    return element("div", { class: "foot" },
      element("span", { class: "name" }, "Master"), this.master.input, this.masterFigure,
      ...this.masterMeters.map((one) => one.node), this.limit, this.complaint, this.health);
  }

  /** @param {Event} event */
  focus(event) {
    if (!(event.target instanceof HTMLInputElement)) this.root.focus({ preventScroll: true });
    this.player.context.resume();
  }

  /** Of the stems' controls only those of the selected one are stops of the tab key. @param {number} s */
  select(s) {
    this.selected = (s + this.rows.length) % this.rows.length;
    this.rows.forEach(({ node, mute, solo, level, pan }, i) => {
      node.classList.toggle("selected", i === this.selected);
      for (const control of [mute, solo, level.input, pan.input]) control.tabIndex = i === this.selected ? 0 : -1;
    });
  }

  /** Go to the same control of another stem, if one of a stem has the focus. @param {number} step */
  move(step) {
    const name = document.activeElement?.className;
    const inside = this.rows.some(({ node }) => node.contains(document.activeElement));
    this.select(this.selected + step);
    const { mute, solo } = this.rows[this.selected];
    if (inside) (name === "solo" ? solo : mute).focus();
  }

  /** What a key does, or nothing where the control that has the focus needs it. @param {KeyboardEvent} event */
  shortcut(event) {
    const { player, selected } = this;
    const { target, code, shiftKey } = event;
    const flip = (/** @type {Field} */ field, /** @type {number} */ s) => () =>
      player.change(field, s, !this.model.get(field)[s]);
    const digit = /^(?:Digit|Numpad)([1-9])$/.exec(code);
    if (digit && Number(digit[1]) <= player.stems.length)
      return flip(shiftKey ? "solos" : "mutes", Number(digit[1]) - 1);
    if (code === "KeyM") return flip("mutes", selected);
    if (code === "KeyS") return flip("solos", selected);
    if (code === "Space" && !(target instanceof HTMLButtonElement)) return () => player.toggle();
    if (target instanceof HTMLInputElement) return undefined;
    const now = player.deck.now();
    const step = shiftKey ? 1 : 5;
    return {
      ArrowLeft: () => player.seek(now - step),
      ArrowRight: () => player.seek(now + step),
      ArrowUp: () => this.move(-1),
      ArrowDown: () => this.move(1),
      Home: () => player.seek(0),
    }[code];
  }

  /** Follows the model and draws. @returns {() => void} stops it */
  start() {
    for (const name of ["levels", "mutes", "solos", "pans", "master", "playing", "owner", "loop"])
      this.model.on(`change:${name}`, () => this.show());
    this.model.on("change:overview", () => (this.dirty = true));
    this.select(0);
    this.show();
    const stop = frames((ms) => this.draw(ms));
    return () => {
      stop();
      this.unwatch();
    };
  }

  /** Brings the controls in line with the model. */
  show() {
    const { model, player } = this;
    showFaders(this.rows, model, player.gains());
    this.master?.show(model.get("master"));
    if (this.masterFigure) this.masterFigure.textContent = percent(model.get("master"));
    const sounding = model.get("playing") && player.mine;
    this.play?.setAttribute("aria-label", sounding ? "Pause" : "Play");
    this.play?.setAttribute("title", sounding ? "Pause" : "Play");
    this.play?.classList.toggle("on", sounding);
    for (const wave of this.waves) wave.bracket(model.get("loop"));
    if (this.loop) press(this.loop, model.get("loop").length === 2);
    this.dirty = true;
  }

  /** @param {number} time ms */
  draw(time) {
    const { player, model } = this;
    const now = player.deck.now();
    for (const wave of this.waves) wave.place(now);
    if (this.time) say(this.time, clock(now));
    this.tellPosition(now);
    if (this.left) say(this.left, `−${clock(model.get("duration") - now)}`);
    const { peaks, moving } = player.deck.report;
    this.rows.forEach((row, s) => row.peak.show(moving ? (peaks[s] ?? 0) : 0));
    const { master } = player;
    this.masterMeters?.forEach((one, side) => one.show(master.peaks[side]));
    if (master.gain < 0.995) this.lastLimit = time;
    this.limit?.classList.toggle("on", time - this.lastLimit < 300);
    if (this.dirty) this.drawWaves();
    if (time - this.lastHealth > 250) this.showHealth(time);
  }

  /** @param {number} now s */
  tellPosition(now) {
    const second = String(Math.floor(now));
    if (this.seeker.getAttribute("aria-valuenow") === second) return;
    this.seeker.setAttribute("aria-valuenow", second);
    this.seeker.setAttribute("aria-valuetext", clock(now).split(".")[0]);
  }

  /** @param {number} time */
  showHealth(time) {
    this.lastHealth = time;
    if (this.complaint) say(this.complaint, this.player.complaint());
    if (!this.health) return;
    say(this.health, this.player.health());
    this.health.title = this.player.details();
  }

  /** Each lane its stem; the overview all of them as loud as the faders let them be. */
  drawWaves() {
    // While the page changes its theme nothing has a width.
    if (!this.waves[0].canvas.clientWidth) return;
    this.dirty = false;
    const { player, colours } = this;
    /** @type {DataView} */
    const view = this.model.get("overview");
    const columns = view.byteLength / (player.stems.length + 1);
    const peak = (/** @type {number} */ row, /** @type {number} */ column) =>
      view.getUint8(row * columns + column) / 255;
    const faint = getComputedStyle(this.root).getPropertyValue("--faint");
    const loudest = Array.from({ length: columns }, (_, column) => peak(0, column)).reduce((a, b) => Math.max(a, b), 0.01);
    player.stems.forEach((_, s) =>
      drawBars(this.waves[s + 1].canvas, columns, (column) => [
        [peak(s + 1, column) ? colours[s] : faint, height(peak(s + 1, column) / loudest)],
      ]),
    );
    drawSong(this.waves[0].canvas, view, player.gains(), colours, faint);
  }
}

/** @param {{model: Model}} props */
async function initialize({ model }) {
  if (!model.get("_length")) return undefined;
  const context = await audio(model.get("_worklet"), model.get("rate"));
  const player = new Player(model, context);
  PLAYERS.set(model.get("_key"), player);
  page().players.set(model.get("_key"), player.live);
  player.start();
  return () => {
    player.close();
    PLAYERS.delete(model.get("_key"));
    page().players.delete(model.get("_key"));
  };
}

/** @type {Map<string, Player>} */
const PLAYERS = new Map();

/** @param {{model: Model, el: HTMLElement}} props */
function render({ model, el }) {
  const player = PLAYERS.get(model.get("_key"));
  if (!player) {
    el.append(element("div", { class: "stemlab-player broken", role: "alert" }, model.get("error")));
    return undefined;
  }
  keepKeys();
  nameForeign();
  const stop = new Face(player, el).start();
  player.views++;
  return () => {
    stop();
    if (--player.views === 0) player.set({ playing: false });
  };
}

export default { initialize, render };
