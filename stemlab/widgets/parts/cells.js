// The cells of a picture (`stemlab.pictures.picture.Picture`) on the page: kept, gathered, painted and read.

import { placeOf } from "./axes.js";

/** @typedef {import("./axes.js").Grid} Grid */
/** @typedef {import("./axes.js").Point} Point */
/** @typedef {{first: number, step: number, count: number, cells: Uint8Array, painted: Uint8Array}} Strip */
/** @typedef {{level: number, heard: number, masks: number[]}} Reading levels in dB */

const GAIN_STEPS = 2048;

/** The cells that are known so far; of a stream, which never ends, as many as the grid has columns. */
export class Song {
  /** @param {Grid} grid @param {number} stems */
  constructor(grid, stems) {
    this.grid = grid;
    this.planes = 1 + stems;
    this.size = this.planes * grid.rows;
    this.bytes = new Uint8Array(grid.columns * this.size);
    this.painted = new Uint8Array(grid.columns);
    this.end = grid.columns; // behind the newest column; a column takes the place of the one so many before it
    this.version = 0;
  }

  get first() {
    return this.end - this.grid.columns;
  }

  /** @param {number} first @param {DataView | Uint8Array} data columns of cells */
  put(first, data) {
    const cells = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    const count = cells.length / this.size;
    for (let i = 0; i < count; i++) {
      const place = this.place(first + i);
      this.bytes.set(cells.subarray(i * this.size, (i + 1) * this.size), place * this.size);
      this.painted[place] = 1;
    }
    this.end = Math.max(this.end, first + count);
    this.version++;
  }

  /** @param {number} column */
  place(column) {
    return column % this.grid.columns;
  }

  /** @param {number} column */
  has(column) {
    return column >= this.first && column < this.end && this.painted[this.place(column)] > 0;
  }

  /** @param {number} time */
  columnAt(time) {
    return Math.floor((time - this.grid.origin) * this.grid.pace);
  }
}

/**
 * Copy a span of the song, `step` columns joined to one: each cell the loudest of those it joins.
 * @param {Song} song @param {number} first @param {number} step @param {number} count
 * @returns {Strip}
 */
export function gather(song, first, step, count) {
  const cells = new Uint8Array(count * song.size);
  const painted = new Uint8Array(count);
  for (let i = 0; i < count; i++) {
    for (let column = first + i * step; column < first + (i + 1) * step; column++) {
      if (!song.has(column)) continue;
      const place = song.place(column);
      if (painted[i]) mergeLouder(song, place, cells, i * song.size);
      else cells.set(song.bytes.subarray(place * song.size, (place + 1) * song.size), i * song.size);
      painted[i] = 1;
    }
  }
  return { first, step, count, cells, painted };
}

/** @param {Song} song @param {number} place of a column @param {Uint8Array} cells @param {number} to */
function mergeLouder({ bytes, size, planes, grid: { rows } }, place, cells, to) {
  const from = place * size;
  for (let row = 0; row < rows; row++) {
    if (bytes[from + row] <= cells[to + row]) continue;
    for (let plane = row; plane < planes * rows; plane += rows) cells[to + plane] = bytes[from + plane];
  }
}

/**
 * Paint one plane of a strip through a colour table; columns not known yet stay clear.
 * @param {Strip} strip @param {Song} song @param {number} plane @param {Uint32Array} table
 * @param {Uint32Array} pixels [rows × count], top row first
 */
export function paintPlane({ cells, painted, count }, { size, grid: { rows } }, plane, table, pixels) {
  for (let i = 0; i < count; i++) {
    const base = i * size + plane * rows;
    let pixel = (rows - 1) * count + i;
    for (let row = 0; row < rows; row++, pixel -= count) {
      pixels[pixel] = painted[i] ? table[cells[base + row]] : 0;
    }
  }
}

/**
 * Paint mixture × Σ gain·mask.
 * @param {Strip} strip @param {Song} song @param {Float32Array} gains @param {Uint32Array} table
 * @param {Uint32Array} pixels
 */
export function paintHeard({ cells, painted, count }, song, gains, table, pixels) {
  const { size, planes, grid } = song;
  const shift = gainSteps(grid);
  for (let i = 0; i < count; i++) {
    const base = i * size;
    let pixel = (grid.rows - 1) * count + i;
    for (let row = 0; row < grid.rows; row++, pixel -= count) {
      let sum = 0;
      for (let stem = 1; stem < planes; stem++) sum += gains[stem - 1] * cells[base + stem * grid.rows + row];
      const level = cells[base + row];
      const heard = level && level + shift[Math.min(Math.round(sum), GAIN_STEPS - 1)];
      pixels[pixel] = painted[i] ? table[Math.max(0, Math.min(255, heard))] : 0;
    }
  }
}

/**
 * Steps of level by which 255 × a gain changes a byte.
 * @param {Grid} grid
 */
function gainSteps({ floor, ceiling }) {
  return Int16Array.from({ length: GAIN_STEPS }, (_, i) =>
    i ? Math.round((20 * Math.log10(i / 255) * 255) / (ceiling - floor)) : -255,
  );
}

/**
 * @param {Song} song @param {Point} point @param {Float32Array} gains
 * @returns {Reading | null} null where nothing is known yet
 */
export function read(song, { time, hertz }, gains) {
  const { grid, size, planes } = song;
  const column = song.columnAt(time);
  const row = Math.floor(placeOf(grid, hertz) * grid.rows);
  if (!song.has(column) || row < 0 || row >= grid.rows) return null;
  const cell = song.place(column) * size + row;
  const masks = Array.from({ length: planes - 1 }, (_, i) => song.bytes[cell + (i + 1) * grid.rows] / 255);
  const gain = masks.reduce((sum, mask, i) => sum + mask * gains[i], 0);
  const level = grid.floor + (song.bytes[cell] * (grid.ceiling - grid.floor)) / 255;
  const silent = song.bytes[cell] === 0;
  return { level: silent ? -Infinity : level, heard: silent ? -Infinity : level + 20 * Math.log10(gain), masks };
}
