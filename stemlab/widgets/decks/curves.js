// How the crossfader shares the sound between the decks: as a whole, or stem by stem.

/** @typedef {[a: number, b: number]} Shares */

/** At equal power. @param {number} x 0 is A alone, 1 is B alone @returns {Shares} */
const power = (x) => [Math.cos((x * Math.PI) / 2), Math.sin((x * Math.PI) / 2)];

/** Gains of both decks for a crossfader at 0 to 1. @type {Record<string, (x: number) => Shares>} */
export const CURVES = {
  "constant power": power,
  linear: (x) => [1 - x, x],
  cut: (x) => [Math.min(1, 20 * (1 - x)), Math.min(1, 20 * x)],
  "by stem": () => [1, 1],
};

/** What one reads of each of them. @type {Record<string, string>} */
export const HINTS = {
  "constant power": "Constant power: equally loud all the way",
  linear: "Linear: for two songs that are alike",
  cut: "Cut: both at full level but at the ends",
  "by stem": "By stem: drums cross over in the first third, the bass is swapped at the middle, " +
    "vocals cross over in the last third, everything else in the second",
};

/**
 * Gains of a stem on both decks beside those of `CURVES`. By stem, drums go over in the crossfader's first third, so that
 * the new beat carries what follows; of two basses only one is heard, A's before the middle and B's from there on;
 * vocals go over in the last third, when all below them is new; any other stem in between.
 * @param {string} curve @param {number} x @param {string} stem @returns {Shares}
 */
export function shares(curve, x, stem) {
  if (curve !== "by stem") return [1, 1];
  if (stem === "bass") return x < 0.5 ? [1, 0] : [0, 1];
  const third = stem === "drums" ? 0 : stem === "vocals" ? 2 : 1;
  return power(Math.min(1, Math.max(0, 3 * x - third)));
}
