// Names for what ipywidgets leaves without, for a screen reader: the handles of sliders, the buttons of Play.

const NAMELESS = ".widget-slider .noUi-handle:not([aria-labelledby])";
const PLAYS = ["Step on by itself, or pause", "Stop and go back", "Repeat"];
let named = 0;

function nameControls() {
  for (const handle of document.querySelectorAll(NAMELESS)) {
    const label = handle.closest(".widget-slider")?.querySelector(".widget-label");
    if (!label) continue;
    label.id ||= `stemlab-name-${named++}`;
    handle.setAttribute("aria-labelledby", label.id);
  }
  for (const play of document.querySelectorAll(".widget-play"))
    play.querySelectorAll("button").forEach((button, i) => button.setAttribute("aria-label", PLAYS[i]));
}

/** Names those on this page, and those that will come; to ask again changes nothing. */
export function nameForeign() {
  const page = document.documentElement;
  if (page.hasAttribute("data-stemlab-names")) return;
  page.setAttribute("data-stemlab-names", "");
  let waiting = 0;
  const look = () => {
    waiting = 0;
    nameControls();
  };
  new MutationObserver((changes) => {
    const more = changes.some(({ addedNodes }) => [...addedNodes].some((node) => node instanceof Element));
    if (more) waiting ||= setTimeout(look, 100);
  }).observe(document.body, { childList: true, subtree: true });
  nameControls();
}
