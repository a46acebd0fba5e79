// The mixer between the decks: equalisers, filters, headphones, mashups, crossfader, master.

import { button, choice, element, meter, percent, press, signed, slider } from "../parts/controls.js";
import { LEVEL } from "../parts/faders.js";
import { SIDES } from "./console.js";
import { CURVES, HINTS } from "./curves.js";
import { rove, toolbar } from "./toolbar.js";

/** @typedef {import("./console.js").Console} Console */
/** @typedef {import("./turntable.js").Turntable} Turntable */

const EQ = { min: -26, max: 6, rest: 0, step: 1, text: (/** @type {number} */ value) => signed(value, 0, " dB") };
const TRIM = { min: -12, max: 12, rest: 0, step: 0.5, text: (/** @type {number} */ value) => signed(value, 1, " dB") };
export const FILTER = { min: -1, max: 1, rest: 0, step: 0.05, text: (/** @type {number} */ value) =>
  Math.abs(value) < 0.01 ? "off" : `${percent(Math.abs(value))} ${value < 0 ? "low-pass" : "high-pass"}` };
const CROSS = { min: 0, max: 1, rest: 0.5, step: 0.05, text: (/** @type {number} */ value) => `${percent(value)} B` };

/** What one sees of the mixer. */
export class MixerFace {
  /** @param {Console} desk @param {() => void} learn @param {(words: string) => void} tell @param {HTMLElement} keys their list */
  constructor(desk, learn, tell, keys) {
    this.keys = keys;
    this.desk = desk;
    this.learn = learn;
    this.tell = tell;
    this.model = desk.model;
    /** @type {(() => void)[]} */
    this.shows = [];
    /** @type {HTMLButtonElement[]} */
    this.kills = [];
    this.crossing = this.crossfader();
    this.node = element("section", { class: "mixer", role: "group", "aria-label": "Mixer" },
      this.together(), this.trims(), ...["High", "Mid", "Low"].map((band, i) => this.band(band, 2 - i)), this.filters(), this.phones(), this.mashups(),
      this.crossing, this.master());
    rove(this.node, this.kills);
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

  /** Gain of each deck by hand, and by the loudness of its song. */
  trims() {
    const { desk, model } = this;
    const auto = button("Auto-gain", "AUTO", () => desk.set({ autogain: !model.get("autogain") }));
    auto.className = "auto";
    this.shows.push(() => press(auto, model.get("autogain")));
    return this.pair(auto, (table, letter) => {
      const { input, show } = slider(`Trim ${letter}`, TRIM, (value) => table.set({ trim: value }));
      input.classList.add("two-sided");
      const figure = element("output", { class: "read-out", "aria-label": `Gain ${letter}` });
      this.shows.push(() => {
        show(table.model.get("trim"));
        figure.textContent = signed(table.autogain + table.model.get("trim"), 1, "");
      });
      return letter === "A" ? [input, figure] : [figure, input];
    });
  }

  /** @param {string} name @param {number} i band */
  band(name, i) {
    return this.pair(name.toUpperCase(), (table, letter) => {
      const { input, show } = slider(`${name} ${letter}`, EQ, (value) => table.change("eq", i, value));
      const kill = button(`Kill ${name.toLowerCase()} ${letter}`, "✕", () => table.change("kills", i, !table.model.get("kills")[i]));
      kill.className = "mute";
      this.kills.push(kill);
      const figure = element("output", { class: "read-out" });
      this.shows.push(() => {
        show(table.model.get("eq")[i]);
        figure.textContent = signed(table.model.get("eq")[i], 0, "");
        press(kill, table.model.get("kills")[i]);
      });
      return letter === "A" ? [input, figure, kill] : [kill, figure, input];
    });
  }

  filters() {
    return this.pair("FILTER", (table, letter) => {
      const { input, show } = slider(`Filter ${letter}`, FILTER, (value) => table.set({ filter: value }));
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
    return rove(pair);
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
    return element("div", { class: "mashups" }, rove(element("div", {}, over(0), over(1))), element("label", {}, "over ", beats, " beats"));
  }

  crossfader() {
    const { desk, model } = this;
    const { input, show } = slider("Crossfader", CROSS, (value) => desk.set({ crossfader: value }));
    input.classList.add("cross");
    const curve = choice("Crossfader curve", Object.keys(CURVES), (value) => desk.set({ curve: value }));
    this.shows.push(() => {
      show(model.get("crossfader"));
      curve.value = model.get("curve");
      curve.title = HINTS[curve.value];
    });
    return element("div", { class: "crossing" }, element("span", { class: "badge A" }, "A"), input,
      element("span", { class: "badge B" }, "B"),
      element("div", { class: "under" }, curve, toolbar("Controllers", button("Learn MIDI", "MIDI", this.learn),
        button("Keys", "KEYS", () => (this.keys.hidden = !this.keys.hidden)))));
  }

  master() {
    const { desk, model } = this;
    const { input, show } = slider("Master level", LEVEL, (value) => desk.set({ master: value }));
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
