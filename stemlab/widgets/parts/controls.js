// Parts that players and decks are built of: elements, buttons, faders, meters, waveforms.

const TAU_METER = 0.12; // seconds in which a meter falls to a third
const TRAVEL = 160; // pixels of a drag from one end of a knob to the other
const FRAME = 25; // ms between two pictures, or until the browser's next frame after that

/**
 * An element with attributes and children; attributes whose names start with "on" are listeners.
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag @param {Record<string, any>} attributes @param {(Node | string)[]} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

/**
 * A button that leaves the keyboard's focus where it is when the mouse presses it.
 * @param {string} name accessible name @param {string} face what it shows @param {() => void} onclick
 */
export function button(name, face, onclick) {
  const keepFocus = (/** @type {Event} */ event) => event.preventDefault();
  return element("button", {
    type: "button", "data-control": name, "aria-label": name, title: name, onclick, onmousedown: keepFocus,
  }, face);
}

/** @param {HTMLElement} node @param {boolean} on */
export function press(node, on) {
  node.setAttribute("aria-pressed", String(on));
}

/** @type {Record<string, number>} */
const WAYS = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 };

/**
 * A slider. An arrow key moves it by a step, a double click sets it back to its rest.
 * @param {string} name accessible name
 * @param {{min: number, max: number, rest: number, step: number, text: (value: number) => string}} scale
 * @param {(value: number) => void} move
 */
export function slider(name, { min, max, rest, step, text }, move) {
  const input = element("input", {
    type: "range", min, max, step: "any", "data-control": name, "aria-label": name, title: name,
    oninput: () => move(Number(input.value)),
    onkeydown: (/** @type {KeyboardEvent} */ event) => nudge(event),
    ondblclick: () => move(rest),
  });
  /** @param {number} value */
  const show = (value) => {
    input.value = String(value);
    input.setAttribute("aria-valuetext", text(value));
    input.style.setProperty("--fill", `${(100 * (value - min)) / (max - min)}%`);
  };
  const nudge = (/** @type {KeyboardEvent} */ event) => {
    const way = WAYS[event.key];
    if (!way || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    show(Math.min(max, Math.max(min, (Math.round(Number(input.value) / step) + way) * step)));
    move(Number(input.value));
  };
  show(rest);
  return { input, show };
}

/**
 * A knob about its rest in the middle: a slider that is dragged up and down.
 * @param {string} name accessible name
 * @param {{min: number, max: number, rest: number, step: number, text: (value: number) => string}} scale
 * @param {(value: number) => void} move
 */
export function knob(name, scale, move) {
  const { input, show } = slider(name, scale, move);
  const { min, max } = scale;
  input.classList.add("knob");
  let [from, grip] = [0, 0];
  input.addEventListener("mousedown", (event) => event.preventDefault()); // a slider would jump
  input.addEventListener("pointerdown", (event) => {
    input.focus();
    input.setPointerCapture(event.pointerId);
    [from, grip] = [Number(input.value), event.clientY];
  });
  input.addEventListener("pointermove", (event) => {
    if (input.hasPointerCapture(event.pointerId))
      move(Math.min(max, Math.max(min, from + ((grip - event.clientY) / TRAVEL) * (max - min))));
  });
  return {
    input,
    /** @param {number} value */
    show: (value) => {
      show(value);
      input.style.setProperty("--turn", String((2 * (value - min)) / (max - min) - 1));
      input.title = `${name}: ${scale.text(value)}`;
    },
  };
}

/** Says something else, if it is something else: to write the same anew costs a layout. @param {HTMLElement} node @param {string} text */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/**
 * Draws as often as is worth it: a frame that is asked for costs, even if nothing is drawn. One picture that fails is
 * not the last.
 * @param {(ms: number) => void} draw @returns {() => void} stops it
 */
export function frames(draw) {
  let waiting = 0;
  let request = 0;
  const loop = (/** @type {number} */ ms) => {
    try {
      draw(ms);
    } finally {
      const taken = performance.now() - ms; // a picture that takes long is not followed by as long a rest
      waiting = setTimeout(() => (request = requestAnimationFrame(loop)), FRAME - taken);
    }
  };
  request = requestAnimationFrame(loop);
  return () => {
    clearTimeout(waiting);
    cancelAnimationFrame(request);
  };
}

/**
 * Tells the style sheet how wide an element is: below 640 px its class is under-640. Container queries would do so
 * too, but in cells out of sight (content-visibility) they were suspected of leaving undrawn what is inside.
 * @param {HTMLElement} root @param {number[]} steps px @param {() => void} then after each change of its size
 * @returns {() => void} stops it
 */
export function watchWidth(root, steps, then) {
  const size = new ResizeObserver(() => {
    for (const step of steps) root.classList.toggle(`under-${step}`, root.offsetWidth < step);
    then();
  });
  size.observe(root);
  return () => size.disconnect();
}

export const percent = (/** @type {number} */ value) => `${Math.round(100 * value)} %`;

/** A number with its sign and unit. @param {number} value @param {number} digits @param {string} unit */
export const signed = (value, digits, unit) => `${value < 0 ? "−" : value > 0 ? "+" : "±"}${Math.abs(value).toFixed(digits)}${unit}`;

/** A peak meter from −48 to +3 dB that falls slowly. */
export function meter() {
  const bar = element("div", { class: "bar" });
  const node = element("div", { class: "meter", "aria-hidden": "true" }, bar);
  let level = 0;
  let last = performance.now();
  let shown = "";
  /** @param {number} peak linear */
  const show = (peak) => {
    const now = performance.now();
    level = Math.max(peak, level * Math.exp((last - now) / 1000 / TAU_METER));
    last = now;
    const height = Math.min(1, Math.max(0, (20 * Math.log10(level + 1e-9) + 48) / 51));
    node.classList.toggle("hot", level > 0.98);
    if (shown === height.toFixed(2)) return;
    shown = height.toFixed(2);
    bar.style.setProperty("--level", shown);
  };
  return { node, show };
}

/** @param {number} seconds */
export function clock(seconds) {
  const tenths = Math.floor(Math.max(0, seconds) * 10 + 1e-6);
  const minutes = Math.floor(tenths / 600);
  return `${minutes}:${String(Math.floor((tenths % 600) / 10)).padStart(2, "0")}.${tenths % 10}`;
}

/**
 * A waveform to seek on: drag moves the playhead, shift and drag marks a loop.
 * @param {{duration: number, seek: (seconds: number) => void, mark: (a: number, b: number) => void}} song
 */
export function waveform({ duration, seek, mark }) {
  const canvas = element("canvas");
  const head = element("div", { class: "head" });
  const played = element("div", { class: "played" });
  const region = element("div", { class: "region", hidden: "" });
  const node = element("div", { class: "wave" }, canvas, played, region, head);
  let from = NaN;
  let placed = -1;
  const at = (/** @type {PointerEvent} */ event) => {
    const box = node.getBoundingClientRect();
    return duration * Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
  };
  node.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    node.setPointerCapture(event.pointerId);
    from = at(event);
    if (!event.shiftKey) seek(from);
  });
  node.addEventListener("pointermove", (event) => {
    if (!node.hasPointerCapture(event.pointerId)) return;
    if (!event.shiftKey) seek(at(event));
    else if (Math.abs(at(event) - from) > 0.05) mark(Math.min(from, at(event)), Math.max(from, at(event)));
  });
  /** @param {number} seconds */
  const place = (seconds) => {
    const share = Math.min(1, seconds / duration);
    const pixel = Math.round(share * canvas.width);
    if (pixel === placed) return;
    placed = pixel;
    head.style.left = played.style.width = `${100 * share}%`;
  };
  /** @param {number[]} loop [] or [a, b] */
  const bracket = (loop) => {
    region.hidden = loop.length < 2;
    if (region.hidden) return;
    region.style.left = `${(100 * loop[0]) / duration}%`;
    region.style.width = `${(100 * (loop[1] - loop[0])) / duration}%`;
  };
  return { node, canvas, place, bracket };
}

