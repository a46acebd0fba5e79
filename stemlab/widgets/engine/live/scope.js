// What LiteRT's glue expects of a scope and an audio thread's lacks.

const scope = /** @type {any} */ (globalThis);
scope.self ??= scope;
scope.performance ??= { now: () => Date.now() };
scope.crypto ??= {
  /** @param {Uint8Array} bytes */
  getRandomValues: (bytes) => bytes.set(bytes.map(() => 256 * Math.random())),
};
/** Names of tensors and messages; all are ASCII. */
scope.TextDecoder ??= class {
  /** @param {Uint8Array} [bytes] */
  decode(bytes) {
    return String.fromCharCode(...(bytes ?? []));
  }
};
