// Live separation in the audio thread: `stemlab-separator` hears the mix and plays its stems with their gains, `delay`
// samples less a quantum later. Further outputs, where it has them, are the stems before the gains.

import { Glide, REPORT } from "../tape.js";
import { start, StreamModel } from "./network.js";
import { LiveSeparator, stereo } from "./separator.js";

const WARM = 300; // hops after which the compilers have done their best
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
    this.heard = this.healed = 0; // samples that came in, and those of them that were no numbers
    this.input = this.wide = 0; // peaks since the last report: of the input, of left less right
    /** @type {number[]} */
    this.took = []; // ms of each hop since then
    this.port.onmessage = ({ data }) => this.obey(data);
    this.load(processorOptions).then(
      () => this.port.postMessage({ ready: true }),
      (error) => this.port.postMessage({ error: String(error) }),
    );
  }

  /** @param {Files} files */
  async load({ module, model, card }) {
    const network = new StreamModel(await start(module), model);
    const trial = new LiveSeparator(card, network);
    const noise = stereo(card.hop);
    for (let i = 0; i < WARM; i++) {
      for (const channel of noise) channel.forEach((_, at) => (channel[at] = Math.random() - 0.5));
      trial.push(noise, this.stems);
    }
    this.stems.flat().forEach((channel) => channel.fill(0));
    this.separator = new LiveSeparator(card, network);
  }

  /** @param {{gains?: number[][], close?: true}} order */
  obey({ gains, close }) {
    gains?.forEach((pair, s) => pair.forEach((gain, c) => (this.gains[s][c].target = gain)));
    if (close) this.alive = false;
  }

  /** @param {Float32Array[][]} inputs @param {Float32Array[][]} outputs */
  process([input], [mix, ...outputs]) {
    if (!this.separator) return this.alive;
    const count = mix[0].length;
    const at = this.heard % this.hop[0].length;
    this.take(input, at, count);
    if (at + count === this.hop[0].length) this.separate(this.separator);
    const next = (at + count) % this.hop[0].length; // what is played is overwritten by the next hop only
    this.play(mix, next);
    outputs.forEach((output, s) => output.forEach((side, c) => side.set(this.stems[s][c].subarray(next, next + count))));
    this.report(count);
    return this.alive;
  }

  /** @param {Float32Array[]} input one channel is both @param {number} at @param {number} count */
  take(input, at, count) {
    const [left, right] = this.hop;
    const { healed } = this;
    for (let i = 0; i < count; i++) {
      left[at + i] = this.heal(input[0]?.[i] ?? 0);
      right[at + i] = this.heal((input[1] ?? input[0])?.[i] ?? 0);
      this.input = Math.max(this.input, Math.abs(left[at + i]), Math.abs(right[at + i]));
      this.wide = Math.max(this.wide, Math.abs(left[at + i] - right[at + i]));
    }
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
    this.took.push(Date.now() - begin);
  }

  /** @param {Float32Array[]} mix @param {number} at */
  play(mix, at) {
    this.stems.forEach((stem, s) =>
      mix.forEach((side, c) => {
        const gain = this.gains[s][c];
        for (let i = 0; i < side.length; i++) {
          const value = stem[c][at + i] * gain.next();
          side[i] += value;
          this.peaks[s] = Math.max(this.peaks[s], Math.abs(value));
        }
      }),
    );
  }

  /** @param {number} count samples just made */
  report(count) {
    if ((currentFrame + count) % REPORT >= count) return;
    const { heard, healed, input, wide, took } = this;
    this.port.postMessage({ heard, healed, input, wide, took, peaks: Array.from(this.peaks) });
    this.took = [];
    this.input = this.wide = 0;
    this.peaks.fill(0);
  }
}

registerProcessor("stemlab-separator", Separating);
