// MaskView: the mixture's spectrogram, each stem's mask and what is heard, in step with the clock.
// The kernel sends the cells of the picture once; all that moves is painted here.

import { capital, clamp, frequencyTicks, hertzAt, hertzText, levelText, noteText, timeText, timeTicks, Viewport } from "./parts/axes.js";
import { gather, paintHeard, paintPlane, read, Song } from "./parts/cells.js";
import { button, element, frames, press } from "./parts/controls.js";
import { keepKeys } from "./parts/keys.js";

/** @typedef {import("@anywidget/types").AnyModel<any>} Model */
/** @typedef {import("./parts/axes.js").Point} Point */
/** @typedef {import("./parts/cells.js").Strip} Strip */
/** @typedef {{kind: "mixture" | "heard" | "mask", stem: number, x: number, y: number, w: number, h: number}} Panel */
/** @typedef {{time: number, gains: Float32Array, point: Point | null}} Moment what changes as the song plays */
/** @typedef {{ink: string, faint: string, page: string, empty: string, dark: boolean}} Theme */
/** @typedef {{now(): number, gains(): Float32Array, seek(time: number): void, playing: boolean}} Live what plays; a stream cannot seek */

const DATA_MS = 200; // between two looks for new cells
const FIRST_SPAN = 12; // seconds in view at first
const ANCHOR = 0.35; // where in the view a followed play-head stands
const CLICK_PX = 4; // a pointer that moved less has clicked
const WIDE = 720; // px from which the masks stand beside the mixture
const MARGIN = { left: 58, right: 8, top: 4, bottom: 44, gap: 8 };
const FONT = "13px system-ui, sans-serif";
const TITLE_FONT = "600 15px system-ui, sans-serif";

/**
 * Panels of a canvas: mixture and heard beside the masks, or all in one column where it is narrow.
 * @param {number} width @param {number} stems @returns {{panels: Panel[], height: number}}
 */
