// PaintMask: a mask painted on a spectrogram. The page keeps the strokes; the kernel gets the mask after each.

import { clamp, frequencyTicks, hertzAt, hertzText, noteText, placeOf, timeText, timeTicks, Viewport } from "./parts/axes.js";
import { onChange } from "./parts/changes.js";
import { button, element, frames, press } from "./parts/controls.js";
import { keepKeys } from "./parts/keys.js";
import { lookOf, themeOf } from "./parts/theme.js";

/** @typedef {import("@anywidget/types").AnyModel<any>} Model */
/** @typedef {import("./parts/axes.js").Grid} Grid */
/** @typedef {{x: number, y: number}} Cell column from the left and row from the bottom, not rounded */
/** @typedef {"brush" | "harmonics" | "rectangle"} Tool */

const HEIGHT = 300; // px of the picture
const EDGE = { left: 58, right: 8, top: 4, bottom: 26 };
const TINT = [86, 180, 233]; // what is painted, sky blue: on magma seen with any kind of colour vision
const GREY = [130, 130, 130]; // what is neither in the mask nor in the goal
const SHARE = 0.5; // of the tint in what is painted
// Mask beside goal, told apart with any kind of colour vision, also by how light they are.
/** @type {[string, number[]][]} */
const COMPARED = [["too much", [213, 94, 0]], ["missing", [240, 228, 66]], ["right", [0, 130, 210]]];
const MOST_HARMONICS = 24;
const MOST_UNDO = 100;
const INK_FONT = "13px system-ui, sans-serif";

/** The mask and its strokes. */
class Mask {
  /** @param {Grid} grid */
  constructor(grid) {
    this.grid = grid;
    /** @type {Uint8Array} */
    this.cells = new Uint8Array(grid.columns * grid.rows);
    /** @type {Uint8Array[]} */
    this.past = [];
    this.adds = true;
  }

  /** Remember how all was before a stroke. */
  begin() {
    this.past.push(this.cells.slice());
    if (this.past.length > MOST_UNDO) this.past.shift();
  }

  undo() {
    this.cells = this.past.pop() ?? this.cells;
  }

  /** @param {number} column @param {number} low row @param {number} high row, not included */
  fill(column, low, high) {
    const { columns, rows } = this.grid;
    if (column < 0 || column >= columns || high <= 0 || low >= rows) return;
    this.cells.fill(this.adds ? 255 : 0, column * rows + clamp(low, 0, rows), column * rows + clamp(high, 0, rows));
  }

  /** A round spot. @param {Cell} cell @param {number} wide radius in columns @param {number} high radius in rows */
  spot({ x, y }, wide, high) {
    for (let column = Math.floor(x - wide); column <= x + wide; column++) {
      const away = clamp(Math.abs(column + 0.5 - x) / Math.max(wide, 1), 0, 1);
      const reach = Math.max(0.5, high * Math.sqrt(1 - away * away));
      if (away < 1) this.fill(column, Math.round(y - reach), Math.round(y + reach));
    }
  }

  /** A tone and its harmonics, as thick in Hz as the fundamental. @param {Cell} cell @param {number} wide @param {number} high */
  comb({ x, y }, wide, high) {
    const { grid } = this;
    const base = hertzAt(grid, y / grid.rows);
    const half = hertzAt(grid, (y + high) / grid.rows) - base;
    for (let k = 1; k <= MOST_HARMONICS && k * base < grid.high; k++) {
      const low = Math.round(placeOf(grid, Math.max(grid.low, k * base - half)) * grid.rows);
      const top = Math.round(placeOf(grid, k * base + half) * grid.rows);
      for (let column = Math.floor(x - wide); column <= x + wide; column++) this.fill(column, low, Math.max(top, low + 1));
    }
  }

  /** @param {Cell} from @param {Cell} to */
  rectangle(from, to) {
    const [left, right] = [Math.min(from.x, to.x), Math.max(from.x, to.x)].map(Math.floor);
    const [low, high] = [Math.min(from.y, to.y), Math.max(from.y, to.y)].map(Math.floor);
    for (let column = left; column <= right; column++) this.fill(column, low, high + 1);
  }
}

