// What every widget with stems has: the faders' traits, and a row of controls for each stem.

import { button, element, meter, percent, press, slider } from "./controls.js";

/**
 * @typedef {import("@anywidget/types").AnyModel<any>} Model
 * @typedef {"levels" | "mutes" | "solos" | "pans"} Field
 */

/** The lists of the mix and the names of the scalar traits that go with them: `vocals`, `vocals_mute`, … */
export const FIELDS = /** @type {const} */ ({ levels: "", mutes: "_mute", solos: "_solo", pans: "_pan" });

/** Keeps the lists of the mix and the stems' own traits in line, and their gains applied. */
export class Faders {
  /** @param {Model} model */
  constructor(model) {
    this.model = model;
    /** @type {string[]} */
    this.stems = model.get("stems");
  }

  /** Follows the model from now on. */
  follow() {
    for (const field of /** @type {Field[]} */ (Object.keys(FIELDS))) {
      this.model.on(`change:${field}`, () => this.spread(field));
      this.stems.forEach((stem, s) => this.model.on(`change:${stem}${FIELDS[field]}`, () => this.collect(field, s)));
    }
    this.applyGains();
  }

  /** Tells whoever mixes. */
  applyGains() {}

  /** Sets traits here and in the kernel. @param {Record<string, any>} traits */
  set(traits) {
    for (const [name, value] of Object.entries(traits)) this.model.set(name, value);
    this.model.save_changes();
  }

  /** A list of the model, one entry another. @param {string} name @param {number} s @param {number | boolean} value @returns {any[]} */
  with(name, s, value) {
    return this.model.get(name).with(s, value);
  }

  /** Sets one entry of a list. @param {string} name @param {number} s @param {number | boolean} value */
  change(name, s, value) {
    this.set({ [name]: this.with(name, s, value) });
  }

  /** A list has changed: its scalars follow. @param {Field} field */
  spread(field) {
    const list = this.model.get(field);
    this.stems.forEach((stem, s) => this.model.set(stem + FIELDS[field], list[s]));
    this.model.save_changes();
    this.applyGains();
  }

  /** A scalar has changed, by jslink or by Python: its list follows. @param {Field} field @param {number} s */
  collect(field, s) {
    const value = this.model.get(this.stems[s] + FIELDS[field]);
    if (this.model.get(field)[s] !== value) this.change(field, s, value);
  }

  /** Level of each stem with mute and solo applied. */
  gains() {
    const [levels, mutes, solos] = ["levels", "mutes", "solos"].map((name) => this.model.get(name));
    const some = solos.includes(true);
    return Float32Array.from(levels, (level, s) => (mutes[s] || (some && !solos[s]) ? 0 : level));
  }

  /** Gain left and right of each stem. @param {ArrayLike<number>} gains @returns {[number, number][]} */
  pairs(gains = this.gains()) {
    const pans = this.model.get("pans");
    return Array.from(gains, (gain, s) => [gain * Math.min(1, 1 - pans[s]), gain * Math.min(1, 1 + pans[s])]);
  }
}

const side = (/** @type {number} */ value) =>
  Math.abs(value) < 0.01 ? "centre" : `${percent(Math.abs(value))} ${value < 0 ? "left" : "right"}`;
export const LEVEL = { min: 0, max: 1.5, rest: 1, step: 0.05, text: percent };
const PAN = { min: -1, max: 1, rest: 0, step: 0.1, text: side };

/**
 * The controls of a stem.
 * @param {Faders} faders @param {string} stem @param {number} s @param {() => void} select
 * @param {HTMLElement[]} lane what stands between faders and meter
 */
export function stemRow(faders, stem, s, select, ...lane) {
  const { model } = faders;
  const flip = (/** @type {Field} */ field) => faders.change(field, s, !model.get(field)[s]);
  const mute = button(`Mute ${stem}`, "M", () => flip("mutes"));
  mute.className = "mute";
  const solo = button(`Solo ${stem}`, "S", () => flip("solos"));
  solo.className = "solo";
  const name = stem[0].toUpperCase() + stem.slice(1);
  const level = slider(`${name} level`, LEVEL, (value) => faders.change("levels", s, value));
  const pan = slider(`${name} pan`, PAN, (value) => faders.change("pans", s, value));
  pan.input.className = "pan";
  const figure = element("output", { class: "figure" });
  const peak = meter();
  const node = element("div", {
    class: "row", role: "group", "aria-label": stem, style: `--hue: ${model.get("colours")[s]}`,
    onpointerdown: select, onfocusin: select,
  }, element("span", { class: "name" }, name), mute, solo, level.input, figure,
  element("label", { class: "panning" }, "Pan", pan.input), ...lane, peak.node);
  return { node, mute, solo, level, pan, figure, peak };
}

/**
 * Brings what the rows of the stems have in common in line with the model.
 * @param {{node: HTMLElement, level: ReturnType<typeof slider>, figure: HTMLElement, mute: HTMLElement,
 *   solo: HTMLElement, pan?: ReturnType<typeof slider>}[]} rows
 * @param {Model} model @param {Float32Array} gains
 */
export function showFaders(rows, model, gains) {
  const [levels, mutes, solos, pans] = ["levels", "mutes", "solos", "pans"].map((name) => model.get(name));
  rows.forEach(({ node, level, figure, mute, solo, pan }, s) => {
    level.show(levels[s]);
    pan?.show(pans[s]);
    figure.textContent = percent(levels[s]);
    press(mute, mutes[s]);
    press(solo, solos[s]);
    node.classList.toggle("silent", gains[s] === 0);
  });
}
