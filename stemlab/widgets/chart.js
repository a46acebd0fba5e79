// Chart: panels side by side on a canvas, drawn anew as soon as what they show changes.

import { clamp, placeOf } from "./parts/axes.js";
import { paintPlane } from "./parts/cells.js";
import { element, frames } from "./parts/controls.js";
import { lookOf, readTables, themeOf, writeOn } from "./parts/theme.js";

/** @typedef {import("@anywidget/types").AnyModel<any>} Model */
/** @typedef {import("./parts/axes.js").Box} Box in CSS pixels */
/** @typedef {import("./parts/axes.js").Ends & {label: string, ticks: [number, string][]}} Scale */
/** @typedef {any} Mark as `stemlab.pictures.drawing` makes them */
/** @typedef {{title: string, x: Scale, y: Scale, marks: Mark[], wide: number}} Panel */

const TALL = 210; // px of a panel
const LOW = 140; // px where they stand one below the other
const ROOM = { left: 64, right: 12, top: 46, bottom: 44 }; // px around it: title and legend, axes
const STACKED = 640; // px of width below which they do
const PLAIN = "13px system-ui, sans-serif";
const BOLD = "600 14px system-ui, sans-serif";
const FIVES = [1, 2, 5, 10];

/**
 * What to mark on an axis: what it says, or round values.
 * @param {Scale} scale @param {number} most so many have room
 * @returns {[number, string][]}
 */
function marksOf({ low, high, scale, ticks }, most) {
  if (ticks.length) return ticks;
  if (scale === "log") return roundsOf(low, high, most).map((value) => [value, brief(value, 0)]);
  const rough = (high - low) / most;
  const ten = 10 ** Math.floor(Math.log10(rough));
  const step = ten * /** @type {number} */ (FIVES.find((five) => five * ten >= rough * (1 - 1e-9)));
  const first = Math.ceil(low / step - 1e-9);
  const count = Math.floor(high / step + 1e-9) - first + 1;
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  return Array.from({ length: Math.max(0, count) }, (_, i) => [(first + i) * step, brief((first + i) * step, digits)]);
}

/** Round values of a logarithmic axis. @param {number} low @param {number} high @param {number} most */
function roundsOf(low, high, most) {
  const decades = Array.from({ length: 12 }, (_, i) => 10 ** (i - 6));
  const series = [[1, 2, 5], [1, 3], [1]].map((digits) => decades
    .flatMap((ten) => digits.map((digit) => digit * ten))
    .filter((value) => value >= low * 0.999 && value <= high * 1.001));
  return series.find((values) => values.length <= most) ?? series[2];
}

/** @param {number} value @param {number} digits */
function brief(value, digits) {
  const text = Math.abs(value) >= 1000 ? `${Number((value / 1000).toFixed(2))}k` : digits ? value.toFixed(digits) : String(Number(value.toPrecision(3)));
  return text.replace("-", "−");
}

/** @param {DataView} view */
function floats(view) {
  return new Float32Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
}

/**
 * The lowest and the highest point of each half pixel, which look the same as all of them and are drawn much sooner.
 * @param {[number, number][]} points
 */
function thin(points) {
  /** @type {[number, number][]} */
  const kept = [];
  for (let next = 0; next < points.length; ) {
    const column = Math.floor(2 * points[next][0]);
    let [low, high] = [next, next];
    for (; next < points.length && Math.floor(2 * points[next][0]) === column; next++) {
      if (points[next][1] < points[low][1]) low = next;
      if (points[next][1] > points[high][1]) high = next;
    }
    kept.push(points[Math.min(low, high)]);
    if (low !== high) kept.push(points[Math.max(low, high)]);
  }
  return kept;
}

/** One display of a chart. */
class Charter {
  /** @param {Model} model @param {HTMLElement} root */
  constructor(model, root) {
    this.model = model;
    this.root = root;
    this.canvas = element("canvas", { role: "img" });
    this.pen = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d", { alpha: false }));
    this.table = readTables(model.get("table"))[0];
    this.theme = themeOf(root);
    this.look = "";
    root.append(this.canvas);
  }

