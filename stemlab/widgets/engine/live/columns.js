// Live pictures in the audio thread: a hop's spectrum and masks as a column of `stemlab.pictures.picture.Picture`.

/** @typedef {{starts: number[], stop: number, floor: number, ceiling: number}} Rows first bin of each, end of the last; dB of bytes 0 and 255 */

const MOST = 4; // columns between two reports at most

export class Columns {
  /** @param {Rows} rows @param {import("./transform.js").Stft} stft @param {number} stems */
  constructor({ starts, stop, floor, ceiling }, stft, stems) {
    this.starts = starts;
    this.stop = stop;
    this.floor = floor;
    this.scale = 255 / (ceiling - floor);
    this.full = (stft.taper.reduce((sum, value) => sum + value, 0) / 2) ** 2; // power of a full-scale sine
    this.stems = stems;
    this.power = new Float64Array(2 * stop); // [bins, 2]
    this.size = (1 + stems) * starts.length;
    this.bytes = new Uint8Array(MOST * this.size);
    this.first = 0; // number of the first column that nobody has taken
    this.count = 0; // of those
  }

  /** @param {number} column its number @param {Float64Array} spectrum left + i right @param {Float32Array} masks [bins, 2, stems] */
  paint(column, spectrum, masks) {
    if (this.count === MOST) return;
    if (!this.count) this.first = column;
    this.#measure(spectrum);
    const at = this.count++ * this.size;
    for (let row = 0; row < this.starts.length; row++) this.#cell(at + row, this.#loudest(row), masks);
  }

  /** What has been painted since the last time. */
  taken() {
    const columns = { first: this.first, cells: this.bytes.slice(0, this.count * this.size) };
    this.count = 0;
    return columns;
  }

  /** @param {Float64Array} spectrum */
  #measure(spectrum) {
    const { power } = this;
    for (let k = 0; k < power.length; k += 2) {
      const m = k && spectrum.length - k;
      const re = spectrum[k], im = spectrum[k + 1], mre = spectrum[m], mim = spectrum[m + 1];
      power[k] = ((re + mre) ** 2 + (im - mim) ** 2) / 4;
      power[k + 1] = ((re - mre) ** 2 + (im + mim) ** 2) / 4;
    }
  }

  /** The loudest bin of a row; one that is narrower than a bin has just one. @param {number} row */
  #loudest(row) {
    const { power, starts, stop } = this;
    const end = Math.max(starts[row] + 1, starts[row + 1] ?? stop);
    let best = starts[row];
    for (let bin = best + 1; bin < end; bin++)
      if (power[2 * bin] + power[2 * bin + 1] > power[2 * best] + power[2 * best + 1]) best = bin;
    return best;
  }

  /** @param {number} cell @param {number} bin that it shows @param {Float32Array} masks */
  #cell(cell, bin, masks) {
    const { power, stems, bytes } = this;
    const rows = this.starts.length;
    const left = power[2 * bin] + 1e-30, right = power[2 * bin + 1] + 1e-30; // both alike where all is silent
    const level = 10 * Math.log10(Math.max((left + right) / 2 / this.full, 1e-20));
    bytes[cell] = Math.round(Math.min(255, Math.max(0, (level - this.floor) * this.scale)));
    const at = 2 * bin * stems;
    for (let stem = 0; stem < stems; stem++) {
      const mask = (left * masks[at + stem] + right * masks[at + stems + stem]) / (left + right);
      bytes[cell + (1 + stem) * rows] = Math.round(255 * mask);
    }
  }
}
