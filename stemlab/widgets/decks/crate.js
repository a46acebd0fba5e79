// The crate: songs of a folder or playlist, found, sorted and chosen, to be separated ahead of time and loaded on a deck.

import { button, clock, element, press } from "../parts/controls.js";
import { rove, toolbar } from "./toolbar.js";

/**
 * @typedef {{path: string, title: string, artist: string, seconds: number, date: number, bpm: number, key: string, camelot: string,
 *   loudness: number, separated: number, known: boolean}} Entry
 * @typedef {{look: (folder: string) => void, browse: (path: string) => void, load: (side: "a" | "b", path: string) => void,
 *   prepare: (paths: string[]) => void, cancel: (paths: string[]) => void, keep: () => void,
 *   drop: (files: FileList, side: string) => void, goes: (song: Entry) => boolean}} Acts
 */

const ROWS = 200; // rows that are shown at once

/** Each column's name, what it sorts by and what it shows. @type {[string, keyof Entry, (song: Entry) => string][]} */
const COLUMNS = [
  ["Title", "title", ({ title }) => title],
  ["Artist", "artist", ({ artist }) => artist],
  ["Length", "seconds", ({ seconds }) => clock(seconds).slice(0, -2)],
  ["BPM", "bpm", ({ bpm, known }) => (bpm ? bpm.toFixed(1) : known ? "–" : "…")],
  ["Key", "camelot", ({ key, camelot }) => (key ? `${camelot} ${key}` : "")],
  ["LUFS", "loudness", ({ loudness }) => (loudness ? loudness.toFixed(1) : "")],
  ["Date", "date", ({ date }) => new Date(1000 * date).toLocaleDateString()],
];

/** Orders two values of a column; Camelot's hours count as numbers. @param {string | number | boolean} a @param {string | number | boolean} b */
const order = (a, b) =>
  typeof a === "string" ? a.localeCompare(String(b), undefined, { numeric: true, sensitivity: "base" }) : Number(a) - Number(b);

/** The crate's face. */
export class Crate {
  /** @param {Acts} acts */
  constructor(acts) {
    this.acts = acts;
    /** @type {Map<string, Row>} */
    this.rows = new Map();
    /** @type {Entry[]} */
    this.songs = [];
    /** @type {Record<string, number>} */
    this.preparing = {};
    /** @type {keyof Entry | null} */
    this.column = null;
    this.down = false;
    this.chosen = ""; // the path of the song that keys and controllers load
    this.folder = this.#field("text", "Folder of songs", "Folder or playlist, then Enter", (event) => event.key === "Enter" && acts.look(this.folder.value));
    this.remembered = element("datalist", { id: `stemlab-folders-${Math.random().toString(36).slice(2)}` });
    this.folder.setAttribute("list", this.remembered.id);
    this.search = this.#field("search", "Search the crate", "Search", () => {});
    this.search.addEventListener("input", () => this.list());
    this.search.addEventListener("keydown", ({ key }) => key === "Enter" && this.step(1));
    this.goes = button("Goes with what plays", "FITS", () => {
      press(this.goes, this.goes.getAttribute("aria-pressed") !== "true");
      this.list();
    });
    this.goes.title = "Only songs that go with what plays: tempo within the fader's reach, keys that fit";
    press(this.goes, false);
    this.all = button("Separate all", "Separate all", () => this.everything());
    this.told = element("span", { class: "complaint", role: "alert" });
    this.picker = new Picker(acts);
    this.heads = COLUMNS.map(([name, column]) => button(`Sort by ${name}`, name, () => this.sort(column)));
    const chosen = toolbar("Chosen song", button("Previous song", "↑", () => this.step(-1)), button("Next song", "↓", () => this.step(1)),
      button("Load chosen song on A", "A", () => this.loadChosen("a")), button("Load chosen song on B", "B", () => this.loadChosen("b")));
    const head = element("tr", {}, element("th", {}, ""), ...this.heads.map((one) => element("th", {}, one)), element("th", {}, button("Sort by Stems", "Stems", () => this.sort("separated"))));
    this.body = element("tbody");
    this.table = element("table", {}, element("thead", {}, rove(head)), this.body);
    this.rest = element("div", { class: "rest" });
    this.node = element("section", { class: "crate", role: "group", "aria-label": "Crate" },
      element("div", { class: "line" }, element("span", { class: "label" }, "CRATE"), button("Browse", "Browse…", () => acts.browse(this.folder.value)),
        this.folder, this.remembered, this.search, this.goes, chosen, this.told, this.all, button("Export what was played", "History", () => acts.keep())),
      this.picker.node, element("div", { class: "songs" }, this.table, this.rest));
    takesFiles(this.node, (files) => acts.drop(files, ""));
  }