function layout(width, stems) {
  const { left, right, top, bottom, gap } = MARGIN;
  const wide = width >= WIDE;
  const w = wide ? width / 2 - left - right : width - left - right;
  const tall = wide ? Math.max(236, 42 * stems) : 180;
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

/** @param {HTMLElement} root @returns {Theme} */
function themeOf(root) {
  const style = getComputedStyle(root);
  const [red, green, blue] = (style.color.match(/[\d.]+/g) ?? []).map(Number);
  return {
    ink: style.color,
    faint: style.borderTopColor,
    page: style.backgroundColor,
    empty: style.outlineColor,
    dark: 0.3 * red + 0.59 * green + 0.11 * blue > 128,
  };
}

/**
 * Colour tables as the canvas stores pixels.
 * @param {DataView} data 256 × red, green, blue for each: levels, masks by night, masks by day
 * @returns {Uint32Array[]}
 */
function readTables(data) {
  const rgb = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return Array.from({ length: rgb.length / 768 }, (_, table) => {
    const rgba = new Uint8Array(1024).fill(255);
    for (let i = 0; i < 256; i++) rgba.set(rgb.subarray(table * 768 + 3 * i, table * 768 + 3 * i + 3), 4 * i);
    return new Uint32Array(rgba.buffer);
  });
}

/** Draws the panels on a canvas. */
class Painter {
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
    this.gathered = { version: -1, at: 0 };
    const { panels, height } = layout(WIDE, this.stems.length);
    this.panels = panels;
    this.size = { width: WIDE, height };
    this.theme = themeOf(canvas);
  }

  /** Take the size and colours of the page. @param {number} width px @param {HTMLElement} root */
  resize(width, root) {
    const { panels, height } = layout(width, this.stems.length);
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
    const to = Math.min(from + Math.ceil(view.span * pace) + 1, song.end);
    const inside = strip?.step === step && strip.first <= from && to <= strip.first + strip.count * step;
    if (inside && (gathered.version === song.version || at - gathered.at < DATA_MS)) return false;
    const ahead = Math.ceil((to - from) / 2);
    const first = Math.floor(Math.max(song.first, from - ahead / 4) / step) * step;
    this.strip = gather(song, first, step, Math.ceil((Math.min(to + ahead, song.end) - first) / step));
    this.gathered = { version: song.version, at };
    this.panels.forEach((panel) => this.paint(panel, gains));
    return true;
  }

  /** Paint the strip for a panel. @param {Panel} panel @param {Float32Array} gains */
  paint(panel, gains) {
    const { strip, song } = this;
    if (!strip) return;
    const image = this.image(panel);
    image.width = strip.count;
    image.height = song.grid.rows;
    const data = new ImageData(strip.count, song.grid.rows);
    const pixels = new Uint32Array(data.data.buffer);
    if (panel.kind === "heard") paintHeard(strip, song, gains, this.table(panel), pixels);
    else paintPlane(strip, song, panel.stem + 1, this.table(panel), pixels);
    image.getContext("2d")?.putImageData(data, 0, 0);
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
    const { context } = this;
    context.font = font;
    context.textAlign = align;
    context.textBaseline = "middle";
    context.fillStyle = this.theme.ink;
    context.fillText(text, x, y);
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

/** One display of a picture: what is in view, what the pointer reads, what the keys do. */
class View {
  /** @param {Model} model @param {Song} song @param {HTMLElement} root @param {() => Live | undefined} live */
  constructor(model, song, root, live) {
    this.model = model;
    this.song = song;
    this.root = root;
    this.live = live;
    /** @type {string[]} */
    this.stems = model.get("stems");
    this.port = new Viewport(song.grid, FIRST_SPAN);
    this.rolling = model.get("live");
    /** @type {Moment} */
    this.moment = { time: 0, gains: new Float32Array(this.stems.length).fill(1), point: null };
    /** @type {MouseEvent | null} */
    this.pointer = null;
    this.follow = true;
    this.stale = true;
    this.frames = 0;
    this.told = "";
    this.look = "";
    this.speaking = 0;
    this.canvas = element("canvas", { tabindex: 0, role: "application", "aria-label": this.label() });
    this.painter = new Painter(model, song, this.canvas);
    this.readout = element("div", { class: "readout" });
    this.spoken = element("div", { class: "spoken", "aria-live": "polite" });
    this.followButton = button("Keep the play-head in view", "Follow", () => this.setFollow(!this.follow));
    press(this.followButton, true);
    root.append(this.bar(), this.readout, this.canvas, this.spoken);
    this.anchor();
  }

  label() {
    return (
      `Spectrogram, what is heard, and masks of ${this.stems.join(", ")}. Arrow keys read values, plus and minus zoom in ` +
      "time, page up and page down in frequency, shift with arrows scrolls, Home shows all" +
      (this.rolling ? "." : ", Enter moves the play-head here.")
    );
  }

  bar() {
    const own = this.model.get("player") ? [] : this.stems.map((stem, i) => keepButton(this.model, stem, i));
    return element(
      "div",
      { class: "bar" },
      ...own,
      this.followButton,
      button("Zoom out", "−", () => this.zoom(2)),
      button("Zoom in", "+", () => this.zoom(0.5)),
      button(this.rolling ? "Show all that is kept" : "Show the whole song", "All", () => this.act(() => this.port.showAll())),
      ...(this.model.get("scales").length > 1 ? [this.scaleButton()] : []),
    );
  }

  /** On where every octave is equally high, off where every hertz is. */
  scaleButton() {
    const toggle = button("Logarithmic frequency axis", "Log", () => {
      this.model.set("scale", this.model.get("scale") === "log" ? "linear" : "log");
      this.model.save_changes();
    });
    const show = () => press(toggle, this.model.get("scale") === "log");
    this.model.on("change:scale", show);
    show();
    return toggle;
  }

  /** Show cells of another grid. @param {Song} song */
  rescale(song) {
    this.song = this.painter.song = song;
    this.painter.strip = null;
    this.act(() => this.port.rescale(song.grid));
  }

  // ------------------------------------------------------------- pointer and keys

  /** @param {AbortSignal} signal */
  listen(signal) {
    const { canvas } = this;
    canvas.addEventListener("pointermove", (event) => event.buttons || this.pointAt(event), { signal });
    canvas.addEventListener("pointerleave", () => this.pointAt(null), { signal });
    canvas.addEventListener("pointerdown", (event) => this.grab(event), { signal });
    canvas.addEventListener("wheel", (event) => this.wheel(event), { signal, passive: false });
    canvas.addEventListener("keydown", (event) => this.key(event), { signal });
  }

  /** @param {MouseEvent} event @returns {{panel: Panel, point: Point} | null} */
  locate(event) {
    const box = this.canvas.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    const panel = this.painter.panels.find((p) => x >= p.x && x <= p.x + p.w && y >= p.y && y <= p.y + p.h);
    return panel ? { panel, point: this.port.pointAt(panel, x, y) } : null;
  }

  /** @param {MouseEvent | null} event */
  pointAt(event) {
    this.pointer = event;
    this.moment.point = event && (this.locate(event)?.point ?? null);
    this.stale = true;
  }

  /** Drag to scroll, click to move the play-head. @param {PointerEvent} event */
  grab(event) {
    const held = this.locate(event);
    if (!held || event.button) return;
    const { panel, point } = held;
    const { start, span, bottom, top } = this.port;
    const drag = new AbortController();
    let moved = false;
    const move = (/** @type {PointerEvent} */ now) => {
      const [dx, dy] = [now.clientX - event.clientX, now.clientY - event.clientY];
      moved ||= Math.hypot(dx, dy) > CLICK_PX;
      if (moved) this.roam(() => this.port.scrollTo(start - (dx / panel.w) * span, bottom + (dy / panel.h) * (top - bottom)));
    };
    const drop = () => {
      drag.abort();
      if (!moved) this.seek(point.time);
    };
    this.canvas.setPointerCapture(event.pointerId);
    this.canvas.addEventListener("pointermove", move, drag);
    this.canvas.addEventListener("pointerup", drop, drag);
    this.canvas.addEventListener("pointercancel", () => drag.abort(), drag);
  }

  /** Without a key the wheel scrolls the page. @param {WheelEvent} event */
  wheel(event) {
    const found = this.locate(event);
    if (!found || !(event.ctrlKey || event.altKey || event.shiftKey)) return;
    event.preventDefault();
    const { panel, point } = found;
    const sideways = event.shiftKey ? event.deltaY || event.deltaX : event.deltaX;
    const factor = 1.0015 ** clamp(event.deltaY, -400, 400);
    if (sideways) this.roam(() => this.port.scrollBy(sideways / panel.w, 0));
    else if (event.altKey) this.act(() => this.port.zoomFrequency(factor, point.hertz));
    else this.act(() => this.port.zoomTime(factor, point.time));
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const action = event.ctrlKey || event.metaKey || event.altKey ? undefined : this.keys(event.shiftKey)[event.key];
    if (!action) return;
    event.preventDefault();
    action();
    this.say();
  }

  /** @param {boolean} shift @returns {Record<string, () => void>} */
  keys(shift) {
    const go = shift
      ? (/** @type {number} */ x, /** @type {number} */ y) => this.roam(() => this.port.scrollBy(x / 4, y / 4))
      : (/** @type {number} */ x, /** @type {number} */ y) => this.movePoint(x / 100, y / 64);
    const tune = (/** @type {number} */ factor) => this.act(() => this.port.zoomFrequency(factor, this.port.middle.hertz));
    return {
      ArrowLeft: () => go(-1, 0),
      ArrowRight: () => go(1, 0),
      ArrowUp: () => go(0, 1),
      ArrowDown: () => go(0, -1),
      "+": () => this.zoom(0.5),
      "=": () => this.zoom(0.5),
      "-": () => this.zoom(2),
      PageUp: () => tune(0.5),
      PageDown: () => tune(2),
      Home: () => this.act(() => this.port.showAll()),
      f: () => this.setFollow(!this.follow),
      Enter: () => this.seek(this.moment.point?.time ?? this.moment.time),
      Escape: () => this.pointAt(null),
    };
  }

  /** Move the reading point by parts of the view. @param {number} dx @param {number} dy */
  movePoint(dx, dy) {
    const point = this.port.beside(this.moment.point ?? this.port.middle, dx, dy);
    this.pointer = null;
    this.roam(() => (this.moment.point = point));
  }

  /** @param {() => void} change of what is in view */
  act(change) {
    change();
    this.stale = true;
  }

  /** Change what is in view for good: a play-head that moves is no longer followed. @param {() => void} change */
  roam(change) {
    if (this.live()?.playing) this.setFollow(false);
    this.act(change);
  }

  /** @param {number} factor of the seconds in view */
  zoom(factor) {
    const { time, point } = this.moment;
    const inView = time >= this.port.start && time <= this.port.start + this.port.span;
    this.act(() => this.port.zoomTime(factor, (point ?? (inView ? { time } : this.port.middle)).time));
  }

  /** @param {boolean} on */
  setFollow(on) {
    this.follow = on;
    press(this.followButton, on);
    if (on) this.anchor();
    this.stale = true;
  }

  anchor() {
    this.port.scrollTo(this.moment.time - ANCHOR * this.port.span);
  }

  /** @param {number} time */
  seek(time) {
    if (this.rolling) return;
    const target = clamp(time, 0, this.port.most);
    const live = this.live();
    if (live) {
      live.seek(target);
    } else {
      this.model.set("position", target);
      this.model.save_changes();
    }
  }

  // ------------------------------------------------------------- picture and words

  /** Take the size and colours of the page where they have changed. */
  fit() {
    const width = Math.max(320, this.root.clientWidth);
    const look = [width, window.devicePixelRatio, ...Object.values(themeOf(this.root))].join();
    if (look === this.look) return;
    this.look = look;
    this.root.classList.toggle("narrow", width < WIDE);
    this.painter.resize(width, this.root);
    // At once, for a canvas of new size is black.
    this.stale = true;
    this.update(performance.now());
  }

  /** Bring the picture up to date with clock, faders and cells. @param {number} at ms */
  update(at) {
    const live = this.live();
    if (this.port.roll(this.song.first)) this.keepUp();
    this.setTime(live ? live.now() : this.model.get("position"));
    const turned = this.setGains(live ? live.gains() : this.model.get("levels"));
    const renewed = this.painter.regather(this.port, this.moment.gains, at);
    if (turned && !renewed) this.painter.paint(this.painter.panels[1], this.moment.gains);
    if (!(this.stale || turned || renewed)) return;
    if (this.pointer) this.pointAt(this.pointer);
    this.stale = false;
    this.painter.draw(this.port, this.moment);
    this.tell();
    this.frames++;
  }

  /** @param {number} time s */
  setTime(time) {
    if (time === this.moment.time) return;
    this.moment.time = time;
    this.keepUp();
  }

  keepUp() {
    this.stale = true;
    if (this.follow) this.anchor();
  }

  /** Tell whether they changed. @param {ArrayLike<number>} gains */
  setGains(gains) {
    const turned = this.moment.gains.some((gain, i) => gain !== Math.fround(gains[i]));
    if (turned) this.moment.gains = Float32Array.from(gains);
    return turned;
  }

  /** Write what lies under the point, or how to find out. */
  tell() {
    const words = this.words();
    if (words.join() === this.told) return;
    this.told = words.join();
    this.readout.replaceChildren(...words.map((word) => this.worded(word)));
    clearTimeout(this.speaking);
    if (this.pointer) this.speaking = setTimeout(() => this.say(), 400);
  }

  /** @param {string} word */
  worded(word) {
    const stem = this.stems.findIndex((name) => word.startsWith(`${name} `));
    const hue = this.painter.hues[stem];
    return element("span", hue ? { class: "mask", style: `--hue: ${hue}` } : {}, word);
  }

  /** @returns {string[]} */
  words() {
    const { time, gains, point } = this.moment;
    const hint = `Point at the picture to read it; ctrl + wheel zooms, drag scrolls${this.rolling ? "" : ", click moves the play-head"}.`;
    if (!point) return [timeText(time, 1), hint];
    const place = [timeText(point.time, 2), `${hertzText(point.hertz, 3)} (${noteText(point.hertz)})`];
    const found = read(this.song, point, gains);
    if (!found) return [...place, "not separated yet"];
    const masks = found.masks.map((mask, i) => `${this.stems[i]} ${mask.toFixed(2)}`);
    return [...place, levelText(found.level), `heard ${levelText(found.heard)}`, ...masks];
  }

  say() {
    this.spoken.textContent = this.words().join(", ");
  }
}

/**
 * Without a player a picture has levels of its own: keep a stem or leave it out.
 * @param {Model} model @param {string} stem @param {number} i
 */
function keepButton(model, stem, i) {
  const keep = button(`Keep ${stem}`, capital(stem), () => {
    model.set("levels", model.get("levels").map((/** @type {number} */ level, /** @type {number} */ k) => (k === i ? Number(!level) : level)));
    model.save_changes();
  });
  const show = () => press(keep, model.get("levels")[i] > 0);
  keep.style.setProperty("--hue", model.get("hues")[i]);
  keep.classList.add("stem");
  model.on("change:levels", show);
  show();
  return keep;
}

/** JupyterLab tells its theme on the body. @param {View} view @param {AbortSignal} signal */
function watch(view, signal) {
  const size = new ResizeObserver(() => view.fit());
  const theme = new MutationObserver(() => view.fit());
  size.observe(view.root);
  theme.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-name", "data-jp-theme-light"] });
  signal.addEventListener("abort", () => {
    size.disconnect();
    theme.disconnect();
  });
}

/** Update while the canvas is in sight. @param {View} view @param {AbortSignal} signal */
function run(view, signal) {
  let inSight = true;
  const sight = new IntersectionObserver((entries) => (inSight = entries[entries.length - 1].isIntersecting));
  const stop = frames((ms) => inSight && view.update(ms));
  sight.observe(view.canvas);
  signal.addEventListener("abort", () => {
    stop();
    sight.disconnect();
  });
}

/** What plays a player's song on this page, once it does. @param {string} id @returns {Live | undefined} */
function playing(id) {
  return /** @type {any} */ (globalThis).stemlab?.players.get(id);
}

export default () => {
  /** @type {Song} */
  let song;
  return {
    /** @param {{model: Model}} context */
    initialize({ model }) {
      const begin = () => (song = new Song(model.get("grid"), model.get("stems").length));
      begin();
      const take = (/** @type {{first: number}} */ { first }, /** @type {DataView[]} */ [cells]) => song.put(first, cells);
      model.on("msg:custom", take);
      model.on("change:grid", begin);
      // A page that comes later, or again, has none of the cells yet.
      model.send({ kind: "columns" });
      return () => model.off("msg:custom", take);
    },

    /** @param {{model: Model, el: HTMLElement}} context */
    render({ model, el }) {
      keepKeys();
      const root = element("div", { class: "stemlab-maskview" });
      el.append(root);
      const id = (model.get("player") ?? "").replace("IPY_MODEL_", "");
      const view = new View(model, song, root, () => playing(id));
      const done = new AbortController();
      model.on("change:grid", () => view.rescale(song));
      view.listen(done.signal);
      watch(view, done.signal);
      run(view, done.signal);
      Object.assign(root, { view });
      return () => done.abort();
    },
  };
};
