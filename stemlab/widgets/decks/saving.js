// What is kept: a recording of the master, stems and mixes of the decks.

import { button, choice, element, press } from "../parts/controls.js";
import { SIDES } from "./console.js";

/** @typedef {import("./console.js").Console} Console */
/** @typedef {import("./turntable.js").Turntable} Turntable */

/** What one sees of it. */
export class SaveFace {
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
