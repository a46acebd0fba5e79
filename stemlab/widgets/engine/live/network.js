// A streaming network in the audio thread, by LiteRT's own functions; see `stemlab.live.model`.

import { ModuleFactory } from "../vendor/litert/litert_wasm_internal.mjs";

/** @typedef {import("../vendor/litert/litert_wasm_internal.mjs").Tensor} Tensor */
/** @template T @typedef {import("../vendor/litert/litert_wasm_internal.mjs").List<T>} List */

/** @template T @param {List<T>} list @returns {T[]} */
function taken(list) {
  const items = Array.from({ length: list.size() }, (_, i) => list.get(i));
  list.delete();
  return items;
}

/** The library, ready to load networks. @param {WebAssembly.Module} module */
export async function start(module) {
  const wasm = await ModuleFactory({
    instantiateWasm(imports, done) {
      WebAssembly.instantiate(module, imports).then((instance) => done(instance, module));
      return {};
    },
  });
  wasm.setupLogging();
  return { wasm, environment: wasm.LiteRtEnvironment.create(null) };
}

/** A frame in, masks out, and a memory of what was before: the state goes in again as it came out. */
export class StreamModel {
  /** @param {Awaited<ReturnType<typeof start>>} runtime @param {Uint8Array} file */
  constructor({ wasm, environment }, file) {
    this.wasm = wasm;
    this.environment = environment;
    const address = wasm._malloc(file.length); // the network's for ever
    wasm.HEAPU8.set(file, address);
    this.model = wasm.loadModel(environment, address, file.length);
    this.compiled = wasm.compileModel(environment, this.model, {
      environment: { liteRtEnvironment: environment, options: {} },
      accelerator: "wasm",
      cpuOptions: { numThreads: 1 },
      gpuOptions: {},
      webNNOptions: {},
    });
    const { inputs, outputs } = this.#names();
    /** @param {string[]} names @param {string} part */
    const place = (names, part) => names.findIndex((name) => name.includes(part));
    this.magnitude = place(inputs, "magnitude");
    this.state = place(inputs, "state");
    this.masks = place(outputs, "masks");
    this.after = place(outputs, "state");
    this.memory = new Float32Array(wasm.HEAPU8.buffer);
    this.lengths = inputs.map(() => 0);
    this.inputs = inputs.map((_, i) => this.#tensor(i));
    this.forget();
  }

  #names() {
    const signature = this.model.getSignature(0);
    const names = { inputs: taken(signature.inputNames()), outputs: taken(signature.outputNames()) };
    signature.delete();
    return names;
  }

  /** @param {number} index */
  #tensor(index) {
    const { LiteRtTensorBuffer, LiteRtTensorBufferType } = this.wasm;
    const type = this.model.getInputTensorType(0, index);
    const layout = type.layout();
    const size = taken(layout.dimensions()).reduce((a, b) => a * b, Float32Array.BYTES_PER_ELEMENT);
    const tensor = LiteRtTensorBuffer.createManaged(this.environment, LiteRtTensorBufferType.HOST_MEMORY, type, size);
    layout.delete();
    type.delete();
    this.lengths[index] = size / Float32Array.BYTES_PER_ELEMENT;
    return tensor;
  }

  /** Takes what was before as silence. */
  forget() {
    const at = this.#open(this.inputs[this.state], "WRITE");
    this.memory.fill(0, at, at + this.lengths[this.state]);
    this.inputs[this.state].unlock();
  }

  /** @param {Float32Array} magnitude [bins, 2] @param {Float32Array} masks takes [bins, 2, stems] */
  step(magnitude, masks) {
    const into = this.#open(this.inputs[this.magnitude], "WRITE");
    this.memory.set(magnitude, into);
    this.inputs[this.magnitude].unlock();
    const outputs = this.compiled.run(0, this.inputs);
    const from = this.#open(outputs[this.masks], "READ");
    for (let i = 0; i < masks.length; i++) masks[i] = this.memory[from + i]; // a view of it would be garbage
    outputs[this.masks].unlock();
    outputs[this.masks].delete();
    this.inputs[this.state].delete();
    this.inputs[this.state] = outputs[this.after];
  }

  /**
   * Where in `memory` a tensor's values are, to be read or written until it is unlocked.
   * @param {Tensor} tensor @param {"READ" | "WRITE"} mode
   */
  #open(tensor, mode) {
    const address = tensor.lock(this.wasm.LiteRtTensorBufferLockMode[mode]);
    const { buffer } = this.wasm.HEAPU8; // another one when it has grown
    if (this.memory.buffer !== buffer) this.memory = new Float32Array(buffer);
    return address / Float32Array.BYTES_PER_ELEMENT;
  }
}
