// The transforms of `stemlab.spectral`, frame by frame, for two channels at once: left is the real and right the
// imaginary part of one complex transform Z, so that bin k of left is (Z[k] + conj Z[-k]) / 2, and of right
// (Z[k] - conj Z[-k]) / 2i.

import { FFT } from "../vendor/fft/fft.mjs";

/** @typedef {[Float32Array, Float32Array]} Stereo */

/** Periodic windows, by the names that cards give them. @type {Record<string, (phase: number) => number>} */
const WINDOWS = {
  cosine: (phase) => Math.sin(Math.PI * phase),
  hann: (phase) => Math.sin(Math.PI * phase) ** 2,
};

/** @param {string} window @param {number} length */
function made(window, length) {
  const half = window === "cosine" ? 0.5 : 0; // scipy's cosine is centred between samples
  return Float64Array.from({ length }, (_, i) => WINDOWS[window]((i + half) / (length + 2 * half)));
}

/** A pair of windows: a long one to analyse with, a short one to make sound with; see `stemlab.spectral.Stft`. */
export class Stft {
  /** @param {{n_fft: number, hop: number, window: string, synthesis?: number}} card */
  constructor({ n_fft, hop, window, synthesis }) {
    this.size = n_fft;
    this.hop = hop;
    this.bins = n_fft / 2 + 1;
    this.delay = synthesis ?? n_fft;
    const fall = this.delay / 2;
    const rising = made(window, 2 * (n_fft - fall)).slice(0, n_fft - fall);
    this.taper = Float32Array.from([...rising, ...made(window, this.delay).slice(fall)]);
    this.synthesisTaper = this.#whole(window);
  }

  /** The synthesis window, over the sum of the overlapped products of both. @param {string} window */
  #whole(window) {
    const { delay, hop, size } = this;
    const analysis = this.taper.subarray(size - delay);
    const product = made(window, delay).map((w, i) => (analysis[i] > 0 ? w * w : 0));
    const overlap = new Float64Array(hop);
    product.forEach((value, i) => (overlap[i % hop] += value));
    return product.map((value, i) => (value ? value / analysis[i] / overlap[i % hop] : 0));
  }
}

/** Hops in, frames out. */
export class Analyser {
  /** @param {Stft} stft */
  constructor(stft) {
    this.stft = stft;
    this.fft = new FFT(stft.size);
    this.past = [new Float32Array(stft.size), new Float32Array(stft.size)];
    this.frame = new Float64Array(2 * stft.size);
  }

  /** @param {Stereo} hop @param {Float64Array} spectrum takes the frame that this completes */
  push(hop, spectrum) {
    const { taper, size } = this.stft;
    for (let c = 0; c < 2; c++) {
      const past = this.past[c];
      past.copyWithin(0, hop[c].length);
      past.set(hop[c], size - hop[c].length);
      for (let i = 0; i < size; i++) this.frame[2 * i + c] = past[i] * taper[i];
    }
    this.fft.transform(spectrum, this.frame);
  }
}

/** @param {Float64Array} spectrum @param {Float32Array} magnitude of the lower bins, [bins, 2] */
export function measure(spectrum, magnitude) {
  const { length } = spectrum;
  for (let k = 0; k < magnitude.length; k += 2) {
    const m = k && length - k;
    const re = spectrum[k], im = spectrum[k + 1], mre = spectrum[m], mim = spectrum[m + 1];
    magnitude[k] = Math.sqrt((re + mre) ** 2 + (im - mim) ** 2) / 2;
    magnitude[k + 1] = Math.sqrt((re - mre) ** 2 + (im + mim) ** 2) / 2;
  }
}

/**
 * Makes of a mixture's spectrum that of a stem.
 * @param {Float64Array} spectrum @param {Float32Array} masks [bins, 2, stems] @param {number} stem
 * @param {number} stems @param {Float64Array} into
 */
export function apply(spectrum, masks, stem, stems, into) {
  const { length } = spectrum;
  for (let k = 0, at = stem; k <= length / 2; k += 2, at += 2 * stems) {
    const m = k && length - k;
    const both = (masks[at] + masks[at + stems]) / 2;
    const side = (masks[at] - masks[at + stems]) / 2;
    const re = spectrum[k], im = spectrum[k + 1], mre = spectrum[m], mim = spectrum[m + 1];
    into[k] = both * re + side * mre;
    into[k + 1] = both * im - side * mim;
    into[m] = both * mre + side * re;
    into[m + 1] = both * mim - side * im;
  }
}

/** Frames in, hops out. */
export class Synthesiser {
  /** @param {Stft} stft */
  constructor(stft) {
    this.stft = stft;
    this.fft = new FFT(stft.size);
    this.frame = new Float64Array(2 * stft.size);
    this.tails = [new Float64Array(stft.delay), new Float64Array(stft.delay)];
    this.heads = this.tails.map((tail) => tail.subarray(0, stft.hop));
  }

  /** @param {Float64Array} spectrum @param {Stereo} hop takes the samples that this makes final */
  push(spectrum, hop) {
    const { delay, size, synthesisTaper } = this.stft;
    this.fft.inverseTransform(this.frame, spectrum);
    for (let c = 0; c < 2; c++) {
      const tail = this.tails[c];
      for (let i = 0, at = 2 * (size - delay) + c; i < delay; i++, at += 2) tail[i] += this.frame[at] * synthesisTaper[i];
      hop[c].set(this.heads[c]);
      tail.copyWithin(0, hop[c].length);
      tail.fill(0, delay - hop[c].length);
    }
  }
}