  /** Take the width and the colours of the page where they have changed. */
  fit() {
    const width = this.root.clientWidth;
    const look = lookOf(width, this.root);
    if (!width || look === this.look) return;
    Object.assign(this, { look, theme: themeOf(this.root) });
    this.draw();
  }

  draw() {
    if (!this.look) return;
    /** @type {Panel[]} */
    const panels = this.model.get("panels");
    const boxes = this.boxes(panels);
    const last = boxes[boxes.length - 1];
    const [width, height] = [this.root.clientWidth, last ? last.y + last.h + ROOM.bottom : 0];
    this.canvas.style.height = `${height}px`;
    this.canvas.width = Math.round(width * devicePixelRatio);
    this.canvas.height = Math.round(height * devicePixelRatio);
    this.canvas.setAttribute("aria-label", this.model.get("told"));
    this.pen.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    this.pen.fillStyle = this.theme.page;
    this.pen.fillRect(0, 0, width, height);
    panels.forEach((panel, i) => this.drawPanel(panel, boxes[i]));
  }

  /** Side by side, or one below the other where it is narrow. @param {Panel[]} panels @returns {Box[]} */
  boxes(panels) {
    const { left, right, top, bottom } = ROOM;
    const width = this.root.clientWidth;
    if (width < STACKED)
      return panels.map((_, i) => ({ x: left, y: top + i * (top + LOW + bottom), w: width - left - right, h: LOW }));
    const free = width - panels.length * (left + right);
    const whole = panels.reduce((sum, { wide }) => sum + wide, 0);
    let x = left;
    return panels.map(({ wide }) => {
      const box = { x, y: top, w: (free * wide) / whole, h: TALL };
      x += box.w + left + right;
      return box;
    });
  }

  /** @param {Panel} panel @param {Box} box */
  drawPanel(panel, box) {
    const { pen, theme } = this;
    this.write(panel.title, box.x, box.y - 34, "left", BOLD);
    this.drawLegend(panel, box);
    pen.save();
    pen.beginPath();
    pen.rect(box.x, box.y, box.w, box.h);
    pen.clip();
    for (const mark of panel.marks) this.drawMark(mark, panel, box);
    pen.restore();
    this.stroke(theme.faint, 1, [[box.x - 0.5, box.y - 0.5], [box.x + box.w + 0.5, box.y - 0.5],
      [box.x + box.w + 0.5, box.y + box.h + 0.5], [box.x - 0.5, box.y + box.h + 0.5], [box.x - 0.5, box.y - 1]]);
    this.drawAxes(panel, box);
  }

  /** @param {Panel} panel @param {Box} box */
  drawLegend({ marks }, box) {
    let x = box.x;
    for (const { hue, name } of marks) {
      if (!name) continue;
      this.pen.fillStyle = hue;
      this.pen.fillRect(x, box.y - 19, 12, 12);
      this.write(name, x + 17, box.y - 13, "left");
      x += 31 + this.pen.measureText(name).width;
    }
  }

  /** @param {Panel} panel @param {Box} box */
  drawAxes({ x, y }, box) {
    const { faint } = this.theme;
    for (const [value, text] of marksOf(x, box.w / 56)) {
      const at = box.x + placeOf(x, value) * box.w;
      this.stroke(faint, 1, [[at, box.y + box.h], [at, box.y + box.h + 5]]);
      this.write(text, at, box.y + box.h + 14, "center");
    }
    for (const [value, text] of marksOf(y, box.h / 26)) {
      const at = box.y + (1 - placeOf(y, value)) * box.h;
      this.stroke(faint, 1, [[box.x - 5, at], [box.x, at]]);
      this.write(text, box.x - 8, clamp(at, box.y + 6, box.y + box.h - 6), "right");
    }
    this.write(x.label, box.x + box.w / 2, box.y + box.h + 33, "center");
    if (!y.label) return;
    this.pen.save();
    this.pen.translate(box.x - 54, box.y + box.h / 2);
    this.pen.rotate(-Math.PI / 2);
    this.write(y.label, 0, 0, "center");
    this.pen.restore();
  }

