// What one sees of live separation: source, faders, meters, and what its delay is made of.

import { HEARD, MICROPHONE, TAB } from "./engine/inputs.js";
import { button, element, frames, meter, percent, press, say, slider, watchWidth } from "./parts/controls.js";
import { answer } from "./parts/keys.js";
import { LEVEL, showFaders, stemRow } from "./parts/faders.js";

/** @typedef {import("./live.js").Live} Live */

export const NAMES = /** @type {Record<string, string>} */ ({
  [MICROPHONE]: "Microphone or line-in", [TAB]: "Another browser tab …", [HEARD]: "The notebook’s own sound",
});
const FORMS = ["flac", "stem.mp4"];

/** The face of a live source. */
export class LiveFace {
  /** @param {Live} live @param {HTMLElement} el */
  constructor(live, el) {
    this.live = live;
    this.model = live.model;
    this.go = button("Start", "Start", () => live.toggle());
    this.source = element("select", {
      "data-control": "Source", "aria-label": "Source", title: "Source", onchange: () => live.set({ source: this.source.value }),
    });
    this.network = element("select", {
      "data-control": "Model", "aria-label": "Model", title: "Model: sooner, or later and cleaner",
      onchange: () => live.set({ model: this.network.value }),
    }, ...Object.entries(this.model.get("models")).map(([name, told]) => element("option", { value: name }, told)));
    this.aloud = button("Hear the stems; wear headphones", "Hear", () => live.set({ aloud: !this.model.get("aloud") }));
    this.aloud.setAttribute("aria-keyshortcuts", "H");
    this.record = button("Record input and stems", "● Record", () => live.set({ recording: !this.model.get("recording") }));
    this.form = element("select", {
      "data-control": "Format", "aria-label": "Format of the recording", title: "Format of the recording",
      onchange: () => live.set({ form: this.form.value }),
    }, ...FORMS.map((form) => element("option", { value: form }, form)));
    this.saved = element("div", { class: "saved", role: "status", "aria-label": "Recording" });
    this.inputMeter = meter();
    this.state = element("span", { class: "state", role: "status", "aria-label": "Latency" });
    this.rows = live.stems.map((stem, s) => stemRow(live, stem, s, () => {}));
    this.level = slider("Master level", LEVEL, (value) => live.set({ master: value }));
    this.figure = element("output", { class: "figure" });
    this.meters = [meter(), meter()];
    this.complaint = element("span", { class: "complaint", role: "alert" });
    this.description = element("div", { class: "description", role: "status", "aria-label": "What is heard" });
    this.bill = element("span", { class: "parts" });
    const measure = button("Measure block, algorithm and limiter by a hiss that is played in", "Measure", () => live.measure());
    const account = element("div", { class: "bill" }, this.bill, measure);
    const top = element("div", { class: "transport live" }, this.go, this.source, this.inputMeter.node, this.aloud, this.record,
      this.form, this.network, this.state);
    const foot = element("div", { class: "foot" }, element("span", { class: "name" }, "Master"), this.level.input,
      this.figure, ...this.meters.map((one) => one.node), this.complaint);
    this.root = element("div", {
      class: "stemlab-player stemlab-live", role: "group", "aria-label": "Live separation", tabindex: "0",
      onpointerdown: () => live.source && live.chain?.context.resume(),
      onkeydown: (/** @type {KeyboardEvent} */ event) => answer(event, () => this.shortcut(event)),
    }, top, this.description, ...this.rows.map((row) => row.node), foot, account, this.saved);
    el.append(this.root);
  }

  /** What a key does, or nothing where the control that has the focus needs it. @param {KeyboardEvent} event */
  shortcut({ target, code, shiftKey }) {
    const { live, model } = this;
    if (code === "Escape") return () => live.set({ aloud: false });
    if (target instanceof HTMLSelectElement) return undefined;
    const stem = Number(/^(?:Digit|Numpad)([1-9])$/.exec(code)?.[1]) - 1;
    const field = shiftKey ? "solos" : "mutes";
    if (stem < live.stems.length) return () => live.change(field, stem, !model.get(field)[stem]);
    if (code === "KeyH") return () => live.set({ aloud: !model.get("aloud") });
    if (code === "Space" && !(target instanceof HTMLButtonElement)) return () => live.toggle();
    return undefined;
  }

  /** Follows the model and draws. @returns {() => void} stops it */
  start() {
    for (const name of ["levels", "mutes", "solos", "pans", "master", "running", "owner", "aloud", "account", "recording", "saved", "form", "source", "sources", "model"])
      this.model.on(`change:${name}`, () => this.show());
    this.show();
    const stops = [watchWidth(this.root, [640, 1000], () => {}), frames(() => this.draw())];
    return () => stops.forEach((stop) => stop());
  }

  show() {
    const { live, model } = this;
    showFaders(this.rows, model, live.gains());
    this.level.show(model.get("master"));
    this.figure.textContent = percent(model.get("master"));
    const running = model.get("running") && live.mine;
    this.showSources();
    this.go.textContent = running ? "Stop" : "Start";
    this.go.setAttribute("aria-label", running ? "Stop" : "Start");
    press(this.aloud, model.get("aloud"));
    press(this.record, model.get("recording"));
    this.form.value = model.get("form");
    this.form.disabled = model.get("recording");
    this.network.value = model.get("model");
    say(this.saved, model.get("recording") ? `Recording to ${model.get("folder")} …` : model.get("saved"));
    this.bill.replaceChildren(...Object.entries(model.get("account")).map(([part, seconds]) =>
      element("span", {}, `${part} `, element("b", {}, seconds === null ? "unknown" : `${(1000 * seconds).toFixed(1)} ms`))));
  }

  showSources() {
    const { model, source } = this;
    const names = [...new Set([...model.get("sources"), model.get("source")])];
    if (names.join() !== Array.from(source.options, ({ value }) => value).join())
      source.replaceChildren(...names.map((name) => element("option", { value: name }, NAMES[name] ?? name)));
    source.value = model.get("source");
  }

  draw() {
    const { live } = this;
    const { report, chain } = live;
    this.inputMeter.show(live.source ? report.input : 0);
    this.rows.forEach((row, s) => row.peak.show(live.source ? (report.peaks[s] ?? 0) : 0));
    this.meters.forEach((one, side) => one.show(chain?.master.peaks[side] ?? 0));
    this.network.disabled = this.model.get("recording") || live.dead;
    say(this.state, this.summary());
    say(this.complaint, live.complaint());
    say(this.description, live.description());
  }

  /** How late the stems are, and whether there were gaps. */
  summary() {
    const { live } = this;
    if (!live.chain) return live.failure ? "" : "loading …";
    if (!live.source) return "stopped";
    const { total } = this.model.get("account");
    const gaps = this.model.get("dropouts");
    return total ? `${(1000 * total).toFixed(0)} ms delay · ${gaps} gap${gaps === 1 ? "" : "s"}` : "starting …";
  }
}