  /** @param {string} type @param {string} name @param {string} hint @param {(event: KeyboardEvent) => void} press */
  #field(type, name, hint, press) {
    return element("input", {
      type, "aria-label": name, placeholder: hint, spellcheck: "false",
      onkeydown: press,
    });
  }

  /**
   * @param {string} folder @param {string[]} folders @param {Entry[]} songs
   * @param {Record<string, number>} preparing share done by path @param {string} error
   */
  show(folder, folders, songs, preparing, error) {
    const same = this.songs === songs && this.preparing === preparing;
    Object.assign(this, { songs, preparing });
    if (document.activeElement !== this.folder) this.folder.value = folder;
    if (this.remembered.childElementCount !== folders.length || this.remembered.firstElementChild?.getAttribute("value") !== folders[0])
      this.remembered.replaceChildren(...folders.map((value) => element("option", { value })));
    this.told.textContent = error;
    const busy = Object.keys(preparing).length > 0;
    this.all.hidden = !busy && songs.every(({ separated }) => separated === 1);
    this.all.textContent = busy ? "Cancel all" : "Separate all";
    for (const name of ["aria-label", "title"]) this.all.setAttribute(name, this.all.textContent);
    if (!same) this.list();
    else if (this.goes.getAttribute("aria-pressed") === "true") this.list();
  }

  /** Sorts by a column, the other way round when it is chosen again. @param {keyof Entry} column */
  sort(column) {
    this.down = this.column === column && !this.down;
    this.column = column;
    this.list();
  }

  /** Chooses the next song of those that are shown, or the one before. @param {number} way */
  step(way) {
    const paths = [...this.rows.keys()];
    const at = paths.indexOf(this.chosen);
    this.chosen = paths[at < 0 ? (way > 0 ? 0 : paths.length - 1) : Math.min(paths.length - 1, Math.max(0, at + way))] ?? "";
    this.mark();
    this.rows.get(this.chosen)?.node.scrollIntoView({ block: "nearest" });
  }

  /** Shows which song is chosen; its buttons alone are tab stops. */
  mark() {
    for (const [path, row] of this.rows) row.choose(path === this.chosen);
  }

  /** @param {"a" | "b"} side */
  loadChosen(side) {
    if (this.rows.has(this.chosen)) this.acts.load(side, this.chosen);
  }

  /** Songs that hold what is searched for, that fit if they should, in order. */
  found() {
    const words = this.search.value.toLocaleLowerCase().split(/\s+/).filter(Boolean);
    const fit = this.goes.getAttribute("aria-pressed") === "true";
    const found = this.songs.filter((song) => {
      const text = `${song.title} ${song.artist} ${song.key} ${song.camelot} ${song.path}`.toLocaleLowerCase();
      return words.every((word) => text.includes(word)) && (!fit || this.acts.goes(song));
    });
    const { column, down } = this;
    return column ? found.sort((a, b) => (down ? -1 : 1) * order(a[column], b[column])) : found;
  }

  /** Shows the rows that are chosen. */
  list() {
    const songs = this.found();
    const shown = songs.slice(0, ROWS);
    this.table.hidden = !this.songs.length;
    this.rest.textContent = songs.length > ROWS ? `… and ${songs.length - ROWS} more: search for them.` : this.songs.length && !songs.length ? "No such song here." : "";
    this.rows = new Map(shown.map((song) => [song.path, this.rows.get(song.path) ?? new Row(song, this.acts)]));
    const nodes = [...this.rows.values()].map((row) => row.node);
    if (nodes.some((node, i) => node !== this.body.children[i]) || nodes.length !== this.body.childElementCount)
      this.body.replaceChildren(...nodes);
    for (const song of shown) this.rows.get(song.path)?.show(song, this.preparing[song.path]);
    this.mark();
    this.heads.forEach((head, i) => {
      const mark = COLUMNS[i][1] === this.column ? (this.down ? " ▾" : " ▴") : "";
      head.textContent = COLUMNS[i][0] + mark;
    });
  }

  everything() {
    const under = Object.keys(this.preparing);
    if (under.length) this.acts.cancel(under);
    else this.acts.prepare(this.songs.filter(({ separated }) => separated < 1).map(({ path }) => path));
  }
}

