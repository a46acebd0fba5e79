// The close-up of a deck: the seconds around the playhead, on a strip that is painted seldom and slides below a needle.

import { element } from "../parts/controls.js";
import { FINE } from "./turntable.js";

/** @typedef {import("./turntable.js").Turntable} Turntable */

const STRIP = 3; // windows that are painted at once
const AGAIN = 100; // ms between two paintings
const TILES = 200; // pictures of blocks that are kept
const FULL = 300; // sum of peaks that fills its height
export const CUE_HUES = ["#e64980", "#12b886", "#4c6ef5", "#fab005", "#fd7e14", "#15aabf", "#be4bdb", "#82c91e"];

export class Closeup {
  /** @param {Turntable} table @param {string} letter @param {string[]} colours of the stems @param {() => number} window seconds that are seen */
  constructor(table, letter, colours, window) {
    this.table = table;
    this.window = window;
    this.tiles = new Tiles(table, colours);
    this.strip = element("canvas");
    this.node = element("div", { class: `closeup ${letter}`, role: "img", "aria-label": `Close-up ${letter}` },
      this.strip, element("div", { class: "needle" }));
    this.start = this.scale = this.width = this.painted = 0; // seconds at the left edge, pixels per second, pixels, ms
    this.known = -1;
    this.dirty = true;
  }

  /** Slides to a second of the song; paints what has changed. @param {number} now @param {number} time ms */
  draw(now, time) {
    const { table } = this;
    const span = this.window() * table.model.get("tempo");
    const left = now - span / 2;
    const outside = left < this.start || left + span > this.start + STRIP * span;
    if (this.known !== table.stretch.drawn) this.dirty = true;
    if (outside || (this.dirty && time - this.painted >= AGAIN)) {
      this.paint(left - span / 4, span);
      this.painted = time;
    }
    const shift = `translateX(${Math.round((this.start - left) * this.scale)}px)`;
    if (this.strip.style.transform !== shift) this.strip.style.transform = shift;
  }

  /** @param {number} start @param {number} span seconds */
  paint(start, span) {
    const { node, strip, table } = this;
    const ratio = globalThis.devicePixelRatio || 1;
    const [width, height] = [STRIP * node.clientWidth, node.clientHeight].map((size) => Math.round(size * ratio));
    const pen = strip.getContext("2d");
    if (!pen || !width) return;
    if (strip.width !== width || strip.height !== height) Object.assign(strip, { width, height });
    this.dirty = false;
    this.known = table.stretch.drawn;
    this.start = start;
    this.scale = node.clientWidth / span;
    const stop = start + STRIP * span;
    const place = (/** @type {number} */ seconds) => (seconds - start) * this.scale * ratio;
    const style = getComputedStyle(node);
    const [text, soft, accent] = ["--text", "--soft", "--accent"].map((name) => style.getPropertyValue(name));
    pen.clearRect(0, 0, width, height);
    const [a, b] = table.model.get("loop");
    if (b > a) fill(pen, accent, 0.25, place(a), 0, place(b) - place(a), height);
    drawGrid(pen, table, start, stop, place, text, height);
    this.tiles.draw(pen, start, stop, place, height, style.getPropertyValue("--faint"));
    drawCues(pen, table, place, soft, ratio, height);
  }
}

/** @param {CanvasRenderingContext2D} pen @param {string} colour @param {number} alpha @param {...number} box */
function fill(pen, colour, alpha, ...box) {
  pen.globalAlpha = alpha;
  pen.fillStyle = colour;
  pen.fillRect(.../** @type {[number, number, number, number]} */ (box));
  pen.globalAlpha = 1;
}

/**
 * @param {CanvasRenderingContext2D} pen @param {Turntable} table @param {(seconds: number) => number} place
 * @param {string} colour of the cue point @param {number} ratio @param {number} height
 */
