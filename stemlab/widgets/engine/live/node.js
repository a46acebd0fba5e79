// The page's side of live separation: gets the audio thread ready.

// The smallest modules with an instruction of SIMD and of relaxed SIMD.
const SIMD = [0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11];
const RELAXED = [
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 15, 1, 13, 0, 65, 1, 253, 15, 65, 2, 253, 15, 253,
  128, 2, 11,
];
/** @param {number[]} module */
const runs = (module) => WebAssembly.validate(new Uint8Array(module));

/** Which of the runtimes this browser can run. */
export function runtime() {
  if (runs(RELAXED)) return "litert_wasm_internal";
  if (runs(SIMD)) return "litert_wasm_compat_internal";
  throw new Error("This browser is too old to separate live sound: take Firefox 89, Chrome 91, Safari 16.4 or later");
}

/** @param {Uint8Array<ArrayBuffer>} zipped */
export async function compile(zipped) {
  const plain = new Blob([zipped]).stream().pipeThrough(new DecompressionStream("gzip"));
  return WebAssembly.compile(await new Response(plain).arrayBuffer());
}

/**
 * A node that separates; warmed up, and not yet connected. It wants a context of the card's sample rate.
 * @param {BaseAudioContext} context whose thread has the processor
 * @param {{module: WebAssembly.Module, model: Uint8Array, card: import("./separator.js").Card}} files
 * @param {number} outputs stereo: the mix, and then as many stems before their gains as are wanted
 */
export async function separating(context, files, outputs = 1) {
  const node = new AudioWorkletNode(context, "stemlab-separator", {
    numberOfOutputs: outputs,
    outputChannelCount: Array(outputs).fill(2),
    channelCount: 2,
    channelCountMode: "explicit",
    processorOptions: files,
  });
  const answer = await new Promise((done) => (node.port.onmessage = ({ data }) => done(data)));
  if (answer.error) throw new Error(answer.error);
  return node;
}
