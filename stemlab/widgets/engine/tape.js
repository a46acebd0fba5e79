// What the processors of the audio thread have in common: gains that glide, and the tape of a song's blocks.
// Samples travel as 16-bit integers, SCALE steps per unit, which leaves 6 dB above full scale.

export const SCALE = 1 / 16384;
export const FADE = 256; // samples: every start, stop and jump of the playhead fades over 6 ms
export const REPORT = 1024; // samples between two reports to the page

/** A gain that glides to its target in about 15 ms, so that no fader clicks. */
export class Glide {
  /** @param {number} value */
  constructor(value) {
    this.value = value;
    this.target = value;
    this.rate = 1 - Math.exp(-1 / (0.003 * sampleRate));
  }
  next() {
    const gap = this.target - this.value;
    this.value = Math.abs(gap) < 1e-6 ? this.target : this.value + gap * this.rate;
    return this.value;
  }
}

/** The part of a song that is near its playhead: blocks of int16 [stems, block, 2]. */
export class Tape {
  /** @param {{stems: number, length: number, block: number}} song */
  constructor({ stems, length, block }) {
    this.stems = stems;
    this.length = length;
    this.block = block;
    /** @type {Map<number, Int16Array>} */
    this.blocks = new Map();
    /** @type {Set<number>} */
    this.leaving = new Set(); // not needed, but a head that fades out may still read them
  }

  /** @param {number} index @param {Int16Array} samples */
  put(index, samples) {
    this.blocks.set(index, samples);
    this.leaving.delete(index);
  }

  drop() {
    for (const index of this.leaving) this.blocks.delete(index);
    this.leaving.clear();
  }

  /**
   * Whether every sample of [start, stop) inside the song is here.
   * @param {number} start @param {number} stop
   */
  has(start, stop) {
    const last = Math.min(stop, this.length) - 1;
    for (let k = Math.floor(start / this.block); k * this.block <= last; k++)
      if (!this.blocks.has(k)) return false;
    return true;
  }
}
