// A MIDI controller: any of its faders, knobs and pads moves any control of the decks that it was taught.

const KEPT = "stemlab-midi"; // in the browser's storage: which message belongs to which control
const NOTE_ON = 0x90;
const CONTROL = 0xb0;
const FULL_SCALE = 127;

/** The controls of the decks, by MIDI; all that show them show the same. */
export class Midi {
  /** @type {Record<string, string>} */
  #bound = JSON.parse(localStorage.getItem(KEPT) ?? "{}");
  /** @type {MIDIAccess | null} */
  #access = null;
  #chosen = "";
  /** Where the decks are shown, and what tells there. @type {Map<HTMLElement, (words: string) => void>} */
  #faces = new Map();
  #learning = false;

  constructor() {
    if (Object.keys(this.#bound).length) this.#open();
  }

  /** Works the controls below an element, too. @param {HTMLElement} root @param {(words: string) => void} tell @returns {() => void} ends it */
  join(root, tell) {
    this.#faces.set(root, tell);
    for (const kind of ["pointerdown", "mousedown", "click"]) root.addEventListener(kind, (event) => this.#choose(event), { capture: true });
    return () => this.#faces.delete(root);
  }

  /** @param {string} words */
  #tell(words) {
    for (const tell of this.#faces.values()) tell(words);
  }

  /** @param {boolean} on */
  #setLearning(on) {
    this.#learning = on;
    this.#chosen = "";
    for (const root of this.#faces.keys()) root.classList.toggle("learning", on);
  }

  async #open() {
    if (this.#access) return;
    this.#access = await navigator.requestMIDIAccess();
    this.#access.onstatechange = () => this.#listen();
    this.#listen();
  }

  #listen() {
    for (const input of this.#access?.inputs.values() ?? []) input.onmidimessage = (event) => this.#hear(event.data);
  }

  /** Begins to learn, or ends. */
  async learn() {
    this.#setLearning(!this.#learning);
    this.#tell(this.#learning ? "MIDI: click a control, then move the fader or press the pad that is to work it." : "");
    await this.#open().catch(() => {
      this.#setLearning(false);
      this.#tell("This browser gives no access to MIDI; allow it in its settings or take Chromium.");
    });
  }

  /** @param {Event} event */
  #choose(event) {
    const node = /** @type {HTMLElement} */ (event.target).closest("[data-control]");
    if (!this.#learning || !(node instanceof HTMLElement) || node.dataset.control === "Learn MIDI") return;
    event.preventDefault();
    event.stopPropagation();
    this.#chosen = node.dataset.control ?? "";
    this.#tell(`MIDI: now move the fader or press the pad for “${this.#chosen}”.`);
  }

  /** @param {Uint8Array | null} data */
  #hear(data) {
    if (!data || ![NOTE_ON, CONTROL].includes(data[0] & 0xf0)) return;
    const name = `${data[0]} ${data[1]}`;
    if (this.#learning && this.#chosen) {
      this.#bound[name] = this.#chosen;
      localStorage.setItem(KEPT, JSON.stringify(this.#bound));
      this.#tell(`MIDI: learnt “${this.#chosen}”. Click the next control, or press MIDI to end.`);
      this.#chosen = "";
    } else if (!this.#learning) this.#work(this.#bound[name], data);
  }

  /** @param {string | undefined} control @param {Uint8Array} data */
  #work(control, data) {
    const [root] = this.#faces.keys();
    const node = [...(root?.querySelectorAll("[data-control]") ?? [])].find(
      (one) => one instanceof HTMLElement && one.dataset.control === control);
    const share = data[2] / FULL_SCALE;
    if (node instanceof HTMLInputElement) {
      const [low, high] = [Number(node.min), Number(node.max)];
      node.value = String(low + share * (high - low));
      node.dispatchEvent(new Event("input"));
    } else if (node instanceof HTMLButtonElement && (share >= 0.5 || ((data[0] & 0xf0) === NOTE_ON && share > 0))) node.click();
  }

  close() {
    for (const input of this.#access?.inputs.values() ?? []) input.onmidimessage = null;
    if (this.#access) this.#access.onstatechange = null;
  }
}