function drawCues(pen, table, place, colour, ratio, height) {
  /** @type {[number, string][]} */
  const hot = table.model.get("cues").map((/** @type {{at?: number, hue?: string}} */ { at = -1, hue }, /** @type {number} */ i) => [at, hue ?? CUE_HUES[i]]);
  for (const [cue, hue] of /** @type {[number, string][]} */ ([[table.model.get("cue"), colour], ...hot])) {
    if (cue < 0) continue;
    fill(pen, hue, 1, place(cue) - ratio, 0, 2 * ratio, height);
    fill(pen, hue, 1, place(cue) - ratio, 0, 9 * ratio, 9 * ratio);
  }
}

/**
 * @param {CanvasRenderingContext2D} pen @param {Turntable} table @param {number} from @param {number} to
 * @param {(seconds: number) => number} place @param {string} colour @param {number} height
 */
function drawGrid(pen, table, from, to, place, colour, height) {
  const { beat, bar } = table;
  if (!beat) return;
  const end = table.beats(Math.min(to, table.model.get("duration")));
  for (let k = Math.ceil(table.beats(Math.max(0, from))); k < end; k++) {
    const first = k % bar === 0;
    fill(pen, colour, first ? 0.75 : 0.3, Math.round(place(table.second(k))), 0, first ? 2 : 1, height);
  }
}

/** Pictures of the song's blocks, stems stacked by what is heard of them; each is painted once for the faders as they stand. */
class Tiles {
  /** With the peaks of which each is a picture. @type {Map<number, {tile: HTMLCanvasElement, peaks: Uint8Array}>} */
  #painted = new Map();
  #of = "";

  /** @param {Turntable} table @param {string[]} colours */
  constructor(table, colours) {
    this.table = table;
    this.colours = colours;
  }

  /**
   * @param {CanvasRenderingContext2D} pen @param {number} from @param {number} to seconds @param {(seconds: number) => number} place
   * @param {number} height @param {string} faint for what is not separated yet
   */
  draw(pen, from, to, place, height, faint) {
    const { block, rate } = this.table.deck.song;
    const gains = this.table.gains();
    const of = [...gains, height].join();
    if (of !== this.#of || this.#painted.size > TILES) this.#painted.clear();
    this.#of = of;
    for (let k = Math.floor((from * rate) / block); (k * block) / rate < to; k++) {
      const tile = this.#tile(k, gains, height, faint);
      const left = Math.round(place((k * block) / rate));
      if (tile) pen.drawImage(tile, left, 0, Math.round(place(((k + 1) * block) / rate)) - left, height);
    }
  }

  /** @param {number} k @param {Float32Array} gains @param {number} height @param {string} faint */
  #tile(k, gains, height, faint) {
    const peaks = this.table.stretch.closeup.get(k);
    const known = this.#painted.get(k);
    if (!peaks || known?.peaks === peaks) return known?.tile;
    const { block } = this.table.deck.song;
    const whole = peaks.length * FINE === block * gains.length;
    const tile = paint(peaks, whole ? gains : Float32Array.of(1), whole ? this.colours : [faint], height);
    this.#painted.set(k, { tile, peaks });
    return tile;
  }
}

/** @param {Uint8Array} peaks of each of some parts @param {Float32Array} gains @param {string[]} colours @param {number} height */
function paint(peaks, gains, colours, height) {
  const width = peaks.length / gains.length;
  const tile = element("canvas", { width, height });
  const pen = tile.getContext("2d");
  const sums = new Float32Array(width);
  const tops = Array.from(gains, (gain, s) => {
    for (let column = 0; column < width; column++) sums[column] += gain * peaks[s * width + column];
    return sums.slice();
  });
  for (let s = gains.length - 1; pen && s >= 0; s--) {
    pen.fillStyle = colours[s];
    for (let column = 0; column < width; column++) {
      const tall = Math.min(1, tops[s][column] / FULL) * height;
      pen.fillRect(column, (height - tall) / 2, 1, tall);
    }
  }
  return tile;
}
