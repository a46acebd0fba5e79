// The crate: songs of a folder, to be separated ahead of time and loaded on a deck.

import { button, clock, element } from "../parts/controls.js";

/**
 * @typedef {{path: string, title: string, seconds: number, bpm: number, key: string, separated: number}} Entry
 * @typedef {{look: (folder: string) => void, load: (side: "a" | "b", path: string) => void,
 *   prepare: (paths: string[]) => void, cancel: (paths: string[]) => void}} Acts
 */

/** The crate's face. */
export class Crate {
  /** @param {Acts} acts */
  constructor(acts) {
    this.acts = acts;
    this.folder = element("input", {
      type: "text", "aria-label": "Folder of songs", placeholder: "Folder with songs, then Enter", spellcheck: "false",
      onkeydown: (/** @type {KeyboardEvent} */ event) => {
        event.stopPropagation(); // or the notebook takes the letters for commands
        if (event.key === "Enter") acts.look(this.folder.value);
      },
    });
    this.all = button("Separate all", "Separate all", () => this.everything());
    this.told = element("span", { class: "complaint", role: "alert" });
    const head = element("tr", {}, ...["", "Title", "Length", "BPM", "Key", "Stems"].map((name) => element("th", {}, name)));
    this.body = element("tbody");
    this.table = element("table", {}, element("thead", {}, head), this.body);
    this.node = element("section", { class: "crate", role: "group", "aria-label": "Crate" },
      element("div", { class: "line" }, element("span", { class: "label" }, "CRATE"), this.folder, this.told, this.all),
      element("div", { class: "songs" }, this.table));
    /** @type {Map<string, Row>} */
    this.rows = new Map();
    /** @type {Entry[]} */
    this.songs = [];
    /** @type {Record<string, number>} */
    this.preparing = {};
  }

  /** @param {string} folder @param {Entry[]} songs @param {Record<string, number>} preparing share done by path @param {string} error */
  show(folder, songs, preparing, error) {
    Object.assign(this, { songs, preparing });
    if (document.activeElement !== this.folder) this.folder.value = folder;
    this.told.textContent = error;
    this.table.hidden = !songs.length;
    const busy = Object.keys(preparing).length > 0;
    this.all.hidden = !busy && songs.every(({ separated }) => separated === 1);
    this.all.textContent = busy ? "Cancel all" : "Separate all";
    for (const name of ["aria-label", "title"]) this.all.setAttribute(name, this.all.textContent);
    this.rows = new Map(songs.map((song) => [song.path, this.rows.get(song.path) ?? new Row(song, this.acts)]));
    const nodes = [...this.rows.values()].map((row) => row.node);
    if (nodes.some((node, i) => node !== this.body.children[i]) || nodes.length !== this.body.childElementCount)
      this.body.replaceChildren(...nodes);
    for (const song of songs) this.rows.get(song.path)?.show(song, preparing[song.path]);
  }

  everything() {
    const under = Object.keys(this.preparing);
    if (under.length) this.acts.cancel(under);
    else this.acts.prepare(this.songs.filter(({ separated }) => separated < 1).map(({ path }) => path));
  }
}

/** One song. */
class Row {
  /** @param {Entry} song @param {Acts} acts */
  constructor({ path, title }, acts) {
    this.facts = Array.from({ length: 4 }, () => element("td"));
    this.start = button(`Separate ${title}`, "Separate", () => acts.prepare([path]));
    this.bar = element("progress", { max: 1, "aria-label": `Separation of ${title}` });
    this.share = element("span", { class: "share" });
    this.cancel = button(`Cancel ${title}`, "✕", () => acts.cancel([path]));
    this.done = element("span", { class: "done", role: "img", "aria-label": "separated", title: "separated" }, "✓");
    this.node = element("tr", {},
      element("td", {}, button(`Load ${title} on A`, "A", () => acts.load("a", path)), button(`Load ${title} on B`, "B", () => acts.load("b", path))),
      ...this.facts, element("td", { class: "work" }, this.start, this.bar, this.share, this.cancel, this.done));
  }

  /** @param {Entry} song @param {number | undefined} share of what is under way */
  show({ title, seconds, bpm, key, separated }, share) {
    const facts = [title, clock(seconds).slice(0, -2), bpm ? bpm.toFixed(1) : "", key];
    facts.forEach((fact, i) => (this.facts[i].textContent = fact));
    const busy = share !== undefined;
    this.bar.value = share ?? 0;
    this.share.textContent = busy ? (share ? `${Math.floor(100 * share)} %` : "waiting") : separated > 0 && separated < 1 ? `${Math.floor(100 * separated)} %` : "";
    this.bar.hidden = this.cancel.hidden = !busy;
    this.start.hidden = busy || separated === 1;
    this.done.hidden = busy || separated < 1;
  }
}