/** One display of the mask: the picture, the tools, pointer and keys. */
class Sheet {
  /** @param {Model} model @param {Mask} mask @param {HTMLElement} root */
  constructor(model, mask, root) {
    this.model = model;
    this.mask = mask;
    this.root = root;
    this.compares = false;
    this.port = new Viewport(mask.grid, Infinity);
    /** @type {Tool} */
    this.tool = "brush";
    this.size = 6; // rows: half the thickness
    /** @type {Cell | null} */
    this.cursor = null;
    /** @type {Cell | null} where the stroke under way began */
    this.from = null;
    this.table = readBytes(model.get("table")); // 256 × red, green, blue
    this.levels = readBytes(model.get("cells"));
    this.image = element("canvas", { width: mask.grid.columns, height: mask.grid.rows });
    this.canvas = element("canvas", { tabindex: 0, role: "application", "aria-label": LABEL });
    this.head = element("div", { class: "head", "aria-hidden": "true" });
    this.readout = element("div", { class: "readout" }, HINT);
    this.spoken = element("div", { class: "spoken", "aria-live": "polite" });
    this.tools = this.toolButtons();
    this.undoButton = button("Undo the last stroke", "Undo", () => this.undo());
    this.goalButton = button("Compare with the goal", "Goal", () => this.compare(!this.compares));
    this.legend = element("span", { class: "legend" }, ...COMPARED.map(([word, [r, g, b]]) =>
      element("span", { style: `--hue: rgb(${r} ${g} ${b})` }, word)));
    root.append(this.bar(), this.readout, element("div", { class: "sheet" }, this.canvas, this.head), this.spoken);
    this.box = { x: EDGE.left, y: EDGE.top, w: 1, h: HEIGHT };
    this.theme = { ink: "", page: "" };
    this.look = "";
    this.show();
  }

  toolButtons() {
    /** @type {[Tool, string][]} */
    const all = [["brush", "Brush"], ["harmonics", "Harmonics"], ["rectangle", "Rectangle"]];
    return new Map(all.map(([tool, face]) => [tool, button(`Paint with: ${tool}`, face, () => this.choose(tool))]));
  }

  bar() {
    this.addButton = button("Add to the mask", "Add", () => this.setAdds(true));
    this.eraseButton = button("Erase from the mask", "Erase", () => this.setAdds(false));
    const size = element("input", {
      type: "range", min: 1, max: 24, step: 1, value: this.size, "data-control": "size", "aria-label": "Thickness",
      oninput: () => (this.size = Number(size.value)),
    });
    const gap = () => element("span", { class: "gap" });
    return element(
      "div", { class: "bar" },
      ...this.tools.values(), gap(), this.addButton, this.eraseButton, gap(),
      element("label", {}, "Thickness", size), gap(),
      this.undoButton, button("Clear the mask", "Clear", () => this.clear()), gap(),
      this.goalButton, this.legend,
    );
  }

  // ------------------------------------------------------------- what the buttons do

  /** @param {Tool} tool */
  choose(tool) {
    this.finish();
    this.tool = tool;
    this.show();
  }

  /** @param {boolean} adds */
  setAdds(adds) {
    this.finish();
    this.mask.adds = adds;
    this.show();
  }

  undo() {
    this.from = null;
    this.mask.undo();
    this.send();
  }

  clear() {
    this.from = null;
    this.mask.begin();
    this.mask.cells.fill(0);
    this.send();
  }

  /** Lay the goal over the mask. @param {boolean} on */
  compare(on) {
    this.compares = on;
    this.show();
  }

  /** Give the kernel the mask as it is now. */
  send() {
    this.model.set("value", new DataView(this.mask.cells.slice().buffer));
    this.model.save_changes();
    this.show();
  }

  /** What is seen: another mask, if there is one to look at, or one's own. */
  get seen() {
    const other = readBytes(this.model.get("other"));
    return other.length ? other : this.mask.cells;
  }

  /** To paint is to look at one's own mask. */
  own() {
    this.model.set("other", new DataView(new ArrayBuffer(0)));
    this.model.save_changes();
  }

