// What the processors of the audio thread have in common: gains that glide, and the tape of a song's blocks.
// Samples travel as 16-bit integers, SCALE steps per unit, which leaves 6 dB above full scale.

export const SCALE = 1 / 16384;
export const FADE = 256; // samples: every start, stop and jump of the playhead fades over 6 ms
const SLOW = 8820; // samples that it takes from an original to its stems
export const JUST = 2; // seconds by which the playhead may have passed the end of a loop that is closed at what is heard
export const REPORT = 1024; // samples between two reports to the page

/** A gain that glides to its target in about 15 ms, so that no fader clicks; more slowly from an original to its stems. */
export class Glide {
  /** @param {number} value */
  constructor(value) {
    this.value = value;
    this.target = value;
    this.slow = 0; // samples for which it is slow
    this.rate = 1 - Math.exp(-1 / (0.003 * sampleRate));
    this.slowRate = 1 - Math.exp(-1 / (0.03 * sampleRate));
  }
  /** @param {boolean} raw an original is heard, whose gain is 1 */
  next(raw = false) {
    const target = raw ? 1 : this.target;
    const gap = target - this.value;
    if (raw) this.slow = SLOW;
    else if (this.slow) this.slow--;
    this.value = Math.abs(gap) < 1e-6 ? target : this.value + gap * (this.slow && !raw ? this.slowRate : this.rate);
    return this.value;
  }
}

/**
 * The part of a song that is near its playhead: blocks of int16 [stems, block, 2]. What is not separated yet stands in
 * all stems alike, so that they sum to the original: it is heard with gains of 1.
 */
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
    /** @type {Set<number>} */
    this.originals = new Set(); // not separated yet
  }

  /** @param {number} index @param {Int16Array} samples @param {boolean} whole it is separated */
  put(index, samples, whole) {
    this.blocks.set(index, samples);
    this.leaving.delete(index);
    if (whole) this.originals.delete(index);
    else this.originals.add(index);
  }

  drop() {
    for (const index of this.leaving) {
      this.blocks.delete(index);
      this.originals.delete(index);
    }
    this.leaving.clear();
  }

  /** Whether something in [start, stop) is not separated yet. @param {number} start @param {number} stop */
  raw(start, stop) {
    for (let k = Math.floor(start / this.block); k * this.block < stop; k++) if (this.originals.has(k)) return true;
    return false;
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
