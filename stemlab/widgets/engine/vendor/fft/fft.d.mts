/** Complex transforms of a power of two; arrays hold real and imaginary parts in turn. */
export class FFT {
  constructor(size: number);
  transform(out: Float64Array, data: Float64Array): void;
  /** Scaled, so that it undoes `transform`. */
  inverseTransform(out: Float64Array, data: Float64Array): void;
}
