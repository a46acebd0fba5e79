// Controls that share one tab stop: arrow keys move among them, as ARIA's pattern of a toolbar has it.

import { group } from "../parts/controls.js";

/** @type {Record<string, number>} */
const STEPS = { ArrowLeft: -1, ArrowRight: 1 };

/** Has the buttons below a node share one tab stop. @template {HTMLElement} T @param {T} node @returns {T} */
export function rove(node) {
  const buttons = [...node.querySelectorAll("button")];
  const stop = (/** @type {EventTarget | null} */ chosen) => buttons.forEach((one) => (one.tabIndex = one === chosen ? 0 : -1));
  node.addEventListener("focusin", ({ target }) => target instanceof HTMLButtonElement && stop(target));
  node.addEventListener("keydown", (event) => {
    const at = buttons.findIndex((one) => one === event.target);
    const step = STEPS[event.key];
    if (at < 0 || !step || event.shiftKey) return;
    event.preventDefault();
    event.stopPropagation();
    buttons[(at + step + buttons.length) % buttons.length].focus();
  });
  stop(buttons[0]);
  return node;
}

/** @param {string} name @param {...(Node | string)} children */
export function toolbar(name, ...children) {
  const node = rove(group(name, ...children));
  node.setAttribute("role", "toolbar");
  return node;
}
