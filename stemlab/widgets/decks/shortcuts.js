// What keys do on the decks, and the list of it. Deck A is at the left of the keyboard, deck B at its right.

import { element } from "../parts/controls.js";

/** @typedef {import("./console.js").Console} Console */
/** @typedef {import("./crate.js").Crate} Crate */
/** @typedef {import("./turntable.js").Turntable} Turntable */

const CUES = [["Digit1", "Digit2", "Digit3", "Digit4", "KeyA", "KeyS", "KeyD", "KeyF"],
  ["Digit7", "Digit8", "Digit9", "Digit0", "KeyJ", "KeyK", "KeyL", "Semicolon"]];

/** Of each deck: what one reads, keys of A and of B, what the i-th of them does. @type {[string, string[], string[], (table: Turntable, i: number) => void][]} */
const OF_DECKS = [
  ["Play", ["KeyQ"], ["KeyP"], (table) => table.toggle()],
  ["Cue", ["KeyW"], ["KeyO"], (table) => table.cue()],
  ["Sync", ["KeyE"], ["KeyI"], (table) => table.sync()],
  ["Loop of 4 beats", ["KeyR"], ["KeyU"], (table) => table.beatLoop(4)],
  ["Match key", ["KeyT"], ["KeyY"], (table) => table.matchKey()],
  ["Hot cues 1 to 8", CUES[0], CUES[1], (table, i) => table.hotCue(i)],
  ["Clear hot cues", ...withShift(CUES), (table, i) => table.forget(i)],
  ["Mute stems", ["KeyZ", "KeyX", "KeyC", "KeyV"], ["KeyN", "KeyM", "Comma", "Period"], (table, i) => {
    if (i < table.stems.length) table.change("mutes", i, !table.model.get("mutes")[i]);
  }],
];

/** Of both decks, mixer and crate. @type {[string, string[], (desk: Console, crate: Crate, i: number) => void][]} */
const OF_ALL = [
  ["Start both decks", ["Space"], (desk) => desk.together()],
  ["Crossfader", ["ArrowLeft", "ArrowRight"], (desk, _, i) =>
    desk.set({ crossfader: Math.min(1, Math.max(0, desk.model.get("crossfader") + (i ? 0.05 : -0.05))) })],
  ["Vocals A + music B, or the other way round", ["KeyG", "KeyH"], (desk, _, i) => desk.mashup(i)],
  ["Previous and next song of the crate", ["ArrowUp", "ArrowDown"], (_, crate, i) => crate.step(i ? 1 : -1)],
  ["Load it on A or B", ["Shift+ArrowLeft", "Shift+ArrowRight"], (_, crate, i) => crate.loadChosen(i ? "b" : "a")],
  ["Search the crate", ["Slash"], (_, crate) => crate.search.focus()],
  ["Record", ["Shift+KeyR"], (desk) => desk.record()],
];

/** @param {string[][]} keys @returns {[string[], string[]]} */
function withShift(keys) {
  const [a, b] = keys.map((codes) => codes.map((code) => `Shift+${code}`));
  return [a, b];
}

/** Whether an element has letters and Space for itself. @param {EventTarget | null} target */
const chooses = (target) => target instanceof HTMLSelectElement || (target instanceof HTMLInputElement && target.type === "color");

/** What a key does, if anything. @param {KeyboardEvent} event @param {Console} desk @param {Crate} crate @returns {(() => void) | undefined} */
export function shortcut({ code, shiftKey, repeat, target }, desk, crate) {
  const key = shiftKey ? `Shift+${code}` : code;
  if (chooses(target) || (code === "Space" && target instanceof HTMLButtonElement)) return undefined;
  if (code.startsWith("Arrow") && target instanceof HTMLInputElement) return undefined; // has its own
  if (shiftKey && repeat) return () => {}; // a held arrow would load its song again and again
  for (const [, a, b, act] of OF_DECKS)
    for (const [side, keys] of [a, b].entries()) {
      const [table, i] = [desk.tables[side], keys.indexOf(key)];
      if (i >= 0) return () => table && act(table, i);
    }
  const found = OF_ALL.find(([, keys]) => keys.includes(key));
  return found && (() => found[2](desk, crate, found[1].indexOf(key)));
}

/** @type {Record<string, string>} */
const SIGNS = { ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓", Semicolon: ";", Comma: ",", Period: ".", Slash: "/" };

/** As it stands on the keyboard. @param {string[]} codes */
const spelt = (codes) =>
  codes.map((code) => code.replace(/Key|Digit/, "").replace(/[A-Z]\w+$/, (name) => SIGNS[name] ?? name)).join(" ")
    .replaceAll(/ Shift\+/g, " ").replace("Shift+", "⇧ ");

/** The list of keys. */
export function keyList() {
  const rows = [...OF_DECKS.map(([what, a, b]) => [what, spelt(a), spelt(b)]), ...OF_ALL.map(([what, keys]) => [what, spelt(keys), ""])];
  const head = ["Keys", "Deck A", "Deck B"].map((text) => element("th", {}, text));
  const node = element("div", { class: "key-list", role: "group", "aria-label": "List of keys", hidden: "" },
    element("table", {}, element("thead", {}, element("tr", {}, ...head)),
      element("tbody", {}, ...rows.map(([what, a, b]) => element("tr", {}, element("td", {}, what),
        ...(b ? [element("td", {}, a), element("td", {}, b)] : [element("td", { colspan: 2 }, a)]))))),
    element("p", {}, "Tab goes from group to group, ← → within one; ↑ ↓ move a fader. The first group goes straight to a part. Shift F10 on a hot cue names and colours it."));
  return node;
}
