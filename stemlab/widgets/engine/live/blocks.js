// Blocks of what is separated, gathered in the audio thread for who keeps it.

const GATHERED = 16; // hops in a block

/** @typedef {{line: string, start: number, sound: Float32Array<ArrayBuffer>}} Block its first sample, and [channels, samples] */

export class Blocks {
  /** @param {string} line that numbers the samples @param {number} channels @param {number} hop in samples */
  constructor(line, channels, hop) {
    this.line = line;
    this.channels = channels;
    this.hop = hop;
    this.hops = 0; // that are there
    this.sound = this.empty();
  }

  empty() {
    return new Float32Array(this.channels * GATHERED * this.hop);
  }

  /**
   * Takes a hop of the input and of all stems but the last.
   * @param {Float32Array[]} mix which begins with it @param {Float32Array[][]} stems @returns {boolean} whether a block is full
   */
  put(mix, stems) {
    for (let channel = 0; channel < this.channels; channel++) {
      const side = channel < 2 ? mix[channel] : stems[(channel >> 1) - 1][channel & 1];
      const at = (channel * GATHERED + this.hops) * this.hop;
      for (let i = 0; i < this.hop; i++) this.sound[at + i] = side[i];
    }
    return ++this.hops === GATHERED;
  }

  /** What has been gathered since the last time, or nothing. @param {number} end sample behind it @returns {Block | null} */
  taken(end) {
    const { line, channels, hop, hops, sound } = this;
    if (!hops) return null;
    const length = hops * hop;
    for (let channel = 1; channel < channels; channel++)
      sound.copyWithin(channel * length, channel * GATHERED * hop, channel * GATHERED * hop + length);
    this.hops = 0;
    this.sound = this.empty();
    return { line, start: end - length, sound: hops === GATHERED ? sound : sound.slice(0, channels * length) };
  }
}
