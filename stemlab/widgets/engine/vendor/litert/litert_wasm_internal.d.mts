/** What stemlab uses of the C++ library; each object lives until it is deleted. */
export interface Deletable {
  delete(): void;
}
export interface List<T> extends Deletable {
  size(): number;
  get(index: number): T;
}
export interface Tensor extends Deletable {
  /** Its address in the memory, which may move with each call. */
  lock(mode: unknown): number;
  unlock(): void;
}
export interface TensorType extends Deletable {
  layout(): Deletable & { dimensions(): List<number> };
}
export interface Signature extends Deletable {
  inputNames(): List<string>;
  outputNames(): List<string>;
}
export interface Model extends Deletable {
  getSignature(index: number): Signature;
  getInputTensorType(signature: number, index: number): TensorType;
}
export interface Compiled extends Deletable {
  run(signature: number, inputs: Tensor[]): Tensor[];
}
export interface Wasm {
  HEAPU8: Uint8Array<ArrayBuffer>;
  _malloc(size: number): number;
  setupLogging(): void;
  loadModel(environment: unknown, address: number, size: number): Model;
  compileModel(environment: unknown, model: Model, options: object): Compiled;
  LiteRtEnvironment: { create(options: null): unknown };
  LiteRtTensorBuffer: { createManaged(environment: unknown, kind: unknown, type: TensorType, size: number): Tensor };
  LiteRtTensorBufferType: { HOST_MEMORY: unknown };
  LiteRtTensorBufferLockMode: { READ: unknown; WRITE: unknown };
}
export function ModuleFactory(options: {
  instantiateWasm(imports: WebAssembly.Imports, done: (instance: WebAssembly.Instance, module: WebAssembly.Module) => void): object;
}): Promise<Wasm>;
