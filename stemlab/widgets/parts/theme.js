// The page's colours as a canvas takes them.

/** @typedef {{ink: string, faint: string, page: string, empty: string, dark: boolean}} Theme */

/** @param {HTMLElement} root @returns {Theme} */
export function themeOf(root) {
  const style = getComputedStyle(root);
  const [red, green, blue] = (style.color.match(/[\d.]+/g) ?? []).map(Number);
  return {
    ink: style.color,
    faint: style.borderTopColor,
    page: style.backgroundColor,
    empty: style.outlineColor,
    dark: 0.3 * red + 0.59 * green + 0.11 * blue > 128,
  };
}

/** All that a canvas is drawn anew for: its width, the screen's pixels, the theme. @param {number} width px @param {HTMLElement} root */
export function lookOf(width, root) {
  return [width, window.devicePixelRatio, ...Object.values(themeOf(root))].join();
}

/**
 * Writes on a canvas, about the middle of the line.
 * @param {CanvasRenderingContext2D} pen @param {string} text @param {number} x @param {number} y
 * @param {CanvasTextAlign} align @param {string} font @param {string} ink
 */
export function writeOn(pen, text, x, y, align, font, ink) {
  pen.font = font;
  pen.textAlign = align;
  pen.textBaseline = "middle";
  pen.fillStyle = ink;
  pen.fillText(text, x, y);
}

/**
 * Colour tables as the canvas stores pixels.
 * @param {DataView} data 256 × red, green, blue for each
 * @returns {Uint32Array[]}
 */
export function readTables(data) {
  const rgb = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return Array.from({ length: rgb.length / 768 }, (_, table) => {
    const rgba = new Uint8Array(1024).fill(255);
    for (let i = 0; i < 256; i++) rgba.set(rgb.subarray(table * 768 + 3 * i, table * 768 + 3 * i + 3), 4 * i);
    return new Uint32Array(rgba.buffer);
  });
}
