// Live separation in the audio thread: `stemlab-separator` hears the mix and plays its stems with their gains, `delay`
// samples less a quantum later. Further outputs, where it has them, are the stems before the gains. On demand it posts
// the input and its stems, too, for who keeps them, and columns of pictures.

import { Glide, REPORT } from "../tape.js";
import { Blocks } from "./blocks.js";
import { Columns } from "./columns.js";
import { start, StreamModel } from "./network.js";
import { LiveSeparator, stereo } from "./separator.js";

const WARM = 300; // hops after which the compilers have done their best
const BATCH = 30; // hops whose time is taken together: of the quickest batch, for others may have been interrupted
const LOUDEST = 1000; // 60 dB above full scale; what is beyond is no sound

/** @typedef {import("./separator.js").Stereo} Stereo */
/** @typedef {{module: WebAssembly.Module, model: Uint8Array, card: import("./separator.js").Card}} Files */

class Separating extends AudioWorkletProcessor {
  /** @param {{processorOptions: Files}} options */
  constructor({ processorOptions }) {
    super();
    const { hop, stems } = processorOptions.card;
    this.hop = stereo(hop);
    this.stems = stems.map(() => stereo(hop));
    this.gains = stems.map(() => [new Glide(1), new Glide(1)]);
    this.peaks = new Float32Array(stems.length);
    this.alive = true;
    this.run = 0; // which start of the sound this is
    this.made = 0; // samples of stems that were ever made
    /** @type {Blocks | null} */
    this.kept = null;
    /** @type {Map<string, Columns>} */
    this.views = new Map(); // those who want a picture, by name
    this.heard = this.healed = 0; // samples that came in, and those of them that were no numbers
    this.levels = new Float32Array(2); // peaks since the last report: of the input, of left less right
    /** @type {number[]} */
    this.took = []; // ms of each hop since then
    this.port.onmessage = ({ data }) => this.obey(data);
    this.load(processorOptions).then(
      (load) => this.port.postMessage({ ready: true, load }),
      (error) => this.port.postMessage({ error: String(error) }),
    );
  }

  /** Share of the time of its sound that a hop takes, once all is warm. @param {Files} files */
  async load({ module, model, card }) {
    const network = new StreamModel(await start(module), model);
    const trial = new LiveSeparator(card, network);
    const noise = stereo(card.hop);
    /** @type {number[]} */
    const ends = [];
    for (let i = 0; i < WARM; i++) {
      if (i % BATCH === 0) ends.push(Date.now());
      for (const channel of noise) channel.forEach((_, at) => (channel[at] = Math.random() - 0.5));
      trial.push(noise, this.stems);
    }
    this.anew = () => new LiveSeparator(card, network);
    this.begin();
    const quickest = Math.min(...ends.slice(1).map((end, i) => end - ends[i]));
    return ((quickest / 1000) * sampleRate) / (BATCH * card.hop);
  }

  /**
   * @param {{time?: number, gains?: number[][], begin?: number, keep?: string, mark?: boolean, close?: true,
   *   view?: string, rows?: import("./columns.js").Rows | null}} order
   */
  obey({ time, gains, begin, keep, mark, close, view, rows }) {
    if (time) this.made = Math.ceil((time * sampleRate) / this.hop[0].length) * this.hop[0].length;
    gains?.forEach((pair, s) => pair.forEach((gain, c) => (this.gains[s][c].target = gain)));
    if (begin) this.begin(begin);
    if (keep !== undefined) this.keep(keep);
    if (mark !== undefined) this.flush({ mark });
    if (view) this.look(view, rows);
    if (close) this.alive = false;
  }

  /** @param {string} view @param {import("./columns.js").Rows | null} [rows] none: no more */
  look(view, rows) {
    const stft = this.separator?.stft;
    if (rows && stft) this.views.set(view, new Columns(rows, stft, this.stems.length));
    else this.views.delete(view);
  }

  /** Starts anew, as if nothing had been heard. */
  begin(run = 0) {
    this.run = run;
    this.heard = this.healed = 0;
    this.took = [];
    this.separator = this.anew?.();
    this.stems.flat().forEach((channel) => channel.fill(0));
  }