/** Folders and playlists of the kernel's side, to choose from. */
class Picker {
  /** @param {Acts} acts */
  constructor(acts) {
    this.acts = acts;
    this.node = element("div", { class: "picker", role: "group", "aria-label": "Folders", hidden: "" });
  }

  /** @param {string} path of the folder @param {string[]} names in it */
  show(path, names) {
    const { acts } = this;
    const inside = (/** @type {string} */ name) => `${path.replace(/[\\/]$/, "")}/${name}`;
    const close = () => (this.node.hidden = true);
    const take = (/** @type {string} */ place) => {
      close();
      acts.look(place);
    };
    const open = (/** @type {string} */ name) =>
      /\.(m3u8?|xml)$/i.test(name) ? button(name, `♫ ${name}`, () => take(inside(name))) : button(name, `${name}/`, () => acts.browse(inside(name)));
    this.node.replaceChildren(
      element("div", { class: "line" }, button("Folder above", "↑", () => acts.browse(inside(".."))), element("span", { class: "path" }, path),
        button("Take this folder", "Take this folder", () => take(path)), button("Close folders", "✕", close)),
      element("div", { class: "names" }, ...names.map(open)));
    this.node.hidden = false;
  }
}

/** Lets files be dropped on a node. @param {HTMLElement} node @param {(files: FileList) => void} take */
export function takesFiles(node, take) {
  node.addEventListener("dragover", (event) => event.preventDefault());
  node.addEventListener("drop", (event) => {
    const files = event.dataTransfer?.files;
    if (!files?.length) return;
    event.preventDefault();
    event.stopPropagation();
    take(files);
  });
}

/** One song. */
class Row {
  /** @param {Entry} song @param {Acts} acts */
  constructor({ path, title }, acts) {
    this.facts = COLUMNS.map(() => element("td"));
    this.start = button(`Separate ${title}`, "Separate", () => acts.prepare([path]));
    this.bar = element("progress", { max: 1, "aria-label": `Separation of ${title}` });
    this.share = element("span", { class: "share" });
    this.cancel = button(`Cancel ${title}`, "✕", () => acts.cancel([path]));
    this.done = element("span", { class: "done", role: "img", "aria-label": "separated", title: "separated" }, "✓");
    this.node = element("tr", {},
      element("td", {}, button(`Load ${title} on A`, "A", () => acts.load("a", path)), button(`Load ${title} on B`, "B", () => acts.load("b", path))),
      ...this.facts, element("td", { class: "work" }, this.start, this.bar, this.share, this.cancel, this.done));
  }

  /** @param {boolean} on */
  choose(on) {
    this.node.classList.toggle("chosen", on);
    this.node.setAttribute("aria-current", String(on));
    for (const one of this.node.querySelectorAll("button")) one.tabIndex = on ? 0 : -1;
  }

  /** @param {Entry} song @param {number | undefined} share of what is under way */
  show(song, share) {
    const { separated } = song;
    COLUMNS.forEach(([, , text], i) => (this.facts[i].textContent = text(song)));
    this.facts[0].title = song.path;
    const busy = share !== undefined;
    this.bar.value = share ?? 0;
    this.share.textContent = busy ? (share ? `${Math.floor(100 * share)} %` : "waiting") : separated > 0 && separated < 1 ? `${Math.floor(100 * separated)} %` : "";
    this.bar.hidden = this.cancel.hidden = !busy;
    this.start.hidden = busy || separated === 1;
    this.done.hidden = busy || separated < 1;
  }
}
