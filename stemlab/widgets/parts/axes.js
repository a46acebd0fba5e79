// The axes of a picture: which part of it is in view, where a time or frequency lies, how it is written.

/**
 * @typedef {object} Grid what the cells of the picture stand for
 * @property {number} columns
 * @property {number} rows
 * @property {number} pace columns per second
 * @property {number} origin time of the left edge of column 0, s
 * @property {"log"|"linear"} scale
 * @property {number} low Hz at the bottom
 * @property {number} high Hz at the top
 * @property {number} floor dB of byte 0
 * @property {number} ceiling dB of byte 255
 * @property {[number, number]} shown levels between which the colours change, dB
 */
/** @typedef {Pick<Grid, "scale" | "low" | "high">} Ends of an axis */
/** @typedef {{time: number, hertz: number}} Point */
/** @typedef {{x: number, y: number, w: number, h: number}} Box in CSS pixels */

const LEAST_SPAN = 0.25; // s
const LEAST_BAND = 0.08; // of the axis

/** @param {number} value @param {number} low @param {number} high */
export function clamp(value, low, high) {
  return Math.max(low, Math.min(high, value));
}

/** The part of a picture in view: `span` seconds from `start`, the axis from place `bottom` to `top`. */
export class Viewport {
  /** @param {Grid} grid @param {number} span s */
  constructor(grid, span) {
    this.grid = grid;
    this.first = 0;
    this.least = Math.min(0, grid.origin);
    this.most = grid.origin + grid.columns / grid.pace;
    this.start = this.least;
    this.span = Math.min(span, this.most - this.least);
    this.bottom = 0;
    this.top = 1;
  }

  /** A stream's picture rolls on: tell whether it has. @param {number} first its oldest column */
  roll(first) {
    if (first === this.first) return false;
    const seconds = (first - this.first) / this.grid.pace;
    this.first = first;
    this.least += seconds;
    this.most += seconds;
    this.scrollTo(this.start);
    return true;
  }

  /** @param {number} start @param {number} [bottom] */
  scrollTo(start, bottom = this.bottom) {
    const band = this.top - this.bottom;
    this.start = clamp(start, this.least, this.most - this.span);
    this.bottom = clamp(bottom, 0, 1 - band);
    this.top = this.bottom + band;
  }

  /** @param {number} x @param {number} y parts of what is in view */
  scrollBy(x, y) {
    this.scrollTo(this.start + x * this.span, this.bottom + y * (this.top - this.bottom));
  }

  /** @param {number} factor of the span @param {number} time that stays where it is */
  zoomTime(factor, time) {
    const span = clamp(this.span * factor, LEAST_SPAN, this.most - this.least);
    const start = time - ((time - this.start) / this.span) * span;
    this.span = span;
    this.scrollTo(start);
  }

  /** @param {number} factor of the band @param {number} hertz that stays where it is */
  zoomFrequency(factor, hertz) {
    const place = placeOf(this.grid, hertz);
    const band = clamp((this.top - this.bottom) * factor, LEAST_BAND, 1);
    const bottom = place - ((place - this.bottom) / (this.top - this.bottom)) * band;
    this.top = this.bottom + band;
    this.scrollTo(this.start, bottom);
  }

  showAll() {
    this.span = this.most - this.least;
    this.bottom = 0;
    this.top = 1;
    this.scrollTo(this.least);
  }

  /** @returns {Point} */
  get middle() {
    return { time: this.start + this.span / 2, hertz: hertzAt(this.grid, (this.bottom + this.top) / 2) };
  }

  /** The point some parts of the view away, held inside it. @param {Point} point @param {number} dx @param {number} dy */
  beside({ time, hertz }, dx, dy) {
    const place = placeOf(this.grid, hertz) + dy * (this.top - this.bottom);
    return {
      time: clamp(time + dx * this.span, this.start, this.start + this.span),
      hertz: hertzAt(this.grid, clamp(place, this.bottom, this.top)),
    };
  }

