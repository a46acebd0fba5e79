// What `stemlab/library/grid.py` says of songs that breathe: their time bent straight, and back.

/** @typedef {[seconds: number, even: number][]} Knots both rising; none where the tempo is the same throughout */

/** When a click would play what the song plays at a second. @param {Knots} knots @param {number} seconds */
export const even = (knots, seconds) => bent(knots, seconds, 0);

/** The second of the song at which it plays what a click would play then. @param {Knots} knots @param {number} time */
export const uneven = (knots, time) => bent(knots, time, 1);

/** Interpolates, and extrapolates by the outermost slopes. @param {Knots} knots @param {number} time @param {0 | 1} from */
function bent(knots, time, from) {
  if (knots.length < 2) return time;
  let [low, high] = [0, knots.length - 1];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (knots[middle][from] <= time) low = middle;
    else high = middle;
  }
  const [a, b] = [knots[low], knots[high]];
  const to = 1 - from;
  return a[to] + ((time - a[from]) * (b[to] - a[to])) / (b[from] - a[from]);
}