/**
 * Draws columns of stacked bars, mirrored about the middle.
 * @param {HTMLCanvasElement} canvas
 * @param {number} columns @param {(column: number) => [string, number][]} stack colours and heights 0–1, inside out
 */
export function drawBars(canvas, columns, stack) {
  const ratio = globalThis.devicePixelRatio || 1;
  const width = (canvas.width = Math.round(canvas.clientWidth * ratio));
  const height = (canvas.height = Math.round(canvas.clientHeight * ratio));
  const pen = canvas.getContext("2d");
  if (!pen || !width) return;
  const pitch = 3 * ratio;
  for (let x = 0; x < width; x += pitch) {
    const first = Math.floor((x / width) * columns);
    const last = Math.max(first + 1, Math.floor(((x + pitch) / width) * columns));
    const bar = loudest(stack, first, Math.min(last, columns));
    let inner = 0;
    for (const [colour, share] of bar) {
      const outer = Math.min(height / 2, inner + (share * height) / 2);
      pen.fillStyle = colour;
      pen.fillRect(x, height / 2 - outer, 2 * ratio, outer - inner);
      pen.fillRect(x, height / 2 + inner, 2 * ratio, outer - inner);
      inner = outer;
    }
  }
}

/**
 * The highest of some columns' stacks.
 * @param {(column: number) => [string, number][]} stack @param {number} first @param {number} last
 */
function loudest(stack, first, last) {
  const total = (/** @type {[string, number][]} */ bar) => bar.reduce((sum, [, share]) => sum + share, 0);
  let best = stack(first);
  for (let column = first + 1; column < last; column++) {
    const bar = stack(column);
    if (total(bar) > total(best)) best = bar;
  }
  return best;
}

/** Height of a bar: a little more for soft parts than their share, and never nothing. @param {number} share */
export const height = (share) => Math.max(0.03, Math.min(1, share) ** 0.75);

/**
 * Draws a song's overview: the mix's peaks, coloured by what of each stem the faders let through.
 * @param {HTMLCanvasElement} canvas @param {DataView} view a row of peaks of the mix, then one for each stem
 * @param {Float32Array} gains @param {string[]} colours @param {string} faint for what is not separated yet
 */
export function drawSong(canvas, view, gains, colours, faint) {
  const columns = view.byteLength / (gains.length + 1);
  const peak = (/** @type {number} */ row, /** @type {number} */ column) => view.getUint8(row * columns + column);
  let most = 2;
  for (let column = 0; column < columns; column++) most = Math.max(most, peak(0, column));
  drawBars(canvas, columns, (column) => {
    const parts = colours.map((_, s) => peak(s + 1, column));
    const sum = parts.reduce((a, b) => a + b, 0);
    const mix = height(peak(0, column) / most);
    if (!sum) return [[faint, mix]];
    return parts.map((part, s) => [colours[s], (mix * part * gains[s]) / sum]);
  });
}

/** A list to choose from. @param {string} name @param {(string | number)[]} options @param {(value: string) => void} choose */
export function choice(name, options, choose) {
  const node = element("select", { "aria-label": name, title: name, onchange: () => choose(node.value) },
    ...options.map((option) => element("option", { value: option }, String(option))));
  return node;
}

/** Controls that belong together. @param {string} name @param {...(Node | string)} children */
export const group = (name, ...children) => element("div", { class: "group", role: "group", "aria-label": name }, ...children);
