// The picture of MaskView on a canvas: mixture, what is heard and each stem's mask, with axes, titles, play-head and legends.

import { clamp, frequencyTicks, hertzAt, hertzText, timeTicks } from "./parts/axes.js";
import { gather, paintHeard, paintPlane } from "./parts/cells.js";
import { readTables, themeOf, writeOn } from "./parts/theme.js";

/** @typedef {import("@anywidget/types").AnyModel<any>} Model */
/** @typedef {import("./parts/axes.js").Point} Point */
/** @typedef {import("./parts/axes.js").Viewport} Viewport */
/** @typedef {import("./parts/cells.js").Song} Song */
/** @typedef {import("./parts/cells.js").Strip} Strip */
/** @typedef {{kind: "mixture" | "heard" | "mask", stem: number, x: number, y: number, w: number, h: number}} Panel */
/** @typedef {{time: number, gains: Float32Array, point: Point | null}} Moment what changes as the song plays */

export const WIDE = 720; // px from which the masks stand beside the mixture
const DATA_MS = 200; // between two looks for new cells
const MARGIN = { left: 58, right: 8, top: 4, bottom: 44, gap: 8 };
const FONT = "13px system-ui, sans-serif";
const TITLE_FONT = "600 15px system-ui, sans-serif";

/**
 * Panels of a canvas: mixture and heard beside the masks, or all in one column where it is narrow.
 * @param {number} width @param {number} stems @param {boolean} low whether it shares one screen with the faders
 * @returns {{panels: Panel[], height: number}}
 */
function layout(width, stems, low) {
  const { left, right, top, bottom, gap } = MARGIN;
  const wide = width >= WIDE;
  const w = wide ? width / 2 - left - right : width - left - right;
  const tall = wide ? Math.max(low ? 132 : 236, (low ? 34 : 42) * stems) : 180;
  const both = 2 * tall + gap;
  const h = wide ? (both - (stems - 1) * gap) / stems : 110;
  const masks = { x: wide ? width / 2 + left : left, y: wide ? top : top + both + gap };
  /** @type {Panel[]} */
  const panels = [
    { kind: "mixture", stem: -1, x: left, y: top, w, h: tall },
    { kind: "heard", stem: -1, x: left, y: top + tall + gap, w, h: tall },
  ];
  for (let stem = 0; stem < stems; stem++) {
    panels.push({ kind: "mask", stem, x: masks.x, y: masks.y + stem * (h + gap), w, h });
  }
  const last = panels[panels.length - 1];
  return { panels, height: last.y + last.h + bottom };
}

