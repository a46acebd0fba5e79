// Controls that share one tab stop: arrow keys move among them, as ARIA's pattern of a toolbar has it.

import { group } from "../parts/controls.js";

/** @type {Record<string, number>} */
const STEPS = { ArrowLeft: -1, ArrowRight: 1 };

/**
 * Has buttons below a node, or all of them, share one tab stop.
 * @template {HTMLElement} T @param {T} node @param {HTMLButtonElement[]} buttons @returns {T}
 */
export function rove(node, buttons = [...node.querySelectorAll("button")]) {
  const place = (/** @type {EventTarget | null} */ target) => buttons.findIndex((one) => one === target);
  const stop = (/** @type {number} */ chosen) => buttons.forEach((one, i) => (one.tabIndex = i === chosen ? 0 : -1));
  node.addEventListener("focusin", ({ target }) => place(target) >= 0 && stop(place(target)));
  node.addEventListener("keydown", (event) => {
    const at = place(event.target);
    const step = STEPS[event.key];
    if (at < 0 || !step || event.shiftKey) return;
    event.preventDefault();
    event.stopPropagation();
    buttons[(at + step + buttons.length) % buttons.length].focus();
  });
  stop(0);
  return node;
}

/** @param {string} name @param {...(Node | string)} children */
export function toolbar(name, ...children) {
  const node = rove(group(name, ...children));
  node.setAttribute("role", "toolbar");
  return node;
}