  show() {
    for (const [tool, node] of this.tools) press(node, tool === this.tool);
    if (this.addButton) press(this.addButton, this.mask.adds);
    if (this.eraseButton) press(this.eraseButton, !this.mask.adds);
    this.undoButton.disabled = !this.mask.past.length;
    press(this.goalButton, this.compares);
    this.goalButton.hidden = !this.model.get("goal").byteLength;
    this.legend.hidden = this.goalButton.hidden || !this.compares;
    this.point(this.cursor);
  }

  // ------------------------------------------------------------- strokes

  /** @param {Cell} cell */
  start(cell) {
    this.own();
    this.mask.begin();
    this.from = cell;
    this.paint(cell, cell);
  }

  /** @param {Cell} cell */
  drag(cell) {
    if (this.from) this.paint(this.cursor ?? this.from, cell);
  }

  finish() {
    if (!this.from) return;
    this.from = null;
    this.send();
  }

  /** Paint from the last cell to this. @param {Cell} last @param {Cell} cell */
  paint(last, cell) {
    const { mask, size } = this;
    if (this.tool === "rectangle") {
      mask.cells.set(mask.past[mask.past.length - 1]);
      mask.rectangle(/** @type {Cell} */ (this.from), cell);
    } else {
      const wide = this.tool === "brush" ? Math.max(0.5, (size * this.box.h * mask.grid.columns) / (this.box.w * mask.grid.rows)) : 1;
      const steps = Math.ceil(Math.max(Math.abs(cell.x - last.x) / wide, Math.abs(cell.y - last.y) / size, 1) * 2);
      for (let i = 0; i <= steps; i++) {
        const spot = { x: last.x + ((cell.x - last.x) * i) / steps, y: last.y + ((cell.y - last.y) * i) / steps };
        if (this.tool === "brush") mask.spot(spot, wide, size);
        else mask.comb(spot, wide, size / 3);
      }
    }
    this.draw();
  }

  // ------------------------------------------------------------- pointer and keys

