// What can be done with a hot cue besides jumping to it: name, colour, the stems that it recalls, clear.

import { button, element, press } from "../parts/controls.js";
import { CUE_HUES } from "./closeup.js";
import { toolbar } from "./toolbar.js";

/** @typedef {import("./turntable.js").Cue} Cue */

/** A line below the hot cues that opens for one of them. */
export class CueEditor {
  /** @param {import("./turntable.js").Turntable} table @param {string} letter @param {(i: number) => void} back gives the focus back */
  constructor(table, letter, back) {
    this.table = table;
    this.back = back;
    this.index = 0;
    this.name = element("input", {
      type: "text", maxlength: 40, "aria-label": `Name of the hot cue ${letter}`, placeholder: "Name", spellcheck: "false",
      onkeydown: (/** @type {KeyboardEvent} */ event) => {
        if (event.key === "Enter" || event.key === "Escape") this.close();
      },
      oninput: () => this.change({ name: this.name.value }),
    });
    this.hue = element("input", { type: "color", "aria-label": `Colour of the hot cue ${letter}`, oninput: () => this.change({ hue: this.hue.value }) });
    this.stems = button(`Hot cue recalls the stems ${letter}`, "STEMS", () => this.layout());
    const clear = button(`Clear hot cue ${letter}`, "Clear", () => {
      table.forget(this.index);
      this.close();
    });
    this.node = element("div", { class: "line cue-editor", hidden: "" }, this.name, this.hue,
      toolbar("Hot cue", this.stems, clear, button(`Close hot cue ${letter}`, "✓", () => this.close())));
  }

  /** @returns {Cue} */
  get cue() {
    return this.table.model.get("cues")[this.index];
  }

  /** @param {number} i */
  open(i) {
    this.index = i;
    if (!("at" in this.cue)) return;
    this.name.value = this.cue.name ?? "";
    this.hue.value = this.cue.hue ?? CUE_HUES[i];
    press(this.stems, Boolean(this.cue.levels));
    this.node.hidden = false;
    this.name.focus();
  }

  close() {
    if (this.node.contains(document.activeElement)) this.back(this.index);
    this.node.hidden = true;
  }

  /** @param {Partial<Cue>} facts */
  change(facts) {
    this.table.setCue(this.index, { ...this.cue, ...facts });
  }

  /** Keeps the faders as they stand with the cue, or no longer. */
  layout() {
    const { at, end, name, hue, levels } = this.cue;
    const { model } = this.table;
    const stems = levels ? {} : { levels: model.get("levels"), mutes: [...this.table.gains()].map((gain) => gain === 0) };
    this.table.setCue(this.index, { at, end, name, hue, ...stems });
    press(this.stems, !levels);
  }
}
