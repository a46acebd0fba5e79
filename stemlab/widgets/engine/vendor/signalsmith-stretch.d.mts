/** One instance: a memory and the functions of the C++ library. */
export interface Wasm {
  HEAP8: Int8Array;
  _main(): void;
  _configure(channels: number, block: number, interval: number, splitComputation: boolean): void;
  _reset(): void;
  _inputLatency(): number;
  _outputLatency(): number;
  _setBuffers(channels: number, size: number): number;
  _seek(inputs: number, rate: number): void;
  _process(inputs: number, outputs: number): void;
}
export function SignalsmithStretch(): Promise<Wasm>;