  /** @param {AbortSignal} signal */
  listen(signal) {
    const { canvas } = this;
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      canvas.setPointerCapture(event.pointerId);
      this.start(this.cellAt(event));
    }, { signal });
    canvas.addEventListener("pointermove", (event) => {
      const cell = this.cellAt(event);
      if (event.buttons) this.drag(cell);
      this.point(cell);
    }, { signal });
    canvas.addEventListener("pointerup", () => this.finish(), { signal });
    canvas.addEventListener("pointercancel", () => this.finish(), { signal });
    canvas.addEventListener("pointerleave", () => this.from || this.point(null), { signal });
    canvas.addEventListener("keydown", (event) => this.key(event), { signal });
  }

  /** @param {PointerEvent} event @returns {Cell} */
  cellAt(event) {
    const frame = this.canvas.getBoundingClientRect();
    const { columns, rows } = this.mask.grid;
    return {
      x: ((event.clientX - frame.left - this.box.x) / this.box.w) * columns,
      y: (1 - (event.clientY - frame.top - this.box.y) / this.box.h) * rows,
    };
  }

  /** @param {Cell | null} cell */
  point(cell) {
    this.cursor = cell;
    this.readout.textContent = cell ? this.words(cell) : HINT;
    this.draw();
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.ctrlKey || event.metaKey ? event.key !== "z" : event.altKey) return;
    const action = this.keys(event.shiftKey ? 10 : 1)[event.key];
    if (!action) return;
    event.preventDefault();
    action();
    if (this.cursor) this.spoken.textContent = this.words(this.cursor);
  }

  /** @param {number} step @returns {Record<string, () => void>} */
  keys(step) {
    return {
      ArrowLeft: () => this.step(-2 * step, 0),
      ArrowRight: () => this.step(2 * step, 0),
      ArrowUp: () => this.step(0, step),
      ArrowDown: () => this.step(0, -step),
      " ": () => (this.from ? this.finish() : this.start(this.place())),
      Escape: () => this.from && this.undo(),
      b: () => this.choose("brush"),
      h: () => this.choose("harmonics"),
      r: () => this.choose("rectangle"),
      e: () => this.setAdds(!this.mask.adds),
      z: () => this.undo(),
    };
  }

  /** The cursor, in the middle at first. @returns {Cell} */
  place() {
    const { columns, rows } = this.mask.grid;
    if (!this.cursor) this.point({ x: columns / 2, y: rows / 2 });
    return /** @type {Cell} */ (this.cursor);
  }

  /** @param {number} dx @param {number} dy */
  step(dx, dy) {
    const { columns, rows } = this.mask.grid;
    const { x, y } = this.place();
    const cell = { x: clamp(x + dx, 0.5, columns - 0.5), y: clamp(y + dy, 0.5, rows - 0.5) };
    this.drag(cell);
    this.point(cell);
  }

  /** @param {Cell} cell */
  words({ x, y }) {
    const { mask: { grid }, seen } = this;
    const hertz = hertzAt(grid, clamp(y / grid.rows, 0, 1));
    const index = clamp(Math.floor(x), 0, grid.columns - 1) * grid.rows + clamp(Math.floor(y), 0, grid.rows - 1);
    const level = Math.round(grid.floor + (this.levels[index] * (grid.ceiling - grid.floor)) / 255);
    const state = seen[index] > 127 ? "in the mask" : "not in the mask";
    const pen = this.from ? (this.mask.adds ? ", painting" : ", erasing") : "";
    const time = timeText(grid.origin + x / grid.pace, 2);
    return `${time}, ${hertzText(hertz, 3)} (${noteText(hertz)}), ${String(level).replace("-", "−")} dB, ${state}${pen}`;
  }

  // ------------------------------------------------------------- picture

  /** Take the width and the colours of the page where they have changed. */
  fit() {
    const width = this.root.clientWidth;
    const look = lookOf(width, this.root);
    if (!width || look === this.look) return;
    Object.assign(this, { look, theme: themeOf(this.root) });
    const height = EDGE.top + HEIGHT + EDGE.bottom;
    this.box = { x: EDGE.left, y: EDGE.top, w: width - EDGE.left - EDGE.right, h: HEIGHT };
    this.canvas.width = Math.round(width * devicePixelRatio);
    this.canvas.height = Math.round(height * devicePixelRatio);
    this.canvas.style.height = `${height}px`;
    this.head.style.height = `${HEIGHT}px`;
    this.draw();
  }

  draw() {
    const pen = this.canvas.getContext("2d", { alpha: false });
    if (!pen) return;
    const { box } = this;
    const { ink, page } = this.theme;
    pen.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    pen.fillStyle = page;
    pen.fillRect(0, 0, this.canvas.width, this.canvas.height);
    this.tintCells();
    pen.imageSmoothingEnabled = false;
    pen.drawImage(this.image, box.x, box.y, box.w, box.h);
    pen.fillStyle = pen.strokeStyle = ink;
    this.drawAxes(pen);
    if (this.cursor) this.drawCursor(pen, this.cursor);
  }

  /** Paint levels, tinted where the mask is. */
  tintCells() {
    const { columns, rows } = this.mask.grid;
    const pixels = new ImageData(columns, rows);
    const shade = this.compares && this.model.get("goal").byteLength ? this.compared() : this.tinted();
    for (let column = 0, cell = 0; column < columns; column++) {
      for (let row = 0; row < rows; row++, cell++) {
        const to = 4 * ((rows - 1 - row) * columns + column);
        shade(cell, pixels.data, to);
        pixels.data[to + 3] = 255;
      }
    }
    this.image.getContext("2d")?.putImageData(pixels, 0, 0);
  }

  /** How a cell looks with the mask's tint. @returns {(cell: number, data: Uint8ClampedArray, to: number) => void} */
  tinted() {
    const { seen, levels, table } = this;
    return (cell, data, to) => {
      const share = (SHARE * seen[cell]) / 255;
      for (let i = 0; i < 3; i++) data[to + i] = table[3 * levels[cell] + i] * (1 - share) + TINT[i] * share;
    };
  }

  /** How a cell looks beside the goal: as light as it is loud, coloured by what is right, missing or too much. */
  compared() {
    const { seen, levels } = this;
    const goal = readBytes(this.model.get("goal"));
    const { floor, ceiling, shown: [low, high] } = this.mask.grid;
    const light = Float32Array.from({ length: 256 }, (_, byte) =>
      clamp((floor + (byte * (ceiling - floor)) / 255 - low) / (high - low), 0, 1));
    return (/** @type {number} */ cell, /** @type {Uint8ClampedArray} */ data, /** @type {number} */ to) => {
      const [mine, wanted] = [seen[cell] > 127, goal[cell] > 127];
      const colour = mine || wanted ? COMPARED[wanted ? (mine ? 2 : 1) : 0][1] : GREY;
      for (let i = 0; i < 3; i++) data[to + i] = colour[i] * light[levels[cell]];
    };
  }

  /** @param {CanvasRenderingContext2D} pen */
  drawAxes(pen) {
    const { box, port } = this;
    pen.font = INK_FONT;
    pen.textBaseline = "middle";
    pen.textAlign = "right";
    for (const hertz of frequencyTicks(this.mask.grid, (value) => port.y(box, value))) {
      const y = port.y(box, hertz);
      pen.fillRect(box.x - 5, y, 5, 1);
      pen.fillText(hertzText(hertz, 3), box.x - 8, clamp(y, box.y + 6, box.y + box.h - 6));
    }
    pen.textAlign = "center";
    for (const { time, label } of timeTicks(port.start, port.span, box.w)) {
      const x = port.x(box, time);
      pen.fillRect(x, box.y + box.h, 1, 5);
      pen.fillText(label, clamp(x, box.x + 12, box.x + box.w - 12), box.y + box.h + 14);
    }
  }

  /** @param {CanvasRenderingContext2D} pen @param {Cell} cell */
  drawCursor(pen, cell) {
    const { box, mask: { grid } } = this;
    const [x, y] = [box.x + (cell.x / grid.columns) * box.w, box.y + (1 - cell.y / grid.rows) * box.h];
    const radius = Math.max(3, (this.size * box.h) / grid.rows);
    for (const [colour, width] of /** @type {[string, number][]} */ ([["#000", 3], ["#fff", 1.5]])) {
      pen.strokeStyle = colour;
      pen.lineWidth = width;
      pen.beginPath();
      if (this.tool === "rectangle") {
        pen.moveTo(x - 8, y);
        pen.lineTo(x + 8, y);
        pen.moveTo(x, y - 8);
        pen.lineTo(x, y + 8);
      } else pen.arc(x, y, this.tool === "brush" ? radius : radius / 3 + 2, 0, 7);
      pen.stroke();
    }
  }

  /** Put the play-head where the player is. */
  follow() {
    const id = (this.model.get("player") ?? "").replace("IPY_MODEL_", "");
    const live = /** @type {any} */ (globalThis).stemlab?.players.get(id);
    this.head.hidden = !live?.now;
    if (live?.now) this.head.style.left = `${this.port.x(this.box, live.now())}px`;
  }
}