/** Draws the panels on a canvas. */
export class Painter {
  /** @param {Model} model @param {Song} song @param {HTMLCanvasElement} canvas */
  constructor(model, song, canvas) {
    this.song = song;
    this.canvas = canvas;
    this.context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { alpha: false }));
    /** @type {string[]} */
    this.stems = model.get("stems");
    /** @type {string[]} */
    this.hues = model.get("hues");
    this.heard = model.get("player") ? "What you hear now" : "What you keep";
    this.tables = readTables(model.get("tables"));
    /** @type {HTMLCanvasElement[]} */
    this.images = Array.from({ length: this.stems.length + 2 }, () => document.createElement("canvas"));
    /** @type {Strip | null} */
    this.strip = null;
    this.gathered = { version: -1, at: 0, end: 0 };
    this.rolling = model.get("live");
    const { panels, height } = layout(WIDE, this.stems.length, false);
    this.panels = panels;
    this.size = { width: WIDE, height };
    this.theme = themeOf(canvas);
  }

  /** Take the size and colours of the page. @param {number} width px @param {HTMLElement} root */
  resize(width, root) {
    const { panels, height } = layout(width, this.stems.length, Boolean(root.closest(".stemlab-compact")));
    const { canvas } = this;
    this.size = { width, height };
    this.panels = panels;
    this.theme = themeOf(root);
    this.strip = null;
    canvas.style.height = `${height}px`;
    canvas.width = Math.round(width * window.devicePixelRatio);
    canvas.height = Math.round(height * window.devicePixelRatio);
    this.context.setTransform(canvas.width / width, 0, 0, canvas.height / height, 0, 0);
  }

  /**
   * Renew the strip if the view has left it or new cells lie in it; tell whether.
   * @param {Viewport} view @param {Float32Array} gains @param {number} at ms
   */
  regather(view, gains, at) {
    const { song, strip, gathered } = this;
    const { pace } = song.grid;
    const step = 2 ** Math.max(0, Math.ceil(Math.log2((view.span * pace) / this.panels[0].w)));
    const from = clamp(song.columnAt(view.start), song.first, song.end - 1);
    const last = this.rolling ? Infinity : song.end; // a stream goes on
    const to = Math.min(from + Math.ceil(view.span * pace) + 1, last);
    const inside = strip?.step === step && strip.first <= from && to <= strip.first + strip.count * step;
    if (inside && gathered.version === song.version) return false;
    if (inside && this.rolling) return this.grow(strip, gains);
    if (inside && at - gathered.at < DATA_MS) return false;
    const ahead = Math.ceil((to - from) / 2);
    const first = Math.floor(Math.max(song.first, from - ahead / 4) / step) * step;
    this.strip = gather(song, first, step, Math.ceil((Math.min(to + ahead, last) - first) / step));
    this.gathered = { version: song.version, at, end: song.end };
    this.panels.forEach((panel) => this.paint(panel, gains));
    return true;
  }

  /** Paint what has come of a stream since, and tell whether anything has. @param {Strip} strip @param {Float32Array} gains */
  grow(strip, gains) {
    const { song, gathered } = this;
    const { first, step, count } = strip;
    const from = Math.max(0, Math.floor((gathered.end - first) / step));
    const part = gather(song, first + from * step, step, Math.max(0, Math.min(count, Math.ceil((song.end - first) / step)) - from));
    strip.cells.set(part.cells, from * song.size);
    strip.painted.set(part.painted, from);
    this.gathered = { ...gathered, version: song.version, end: song.end };
    if (part.count) this.panels.forEach((panel) => this.paintPart(panel, gains, part, from));
    return part.count > 0;
  }

  /** Paint the strip for a panel. @param {Panel} panel @param {Float32Array} gains */
  paint(panel, gains) {
    const { strip, song } = this;
    if (!strip) return;
    Object.assign(this.image(panel), { width: strip.count, height: song.grid.rows });
    this.paintPart(panel, gains, strip, 0);
  }

  /** @param {Panel} panel @param {Float32Array} gains @param {Strip} strip a part of it @param {number} at its column there */
  paintPart(panel, gains, strip, at) {
    const { song } = this;
    const data = new ImageData(strip.count, song.grid.rows);
    const pixels = new Uint32Array(data.data.buffer);
    if (panel.kind === "heard") paintHeard(strip, song, gains, this.table(panel), pixels);
    else paintPlane(strip, song, panel.stem + 1, this.table(panel), pixels);
    this.image(panel).getContext("2d")?.putImageData(data, at, 0);
  }

  /** @param {Panel} panel */
  image({ kind, stem }) {
    return this.images[kind === "mixture" ? 0 : kind === "heard" ? 1 : stem + 2];
  }

  /** @param {Panel} panel */
  table({ kind, stem }) {
    return this.tables[kind === "mask" ? 1 + stem + (this.theme.dark ? 0 : this.stems.length) : 0];
  }

  /** @param {Viewport} view @param {Moment} moment */
  draw(view, moment) {
    const { context, panels } = this;
    context.fillStyle = this.theme.page;
    context.fillRect(0, 0, this.size.width, this.size.height);
    panels.forEach((panel, i) => {
      context.save();
      context.beginPath();
      context.rect(panel.x, panel.y, panel.w, panel.h);
      context.clip();
      this.drawCells(panel, view);
      if (moment.gains[panel.stem] === 0) this.veil(panel);
      this.drawMoment(panel, view, moment);
      this.drawTitle(panel, this.title(panel, moment.gains));
      context.restore();
      context.lineWidth = 1;
      context.strokeStyle = this.theme.faint;
      context.strokeRect(panel.x - 0.5, panel.y - 0.5, panel.w + 1, panel.h + 1);
      this.drawFrequencies(panel, view);
      if (panels[i + 1]?.x !== panel.x) this.drawTimes(panel, view);
    });
    this.drawLegends();
  }

  /** @param {Panel} panel @param {Viewport} view */
  drawCells(panel, view) {
    const { context, strip, song } = this;
    const { pace, origin, rows } = song.grid;
    context.fillStyle = this.theme.empty;
    context.fillRect(panel.x, panel.y, panel.w, panel.h);
    if (!strip) return;
    const left = view.x(panel, origin + strip.first / pace);
    const right = view.x(panel, origin + (strip.first + strip.count * strip.step) / pace);
    const height = panel.h / (view.top - view.bottom);
    // Large cells stay sharp: they are what the transform resolves.
    context.imageSmoothingEnabled = right - left < 3 * strip.count && height < 3 * rows;
    context.drawImage(this.image(panel), left, panel.y - (1 - view.top) * height, right - left, height);
  }

  /** Dim a stem that is off. @param {Panel} panel */
  veil({ x, y, w, h }) {
    this.context.globalAlpha = 0.6;
    this.context.fillStyle = this.theme.page;
    this.context.fillRect(x, y, w, h);
    this.context.globalAlpha = 1;
  }

  /** Play-head and reading point. @param {Panel} panel @param {Viewport} view @param {Moment} moment */
  drawMoment(panel, view, { time, point }) {
    const { x, y, w, h } = panel;
    const bright = panel.kind === "mask" && !this.theme.dark;
    const [core, edge] = bright ? ["#000", "#fff"] : ["#fff", "#000"];
    const head = view.x(panel, time);
    this.drawLine(edge, 4, head, y, head, y + h);
    this.drawLine(core, 2, head, y, head, y + h);
    if (!point) return;
    const [px, py] = [view.x(panel, point.time), view.y(panel, point.hertz)];
    for (const [colour, width] of /** @type {[string, number][]} */ ([[`${edge}a`, 3], [`${core}d`, 1]])) {
      this.drawLine(colour, width, px, y, px, y + h);
      this.drawLine(colour, width, x, py, x + w, py);
    }
  }

  /** @param {string} colour @param {number} width @param {number} x0 @param {number} y0 @param {number} x1 @param {number} y1 */
  drawLine(colour, width, x0, y0, x1, y1) {
    const { context } = this;
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.beginPath();
    context.moveTo(x0, y0);
    context.lineTo(x1, y1);
    context.stroke();
  }

  /** @param {Panel} panel @param {Float32Array} gains */
  title({ kind, stem }, gains) {
    if (kind !== "mask") return kind === "heard" ? this.heard : "Mixture";
    const gain = gains[stem];
    const level = gain === 1 ? "" : gain === 0 ? " – off" : ` – ${Math.round(gain * 100)} %`;
    return `Mask: ${this.stems[stem]}${level}`;
  }

  /** @param {Panel} panel @param {string} title */
  drawTitle({ x, y, kind, stem }, title) {
    const { context, theme } = this;
    const indent = kind === "mask" ? 27 : 8;
    context.font = TITLE_FONT;
    context.globalAlpha = 0.82;
    context.fillStyle = theme.page;
    context.fillRect(x, y, context.measureText(title).width + indent + 8, 25);
    context.globalAlpha = 1;
    if (kind === "mask") {
      context.fillStyle = this.hues[stem];
      context.fillRect(x + 8, y + 6, 13, 13);
    }
    this.write(title, x + indent, y + 13, "left", TITLE_FONT);
  }

  /** @param {string} text @param {number} x @param {number} y middle @param {CanvasTextAlign} align @param {string} font */
  write(text, x, y, align, font = FONT) {
    writeOn(this.context, text, x, y, align, font, this.theme.ink);
  }

  /** @param {Panel} panel @param {Viewport} view */
  drawFrequencies(panel, view) {
    const { grid } = this.song;
    const inView = { ...grid, low: hertzAt(grid, view.bottom), high: hertzAt(grid, view.top) };
    for (const hertz of frequencyTicks(inView, (value) => view.y(panel, value))) {
      const y = view.y(panel, hertz);
      this.drawLine(this.theme.faint, 1, panel.x - 5, y, panel.x, y);
      this.write(hertzText(hertz, 3), panel.x - 8, clamp(y, panel.y + 6, panel.y + panel.h - 6), "right");
    }
  }

  /** @param {Panel} panel the lowest of its column @param {Viewport} view */
  drawTimes(panel, view) {
    const y = panel.y + panel.h;
    for (const { time, label } of timeTicks(view.start, view.span, panel.w)) {
      const x = view.x(panel, time);
      this.drawLine(this.theme.faint, 1, x, y, x, y + 5);
      this.write(label, clamp(x, panel.x + 12, panel.x + panel.w - 12), y + 14, "center");
    }
  }

  /** What the colours mean: of levels and of masks. */
  drawLegends() {
    const { floor, ceiling, shown } = this.song.grid;
    const [from, to] = shown.map((level) => Math.round(((level - floor) / (ceiling - floor)) * 255));
    const [low, high] = shown.map((level) => `${String(level).replace("-", "−")} dB`);
    const first = this.panels[1];
    const last = this.panels[this.panels.length - 1];
    const y = this.size.height - 11;
    this.drawLegend(first.x, y, low, high, this.tables[0].subarray(from, to + 1));
    this.drawLegend(first.x === last.x ? last.x + last.w / 2 : last.x, y, "mask 0", "1", this.table(last));
  }

  /** @param {number} x @param {number} y middle @param {string} from @param {string} to @param {Uint32Array} table */
  drawLegend(x, y, from, to, table) {
    const [left, width, height] = [x + 58, 96, 11];
    this.write(from, left - 7, y, "right");
    this.write(to, left + width + 7, y, "left");
    for (let i = 0; i < width; i++) {
      const pixel = table[Math.floor((i / width) * table.length)];
      this.context.fillStyle = `rgb(${pixel & 255} ${(pixel >> 8) & 255} ${(pixel >> 16) & 255})`;
      this.context.fillRect(left + i, y - height / 2, 1.5, height);
    }
  }
}
