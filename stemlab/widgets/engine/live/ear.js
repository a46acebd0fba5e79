// An ear at two places of the chain: what both hear from now on, on one clock.

class Ear extends AudioWorkletProcessor {
  /** @param {{processorOptions: {length: number}}} options `length` in samples, whole quanta */
  constructor({ processorOptions: { length } }) {
    super();
    this.heard = [new Float32Array(length), new Float32Array(length)];
    this.at = 0;
  }

  /** @param {Float32Array[][]} inputs */
  process(inputs) {
    this.heard.forEach((heard, i) => inputs[i][0] && heard.set(inputs[i][0], this.at));
    this.at += 128;
    if (this.at < this.heard[0].length) return true;
    this.port.postMessage(this.heard);
    return false;
  }
}

registerProcessor("stemlab-ear", Ear);
