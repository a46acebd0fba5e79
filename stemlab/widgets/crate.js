// The crate: songs of a folder, to be loaded on a deck.

import { button, clock, element } from "./controls.js";

/** @typedef {{path: string, title: string, seconds: number, bpm: number, key: string, separated: number}} Entry */

/**
 * The crate's face. `look` is given a folder, `load` a side and a path.
 * @param {(folder: string) => void} look @param {(side: "a" | "b", path: string) => void} load
 */
export function crate(look, load) {
  const input = element("input", {
    type: "text", "aria-label": "Folder of songs", placeholder: "Folder with songs, then Enter", spellcheck: "false",
    onkeydown: (/** @type {KeyboardEvent} */ event) => {
      event.stopPropagation(); // or the notebook takes the letters for commands
      if (event.key === "Enter") look(input.value);
    },
  });
  const head = element("tr", {}, ...["", "Title", "Length", "BPM", "Key", "Stems"].map((name) => element("th", {}, name)));
  const body = element("tbody");
  const told = element("span", { class: "complaint", role: "alert" });
  const table = element("table", {}, element("thead", {}, head), body);
  const node = element("section", { class: "crate", role: "group", "aria-label": "Crate" },
    element("div", { class: "line" }, element("span", { class: "label" }, "CRATE"), input, told), element("div", { class: "songs" }, table));
  /** @param {string} folder @param {Entry[]} songs @param {string} error */
  const show = (folder, songs, error) => {
    if (document.activeElement !== input) input.value = folder;
    told.textContent = error;
    table.hidden = !songs.length;
    if (body.childElementCount !== songs.length) body.replaceChildren(...songs.map((song) => row(song, load)));
  };
  return { node, show };
}

/** @param {Entry} song @param {(side: "a" | "b", path: string) => void} load */
function row(song, load) {
  const { title, seconds, bpm, key, separated, path } = song;
  const facts = [title, clock(seconds).slice(0, -2), bpm ? bpm.toFixed(1) : "", key, separated === 1 ? "✓" : separated ? `${Math.floor(100 * separated)} %` : ""];
  return element("tr", {},
    element("td", {}, button(`Load ${title} on A`, "A", () => load("a", path)), button(`Load ${title} on B`, "B", () => load("b", path))),
    ...facts.map((fact) => element("td", {}, fact)));
}
