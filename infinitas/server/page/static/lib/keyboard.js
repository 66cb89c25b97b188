/** Keys of the page: single keys, and sequences that begin with `g`. Typing into fields is left alone. */

/** @typedef {{ keys: string, what: string, run: () => void }} Shortcut */

const SEQUENCE_MS = 1_200;

export class Keyboard {
  /** @type {Shortcut[][]} the last layer is asked first */
  #layers = [];
  #prefix = "";
  #timer = 0;

  constructor() {
    document.addEventListener("keydown", (event) => this.#press(event));
  }

  /** Add shortcuts, until the returned function is called. @param {Shortcut[]} shortcuts */
  add(shortcuts) {
    this.#layers.push(shortcuts);
    return () => {
      this.#layers = this.#layers.filter((layer) => layer !== shortcuts);
    };
  }

  /** All shortcuts that work now. @returns {Shortcut[]} */
  all() {
    return this.#layers.flat();
  }

  /** @param {KeyboardEvent} event */
  #press(event) {
    const typing =
      event.target instanceof HTMLElement && event.target.closest("input, textarea, select, dialog");
    const key = (event.ctrlKey || event.metaKey ? "ctrl+" : "") + event.key;
    if ((typing && !key.startsWith("ctrl+k")) || event.altKey || event.isComposing) return;
    const keys = this.#prefix ? `${this.#prefix} ${key}` : key;
    clearTimeout(this.#timer);
    this.#prefix = "";
    for (const layer of [...this.#layers].reverse()) {
      const found = layer.find((each) => each.keys === keys);
      if (found) {
        event.preventDefault();
        found.run();
        return;
      }
    }
    if (keys === "g") {
      this.#prefix = "g";
      this.#timer = setTimeout(() => {
        this.#prefix = "";
      }, SEQUENCE_MS);
    }
  }
}
