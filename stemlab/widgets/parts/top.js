// The first minute begins at the top: JupyterLab goes to the last cell when it has run all.

const ALONE = 30_000; // ms that the cells may take
const READER = ["wheel", "touchmove", "pointerdown", "keydown"];

/** Keep a notebook at its top until its reader does something. @param {Element} node what the first cell shows */
export function stayAtTop(node) {
  const notebook = node.closest(".stemlab-compact")?.closest(".jp-WindowedPanel-outer");
  if (!notebook) return;
  const over = new AbortController();
  const end = () => over.abort();
  for (const act of READER) addEventListener(act, end, { capture: true, passive: true, signal: over.signal });
  notebook.addEventListener("scroll", () => notebook.scrollTo(0, 0), { signal: over.signal });
  setTimeout(end, ALONE);
}