  /** @param {Mark} mark @param {Panel} panel @param {Box} box */
  drawMark(mark, { x, y }, box) {
    const left = (/** @type {number} */ value) => box.x + placeOf(x, value) * box.w;
    const high = (/** @type {number} */ value) => box.y + (1 - placeOf(y, value)) * box.h;
    if (mark.kind === "cells") this.drawCells(mark, left(mark.left), left(mark.right), box);
    else if (mark.kind === "rule") this.drawRule(mark, left(mark.x), box);
    else if (mark.kind === "area") this.drawArea(mark, left, high);
    else this.drawLine(mark, left, high);
  }

  /** @param {Mark} mark @param {number} left @param {number} right @param {Box} box */
  drawCells({ bytes, columns, rows }, left, right, box) {
    if (!columns) return;
    const cells = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const data = new ImageData(columns, rows);
    const strip = { first: 0, step: 1, count: columns, cells, painted: new Uint8Array(columns).fill(1) };
    const song = /** @type {any} */ ({ size: rows, grid: { rows } });
    paintPlane(strip, song, 0, this.table, new Uint32Array(data.data.buffer));
    const image = element("canvas", { width: columns, height: rows });
    image.getContext("2d")?.putImageData(data, 0, 0);
    this.pen.imageSmoothingEnabled = false; // cells stay sharp: they are what the transform resolves
    this.pen.drawImage(image, left, box.y, right - left, box.h);
  }

  /** @param {Mark} mark @param {number} x @param {Box} box */
  drawRule({ text }, x, box) {
    this.stroke(this.theme.page, 4, [[x, box.y], [x, box.y + box.h]]);
    this.stroke(this.theme.ink, 1.5, [[x, box.y], [x, box.y + box.h]]);
    if (text) this.write(text, x + 4, box.y + 9, "left");
  }

  /** @typedef {(value: number) => number} Place */

  /** @param {Mark} mark @param {Place} left @param {Place} high */
  drawArea(mark, left, high) {
    const [x, low, top] = [mark.x, mark.low, mark.high].map(floats);
    this.pen.fillStyle = mark.hue;
    this.pen.beginPath();
    x.forEach((value, i) => this.pen.lineTo(left(value), high(top[i])));
    for (let i = x.length - 1; i >= 0; i--) this.pen.lineTo(left(x[i]), high(low[i]));
    this.pen.fill();
  }

  /** @param {Mark} mark @param {Place} left @param {Place} high */
  drawLine(mark, left, high) {
    const [x, y] = [mark.x, mark.y].map(floats);
    /** @type {[number, number][]} */
    const points = Array.from(x, (value, i) => /** @type {[number, number]} */ ([left(value), high(y[i])]));
    this.stroke(mark.hue, mark.width, thin(points));
    this.pen.fillStyle = mark.hue;
    for (const [px, py] of mark.dots ? points : []) {
      this.pen.beginPath();
      this.pen.arc(px, py, 2 + mark.width, 0, 7);
      this.pen.fill();
    }
  }

  /** @param {string} colour @param {number} width @param {[number, number][]} points */
  stroke(colour, width, points) {
    const { pen } = this;
    pen.strokeStyle = colour;
    pen.lineWidth = width;
    pen.lineJoin = "bevel";
    pen.beginPath();
    for (const [x, y] of points) if (Number.isFinite(y)) pen.lineTo(x, y);
    pen.stroke();
  }

  /** @param {string} text @param {number} x @param {number} y middle @param {CanvasTextAlign} align */
  write(text, x, y, align, font = PLAIN) {
    writeOn(this.pen, text, x, y, align, font, this.theme.ink);
  }
}

export default {
  /** @param {{model: Model, el: HTMLElement}} context */
  render({ model, el }) {
    const root = element("div", { class: "stemlab-chart" });
    el.append(root);
    const charter = new Charter(model, root);
    const draw = () => charter.draw();
    model.on("change:panels", draw);
    const stop = frames(() => charter.fit());
    Object.assign(root, { charter });
    return () => {
      stop();
      model.off("change:panels", draw);
    };
  },
};