const HINT = "Paint what you want to keep. Without a mouse, use the arrow keys and space.";
const LABEL =
  "Mask on a spectrogram. Arrow keys move the cursor, with shift in larger steps; space starts and ends a stroke; B brush, " +
  "H harmonics, R rectangle, E add or erase, Z undo, Escape drops the stroke.";

/** @param {DataView} data */
function readBytes(data) {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice();
}

export default () => {
  /** @type {Mask} */
  let mask;
  return {
    /** @param {{model: Model}} context */
    initialize({ model }) {
      mask = new Mask(model.get("grid"));
    },

    /** @param {{model: Model, el: HTMLElement}} context */
    render({ model, el }) {
      keepKeys();
      const root = element("div", { class: "stemlab-paint" });
      el.append(root);
      const sheet = new Sheet(model, mask, root);
      const take = () => {
        mask.cells = readBytes(model.get("value"));
        sheet.show();
      };
      const look = () => sheet.show();
      take();
      model.on("change:value", take);
      const forget = onChange(model, ["other", "goal"], look);
      const done = new AbortController();
      sheet.listen(done.signal);
      const stop = frames(() => {
        sheet.fit();
        sheet.follow();
      });
      Object.assign(root, { sheet });
      return () => {
        done.abort();
        stop();
        model.off("change:value", take);
        forget();
      };
    },
  };
};