  /** @param {string} line that numbers the samples of what is kept from now on; none: nothing is */
  keep(line) {
    this.flush();
    this.kept = line ? new Blocks(line, 2 * this.stems.length, this.hop[0].length) : null;
  }

  /** Posts what is kept so far, and then a note. @param {{mark?: boolean}} [note] */
  flush(note) {
    const block = this.kept?.taken(this.made);
    if (block) this.port.postMessage(block, [block.sound.buffer]);
    if (note) this.port.postMessage(note);
  }

  /**
   * From here on as little as possible is left for the garbage collector: its helpers are ordinary threads, and on a
   * busy machine this one waits for them.
   * @param {Float32Array[][]} inputs @param {Float32Array[][]} outputs
   */
  process(inputs, outputs) {
    if (!this.separator) return this.alive;
    const count = outputs[0][0].length;
    const at = this.heard % this.hop[0].length;
    this.take(inputs[0], at, count);
    if (at + count === this.hop[0].length) this.separate(this.separator);
    const next = (at + count) % this.hop[0].length; // what is played is overwritten by the next hop only
    for (let s = 0; s < this.stems.length; s++)
      for (let c = 0; c < 2; c++) {
        this.play(s, c, outputs[0][c], next);
        outputs[s + 1]?.[c].set(this.stems[s][c].subarray(next, next + count));
      }
    this.report(count);
    return this.alive;
  }

  /** @param {Float32Array[]} input one channel is both @param {number} at @param {number} count */
  take(input, at, count) {
    const [left, right] = this.hop;
    const [first, second] = [input[0], input[1] ?? input[0]];
    const { healed } = this;
    let loud = 0, wide = 0; // in a field each number would be garbage
    for (let i = 0; i < count; i++) {
      const l = (left[at + i] = first ? this.heal(first[i]) : 0);
      const r = (right[at + i] = second ? this.heal(second[i]) : 0);
      loud = Math.max(loud, Math.abs(l), Math.abs(r));
      wide = Math.max(wide, Math.abs(l - r));
    }
    this.levels[0] = Math.max(this.levels[0], loud);
    this.levels[1] = Math.max(this.levels[1], wide);
    this.heard += count;
    if (this.healed > healed) this.separator?.model.forget();
  }

  /** @param {number} value */
  heal(value) {
    if (Math.abs(value) <= LOUDEST) return value;
    this.healed++;
    return 0;
  }

  /** @param {LiveSeparator} separator */
  separate(separator) {
    const begin = Date.now(); // this thread has no finer clock
    separator.push(this.hop, this.stems);
    const column = this.made / this.hop[0].length - separator.card.lookahead;
    for (const columns of this.views.values()) columns.paint(column, separator.waiting[0], separator.masks);
    this.took.push(Date.now() - begin);
    this.made += this.hop[0].length;
    if (this.kept?.put(separator.past, this.stems)) this.flush();
  }

  /** Adds a side of a stem to what is heard. @param {number} s @param {number} c @param {Float32Array} heard @param {number} at */
  play(s, c, heard, at) {
    const gain = this.gains[s][c];
    const side = this.stems[s][c];
    let peak = this.peaks[s];
    for (let i = 0; i < heard.length; i++) {
      const value = side[at + i] * gain.next();
      heard[i] += value;
      peak = Math.max(peak, Math.abs(value));
    }
    this.peaks[s] = peak;
  }

  /** Seconds that have been played, of all starts; column 0 stands at the first. */
  time() {
    const delay = this.separator?.delay ?? 0;
    return (this.made + (this.heard % this.hop[0].length) - delay) / sampleRate;
  }

  /** @param {number} count samples just made */
  report(count) {
    if ((currentFrame + count) % REPORT >= count) return;
    const { run, heard, healed, levels, took, peaks } = this;
    this.port.postMessage({ run, time: this.time(), heard, healed, input: levels[0], wide: levels[1], took, peaks });
    for (const [view, columns] of this.views) if (columns.count) this.post(view, columns);
    this.took.length = 0;
    levels.fill(0);
    peaks.fill(0);
  }

  /** @param {string} view @param {Columns} columns */
  post(view, columns) {
    const taken = columns.taken();
    this.port.postMessage({ view, ...taken }, [taken.cells.buffer]);
  }
}

registerProcessor("stemlab-separator", Separating);
