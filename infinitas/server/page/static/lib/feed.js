/** The feed: one WebSocket for events of the topics that the shown view needs (docs/http.md, Events). */

import { socketAddress } from "./api.js";

const SILENT_AFTER_MS = 25_000;
const RETRY_MS = [500, 1_000, 2_000, 5_000];

/** @typedef {{ kind: string, at: number, task?: string, job?: string, schedule?: string, worker?: string,
 *   state?: string, reason?: string, attempt?: string, due?: string }} FeedEvent */
/** Events of a topic, or null: some were missed, load again. @typedef {(events: FeedEvent[] | null) => void} Listener */

export class Feed {
  /** @type {"connecting" | "live" | "offline"} */
  state = "connecting";
  /** When the last frame came, in ms since 1970, by this machine's clock. */
  lastFrame = Date.now();
  /** @type {Map<string, Set<Listener>>} */
  #listeners = new Map();
  /** @type {Map<string, number>} */
  #numbers = new Map();
  /** @type {WebSocket | null} */
  #socket = null;
  #failures = 0;
  #changed;
  #closed = false;
  #subscribing = 0;

  /** @param {() => void} changed called when `state` changes */
  constructor(changed) {
    this.#changed = changed;
    setInterval(() => this.#checkSilence(), 5_000);
    this.#connect();
  }

  /**
   * @param {string[]} topics
   * @param {Listener} listener
   * @returns {() => void} ends the subscription
   */
  subscribe(topics, listener) {
    for (const topic of topics) {
      const found = this.#listeners.get(topic) ?? new Set();
      this.#listeners.set(topic, found.add(listener));
    }
    this.#subscribeSoon();
    return () => {
      for (const topic of topics) {
        const found = this.#listeners.get(topic);
        found?.delete(listener);
        if (found?.size === 0) this.#listeners.delete(topic);
      }
      this.#subscribeSoon();
    };
  }

  close() {
    this.#closed = true;
    this.#socket?.close();
  }

  #connect() {
    if (this.#closed) return;
    const socket = new WebSocket(socketAddress("feed"), ["infinitas.feed.v1"]);
    this.#socket = socket;
    socket.onopen = () => this.#sendTopics();
    socket.onmessage = (message) => {
      // Frames that wait together come as a list.
      for (const frame of [JSON.parse(message.data)].flat()) this.#receive(frame);
    };
    socket.onclose = () => this.#lost(socket);
  }

  #subscribeSoon() {
    clearTimeout(this.#subscribing);
    this.#subscribing = setTimeout(() => this.#sendTopics(), 0);
  }

  #sendTopics() {
    if (this.#socket?.readyState !== WebSocket.OPEN) return;
    this.#socket.send(JSON.stringify({ t: "subscribe", topics: [...this.#listeners.keys()].slice(0, 100) }));
  }

  /** @param {any} frame */
  #receive(frame) {
    this.lastFrame = Date.now();
    if (frame.t === "subscribed") this.#subscribed(frame.topics);
    else if (frame.t === "events") this.#events(frame.topic, frame.n, frame.items);
    else if (frame.t === "resync") this.#resync(frame.topic);
  }

  /** @param {Record<string, number>} numbers */
  #subscribed(numbers) {
    const before = new Map(this.#numbers);
    this.#numbers = new Map(Object.entries(numbers));
    const cameBack = this.state !== "live" && this.#failures > 0;
    this.#failures = 0;
    this.#become("live");
    for (const [topic, number] of this.#numbers) {
      if (cameBack || (before.has(topic) && before.get(topic) !== number)) this.#notify(topic, null);
      // What has changed since a view's first load began, and before this, came as no event.
      else if (!before.has(topic)) this.#notify(topic, []);
    }
  }

  /** @param {string} topic @param {number} number @param {FeedEvent[]} items */
  #events(topic, number, items) {
    const missed = number !== (this.#numbers.get(topic) ?? 0) + 1;
    this.#numbers.set(topic, number);
    this.#notify(topic, missed ? null : items);
  }

  /** @param {string | undefined} topic all of them without one */
  #resync(topic) {
    for (const each of topic ? [topic] : [...this.#listeners.keys()]) {
      this.#numbers.set(each, (this.#numbers.get(each) ?? 0) + (topic ? 1 : 0));
      this.#notify(each, null);
    }
  }

  /** @param {string} topic @param {FeedEvent[] | null} events */
  #notify(topic, events) {
    for (const listener of [...(this.#listeners.get(topic) ?? [])]) listener(events);
  }

  /** A connection whose network has vanished stays open for minutes; its beats stop at once. */
  #checkSilence() {
    if (this.state === "live" && Date.now() - this.lastFrame > SILENT_AFTER_MS) this.#socket?.close();
  }

  /** @param {WebSocket} socket */
  #lost(socket) {
    if (socket !== this.#socket || this.#closed) return;
    this.#become("offline");
    const delay = RETRY_MS[Math.min(this.#failures, RETRY_MS.length - 1)];
    this.#failures += 1;
    setTimeout(() => this.#connect(), delay);
  }

  /** @param {Feed["state"]} state */
  #become(state) {
    if (state === this.state) return;
    this.state = state;
    this.#changed();
  }
}