  /** @param {Box} box @param {number} time */
  x(box, time) {
    return box.x + ((time - this.start) / this.span) * box.w;
  }

  /** @param {Box} box @param {number} hertz */
  y(box, hertz) {
    return box.y + (1 - (placeOf(this.grid, hertz) - this.bottom) / (this.top - this.bottom)) * box.h;
  }

  /** @param {Box} box @param {number} x @param {number} y @returns {Point} */
  pointAt(box, x, y) {
    const place = this.bottom + (1 - (y - box.y) / box.h) * (this.top - this.bottom);
    return { time: this.start + ((x - box.x) / box.w) * this.span, hertz: hertzAt(this.grid, place) };
  }
}

/** Place of a value on an axis, 0 at the bottom, 1 at the top. @param {Ends} ends @param {number} value */
export function placeOf({ scale, low, high }, value) {
  return scale === "log" ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low);
}

/** @param {Grid} grid @param {number} place */
export function hertzAt({ scale, low, high }, place) {
  return scale === "log" ? low * (high / low) ** place : low + (high - low) * place;
}

const TIME_STEPS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 3600];

/** @param {number} start @param {number} span s @param {number} width px */
export function timeTicks(start, span, width) {
  const step = TIME_STEPS.find((seconds) => (seconds / span) * width >= 76) ?? 7200;
  const first = Math.ceil(start / step - 1e-9);
  const count = Math.floor((start + span) / step + 1e-9) - first + 1;
  return Array.from({ length: count }, (_, i) => {
    const time = (first + i) * step;
    return { time, label: timeText(time, step < 0.1 ? 2 : step < 1 ? 1 : 0) };
  });
}

/**
 * Round frequencies in view, as dense as labels of 18 px allow.
 * @param {Grid} grid @param {(hertz: number) => number} y
 */
export function frequencyTicks(grid, y) {
  const inView = (/** @type {number[]} */ list) => list.filter((hertz) => hertz >= grid.low && hertz <= grid.high * 1.0001);
  const decades = [1, 10, 100, 1000, 10000];
  const series = [[1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 2, 5], [1, 3], [1]];
  const rounds = series.map((digits) => inView(decades.flatMap((ten) => digits.map((digit) => digit * ten))));
  const evens = [100, 200, 500, 1000, 2000, 5000].map((step) => inView(Array.from({ length: 400 }, (_, i) => i * step)));
  const apart = (/** @type {number[]} */ list) => list.every((hertz, i) => !i || y(list[i - 1]) - y(hertz) >= 18);
  const lists = grid.scale === "log" ? rounds : evens;
  return lists.find(apart) ?? lists[lists.length - 1];
}

/** @param {number} time s @param {number} digits after the point */
export function timeText(time, digits) {
  const parts = Math.round(Math.abs(time) * 10 ** digits) / 10 ** digits;
  const minutes = Math.floor(parts / 60);
  const seconds = (parts - 60 * minutes).toFixed(digits).padStart(digits ? 3 + digits : 2, "0");
  return `${time < 0 && parts > 0 ? "−" : ""}${minutes}:${seconds}`;
}

/** @param {number} hertz @param {number} digits */
export function hertzText(hertz, digits) {
  const round = Number(hertz.toPrecision(digits));
  return round >= 1000 ? `${round / 1000} kHz` : `${round} Hz`;
}

const NOTES = ["C", "C♯", "D", "E♭", "E", "F", "F♯", "G", "A♭", "A", "B♭", "B"];

/** Nearest note of the equal temperament at A4 = 440 Hz. @param {number} hertz */
export function noteText(hertz) {
  const key = Math.round(69 + 12 * Math.log2(hertz / 440));
  return `${NOTES[((key % 12) + 12) % 12]}${Math.floor(key / 12) - 1}`;
}

/** @param {number} level dB */
export function levelText(level) {
  return Number.isFinite(level) ? `${level.toFixed(1).replace("-", "−")} dB` : "silent";
}

/** @param {string} name */
export function capital(name) {
  return name.charAt(0).toUpperCase() + name.slice(1);
}
