// Keys stay in the widget that has the focus.

const OURS = '[class*="stemlab-"]';
const HELD = /^(Arrow|Page)|^[-+=]$/; // keys that go on while they are held
const OUTPUT = ".jp-OutputArea-output"; // JupyterLab's, with all of a box of widgets

/** Whether an element is in one of these widgets, or beside one in the same output. @param {Element} node */
function within(node) {
  return node.closest(OURS) ?? node.closest(OUTPUT)?.querySelector(OURS);
}

/**
 * JupyterLab asks the element with the focus first whether a shortcut is meant for it, then those around it, up to one
 * with this mark. So the mark belongs on the control itself: one on the widget around it comes too late. To save is
 * the one command that stays, or the browser would save the page.
 * @param {KeyboardEvent} event
 */
function mark({ target, key, ctrlKey, metaKey }) {
  const saves = (ctrlKey || metaKey) && key === "s";
  if (target instanceof Element && within(target)) target.toggleAttribute("data-lm-suppress-shortcuts", !saves);
}

/** VS Code listens outside of the document. @param {KeyboardEvent} event */
function hold(event) {
  const command = event.ctrlKey || event.metaKey || event.altKey;
  if (!command && event.target instanceof Element && within(event.target)) event.stopPropagation();
}

/** Whether somebody writes there. @param {EventTarget | null} target */
const isText = (target) => target instanceof HTMLInputElement && ["text", "search"].includes(target.type);

/**
 * Does what a key is for in a widget; neither the browser's own commands nor what is written into a field is meant. Held,
 * a key for steps goes on; any other acts once.
 * @param {KeyboardEvent} event @param {() => (() => void) | undefined} shortcut
 */
export function answer(event, shortcut) {
  if (event.ctrlKey || event.metaKey || event.altKey || isText(event.target)) return;
  const act = shortcut();
  if (!act) return;
  event.preventDefault();
  event.stopPropagation();
  if (!event.repeat || HELD.test(event.key)) act();
}

/** Keeps the keys of all widgets on this page; to ask again changes nothing. */
export function keepKeys() {
  const page = document.documentElement;
  if (page.hasAttribute("data-stemlab-keys")) return;
  page.setAttribute("data-stemlab-keys", "");
  globalThis.addEventListener("keydown", mark, { capture: true });
  document.addEventListener("keydown", hold);
}
