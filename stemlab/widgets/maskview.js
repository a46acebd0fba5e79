// MaskView: the mixture's spectrogram, each stem's mask and what is heard, in step with the clock.
// The kernel sends the cells of the picture once; what is in view, what the pointer reads and what the keys do is settled here.

import { capital, clamp, hertzText, levelText, noteText, timeText, Viewport } from "./parts/axes.js";
import { read, Song } from "./parts/cells.js";
import { button, element, frames, press } from "./parts/controls.js";
import { answer, keepKeys } from "./parts/keys.js";
import { Painter, WIDE } from "./painter.js";
import { lookOf } from "./parts/theme.js";

/** @typedef {import("@anywidget/types").AnyModel<any>} Model */
/** @typedef {import("./parts/axes.js").Point} Point */
/** @typedef {import("./painter.js").Panel} Panel */
/** @typedef {import("./painter.js").Moment} Moment */
/** @typedef {{now(): number, gains(): Float32Array, seek(time: number): void, playing: boolean}} Live what plays; a stream cannot seek */

const FIRST_SPAN = 12; // seconds in view at first
const ANCHOR = 0.35; // where in the view a followed play-head stands
const GLANCE = 100; // ms between two looks whether a live player is there
const CLICK_PX = 4; // a pointer that moved less has clicked

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

  /** Show cells of another grid: the same part of the time, and all frequencies. @param {Song} song */
  rescale(song) {
    this.song = this.painter.song = song;
    this.painter.strip = null;
    const { start, span } = this.port;
    this.act(() => {
      this.port = new Viewport(song.grid, span);
      this.port.scrollTo(start);
    });
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
    answer(event, () => {
      const action = this.keys(event.shiftKey)[event.key];
      return action && (() => (action(), this.say()));
    });
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
    const look = lookOf(width, this.root);
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

/** Which player it shows. @param {Model} model @returns {string} */
const shown = (model) => (model.get("player") ?? "").replace("IPY_MODEL_", "");

/**
 * The columns of a stream come from its player on this page, once that is there.
 * @param {Model} model @param {() => Song} song @returns {() => void} ends it
 */
function watchLive(model, song) {
  const live = () => /** @type {any} */ (playing(shown(model)))?.live;
  let viewer = "";
  const end = () => live()?.watch(viewer, null);
  // Another name for each grid: columns of the last one may be under way.
  const begin = () => {
    end();
    viewer = Math.random().toString(36);
    live()?.watch(viewer, model.get("grid"), (/** @type {number} */ first, /** @type {Uint8Array} */ bytes) =>
      song().put(song().grid.columns + first, bytes));
  };
  const look = setInterval(() => {
    if (!live()) return;
    clearInterval(look);
    begin();
  }, GLANCE);
  model.on("change:grid", begin);
  return () => {
    clearInterval(look);
    end();
  };
}

export default () => {
  /** @type {Song} */
  let song;
  return {
    /** @param {{model: Model}} context */
    initialize({ model }) {
      const begin = () => (song = new Song(model.get("grid"), model.get("stems").length));
      begin();
      model.on("change:grid", begin);
      if (model.get("live")) return watchLive(model, () => song);
      const take = (/** @type {{first: number}} */ { first }, /** @type {DataView[]} */ [cells]) => song.put(first, cells);
      model.on("msg:custom", take);
      // A page that comes later, or again, has none of the cells yet.
      model.send({ kind: "columns" });
      return () => model.off("msg:custom", take);
    },

    /** @param {{model: Model, el: HTMLElement}} context */
    render({ model, el }) {
      keepKeys();
      const root = element("div", { class: "stemlab-maskview" });
      el.append(root);
      const view = new View(model, song, root, () => playing(shown(model)));
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
