// Keys: their names, their hours on the Camelot wheel, and which go together.

export const TONICS = ["C", "D♭", "D", "E♭", "E", "F", "F♯", "G", "A♭", "A", "B♭", "B"];
export const KEYS = ["major", "minor"].flatMap((mode) => TONICS.map((tonic) => `${tonic} ${mode}`));
const FARTHEST = 3; // semitones by which a song may be moved to fit

/** @param {string} key @param {number} semitones */
export function shifted(key, semitones) {
  const [tonic, mode] = key.split(" ");
  return `${TONICS[(TONICS.indexOf(tonic) + semitones + 12) % 12]} ${mode}`;
}

/** The key's hour on the Camelot wheel. @param {string} key */
export function camelot(key) {
  const [tonic, mode] = key.split(" ");
  const fifths = 7 * (TONICS.indexOf(tonic) - (mode === "minor" ? 9 : 0));
  return `${((((7 + fifths) % 12) + 12) % 12) + 1}${mode === "minor" ? "A" : "B"}`;
}

/** Whether two keys go together: the same hour, or one beside it on the same ring. @param {string} key @param {string} other */
export function fits(key, other) {
  if (!key || !other) return false;
  const [a, b] = [camelot(key), camelot(other)];
  const apart = (Number.parseInt(a) - Number.parseInt(b) + 12) % 12;
  return apart === 0 || (a.at(-1) === b.at(-1) && (apart === 1 || apart === 11));
}

/** The least shift, in semitones, that makes a key go together with another. @param {string} key @param {string} other */
export function nearest(key, other) {
  const ways = Array.from({ length: 2 * FARTHEST + 1 }, (_, i) => i - FARTHEST).sort((a, b) => Math.abs(a) - Math.abs(b));
  return ways.find((semitones) => fits(shifted(key, semitones), other)) ?? 0;
}
