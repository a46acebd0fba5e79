// What live latency is made of, all in seconds, and whether the audio thread keeps pace.

import { LOOKAHEAD } from "../output.js";

const QUANTUM = 128; // samples that the browser asks for at once
const ENOUGH = 500; // hops after which it is clear how long they take
const KEPT = 2000; // hops whose times count, some 23 s

const OFTEN = 3; // of those that took longer than their sound is, though most do not

export const HEAVY = 0.7; // share of its time that a hop may take in the audio thread

/** @typedef {{underrunEvents: number}} Stats that Chromium keeps */

export class Account {
  /** @param {import("./separator.js").Card} card @param {AudioContext} context */
  constructor(card, context) {
    this.card = card;
    this.context = context;
    /** @type {number[]} */
    this.took = []; // ms of the newest hops
    this.slowest = 0; // ms of a hop since the start
    this.gaps = 0; // stretches without sound since the start
    this.underruns = this.#count();
    this.gaping = false;
  }

  /** @param {number[]} took ms of each hop of late */
  hear(took) {
    this.took = [...this.took, ...took].slice(-KEPT);
    this.slowest = Math.max(this.slowest, ...took);
    const underruns = this.#count();
    const missed = Number.isNaN(underruns) ? this.#stopped(took) > 0 : underruns > this.underruns;
    this.underruns = underruns;
    if (missed && !this.gaping) this.miss();
    this.gaping = missed;
  }

  /** There was a gap. */
  miss() {
    this.gaps++;
  }

  /** Whether hops take so long that the audio thread cannot keep pace. */
  get heavy() {
    const median = this.#percentile(0.5) ?? 0;
    return this.took.length > ENOUGH && median > (HEAVY * this.card.hop) / this.card.sample_rate;
  }

  /** Whether the audio thread often has to wait for the processor while it computes. */
  get interrupted() {
    return !this.heavy && this.#stopped(this.took) >= OFTEN;
  }

  /** How many hops took longer than their sound. @param {number[]} took ms of each */
  #stopped(took) {
    const budget = (1000 * this.card.hop) / this.card.sample_rate;
    return took.filter((ms) => ms > budget).length;
  }

  /** How often the browser had no sound in time; where it does not say so, hops that took too long tell. */
  #count() {
    return /** @type {{playbackStats?: Stats}} */ (/** @type {unknown} */ (this.context)).playbackStats?.underrunEvents ?? NaN;
  }

  /**
   * The parts in the order in which sound passes them; `compute` happens within the buffer and adds nothing.
   * @param {number | null} input the device's, as far as the browser knows
   * @param {number} late hops by which a Worker is late @returns {Record<string, number | null>}
   */
  parts(input, late) {
    const { hop, sample_rate: rate, synthesis, n_fft, lookahead } = this.card;
    const { baseLatency, outputLatency } = this.context;
    const way = {
      "input device": input,
      block: (hop - QUANTUM) / rate,
      algorithm: ((synthesis ?? n_fft) + (lookahead - 1) * hop) / rate,
      ...(late ? { margin: (late * hop) / rate } : {}),
      limiter: LOOKAHEAD / rate,
      buffer: baseLatency,
      "output device": outputLatency ?? null,
    };
    const total = Object.values(way).reduce((/** @type {number} */ sum, part) => sum + (part ?? 0), 0);
    return { ...way, total, compute: this.#percentile(0.5), "compute p99": this.#percentile(0.99) };
  }

  /** The clock has whole milliseconds: the median is the mean of the middle half. @param {number} share */
  #percentile(share) {
    const sorted = [...this.took].sort((a, b) => a - b);
    if (!sorted.length) return null;
    const [from, to] = share === 0.5 ? [0.25, 0.75] : [share, share];
    const middle = sorted.slice(Math.floor(from * sorted.length), Math.floor(to * sorted.length) + 1);
    return middle.reduce((sum, ms) => sum + ms, 0) / middle.length / 1000;
  }
}
