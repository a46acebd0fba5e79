// Live separation, hop by hop: what `stemlab.live.separator` does with a streaming model.

import { Analyser, apply, measure, Stft, Synthesiser } from "./transform.js";

/** @typedef {import("./transform.js").Stereo} Stereo */
/**
 * @typedef {{n_fft: number, hop: number, window: string, synthesis?: number, bins: number, stems: string[],
 *   lookahead: number, sample_rate: number, sha256: string}} Card
 */

/** @param {number} length @returns {Stereo} */
export const stereo = (length) => [new Float32Array(length), new Float32Array(length)];

/**
 * Carries masks from the model's band up to all bins, as "octave" of `stemlab.masks.extend`.
 * @param {Float32Array} masks [all bins, cells] @param {number} band bins that are there @param {number} cells
 */
export function extend(masks, band, cells) {
  const first = band >> 1;
  for (let cell = 0; cell < cells; cell++) {
    let sum = 0;
    for (let k = first; k < band; k++) sum += masks[k * cells + cell];
    const mean = sum / (band - first);
    for (let at = band * cells + cell; at < masks.length; at += cells) masks[at] = mean;
  }
}

/** Separates a stream with a short delay. */
export class LiveSeparator {
  /** @param {Card} card @param {import("./network.js").StreamModel} model nobody else may use it meanwhile */
  constructor(card, model) {
    this.card = card;
    this.model = model;
    this.stft = new Stft(card);
    this.delay = this.stft.delay + card.lookahead * card.hop;
    this.analyser = new Analyser(this.stft);
    this.synthesisers = card.stems.slice(1).map(() => new Synthesiser(this.stft));
    this.past = stereo(this.delay); // the newest of the mix
    this.waiting = Array.from({ length: card.lookahead + 1 }, () => new Float64Array(2 * card.n_fft));
    this.part = new Float64Array(2 * card.n_fft);
    this.magnitude = new Float32Array(2 * card.bins);
    this.cells = 2 * card.stems.length;
    this.masks = new Float32Array(this.stft.bins * this.cells);
    this.band = this.masks.subarray(0, card.bins * this.cells); // what the network gives
    model.forget();
  }

  /** @param {Stereo} hop the newest @param {Stereo[]} stems take the hop that this makes final */
  push(hop, stems) {
    const { card, masks, waiting, part } = this;
    const newest = /** @type {Float64Array<ArrayBuffer>} */ (waiting.shift());
    waiting.push(newest);
    this.analyser.push(hop, newest);
    measure(newest, this.magnitude);
    this.model.step(this.magnitude, this.band);
    extend(masks, card.bins, this.cells);
    for (let s = 0; s < this.synthesisers.length; s++) {
      apply(waiting[0], masks, s, stems.length, part);
      this.synthesisers[s].push(part, stems[s]);
    }
    this.#rest(hop, stems);
  }

  /** The last stem is what the others leave of the mix. @param {Stereo} hop @param {Stereo[]} stems */
  #rest(hop, stems) {
    const last = stems.length - 1;
    for (let c = 0; c < 2; c++) {
      const past = this.past[c];
      past.copyWithin(0, hop[c].length);
      past.set(hop[c], this.delay - hop[c].length);
      for (let i = 0; i < hop[c].length; i++) {
        let rest = past[i];
        for (let s = 0; s < last; s++) rest -= stems[s][c][i];
        stems[last][c][i] = rest;
      }
    }
  }
}
