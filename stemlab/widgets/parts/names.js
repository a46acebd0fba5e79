// Names for ipywidgets' sliders: their handles, which a screen reader reads, have none.

const NAMELESS = ".widget-slider .noUi-handle:not([aria-labelledby])";

let named = 0;

function nameHandles() {
  for (const handle of document.querySelectorAll(NAMELESS)) {
    const label = handle.closest(".widget-slider")?.querySelector(".widget-label");
    if (!label) continue;
    label.id ||= `stemlab-name-${named++}`;
    handle.setAttribute("aria-labelledby", label.id);
  }
}

/** Names those on this page, and those that will come; to ask again changes nothing. */
export function nameSliders() {
  const page = document.documentElement;
  if (page.hasAttribute("data-stemlab-names")) return;
  page.setAttribute("data-stemlab-names", "");
  let waiting = 0;
  const look = () => {
    waiting = 0;
    nameHandles();
  };
  new MutationObserver((changes) => {
    const more = changes.some(({ addedNodes }) => [...addedNodes].some((node) => node instanceof Element));
    if (more) waiting ||= setTimeout(look, 100);
  }).observe(document.body, { childList: true, subtree: true });
  nameHandles();
}
