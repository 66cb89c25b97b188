/**
 * `<inf-lane>`: the marks of one task along time.
 *
 * The arrow keys go from mark to mark as on a slider, whose value is read out; Enter or a click opens the job. With
 * `draggable` data, dragging chooses a span.
 */

import { clock } from "../lib/clock.js";
import { drawLane, HEIGHT } from "./lane_drawing.js";
import { describe, endOf, rank } from "./lane_marks.js";

/** @typedef {import("./lane_marks.js").LaneData} LaneData */
/** @typedef {import("./lane_marks.js").Mark} Mark */

const REACH_PX = 4;
const LEAST_DRAG_PX = 6;

class LaneElement extends HTMLElement {
  /** @type {LaneData | undefined} */
  #data;
  /** @type {Mark | undefined} */
  #chosen;
  #canvas = document.createElement("canvas");
  #band = document.createElement("div");
  #shown = false;
  #dragFrom = Number.NaN;
  #seen = new IntersectionObserver(([entry]) => {
    this.#shown = entry?.isIntersecting ?? false;
    this.#draw();
  });
  #sized = new ResizeObserver(() => this.#draw());
  /** @type {(() => void) | undefined} */
  #stop;

  connectedCallback() {
    this.#band.className = "band";
    this.#band.hidden = true;
    if (!this.#canvas.parentNode) this.append(this.#canvas, this.#band);
    this.setAttribute("role", "slider");
    this.tabIndex = 0;
    this.#seen.observe(this);
    this.#sized.observe(this);
    this.#stop = clock.onSecond(() => this.#tick());
    this.onpointermove = (/** @type {PointerEvent} */ event) => this.#move(event);
    this.onpointerleave = () => this.#hover(undefined, 0);
    this.onpointerdown = (/** @type {PointerEvent} */ event) => this.#press(event);
    this.onpointerup = (/** @type {PointerEvent} */ event) => this.#release(event);
    this.onpointercancel = () => this.#endDrag();
    this.onkeydown = (/** @type {KeyboardEvent} */ event) => this.#key(event);
    this.onblur = () => this.#choose(undefined);
  }

  disconnectedCallback() {
    this.#seen.disconnect();
    this.#sized.disconnect();
    this.#stop?.();
  }

  /** @param {LaneData} data */
  set data(data) {
    const before = this.#chosen;
    this.#data = data;
    if (before)
      this.#chosen = data.marks.find((mark) => mark.start === before.start && mark.state === before.state);
    this.#announce();
    this.#draw();
  }

  #tick() {
    const runs = this.#data?.marks.some((mark) => Number.isNaN(mark.end));
    if (runs || Math.floor(clock.now() / 1000) % 5 === 0) this.#draw();
  }

  /** The worst mark near a place. @param {number} x */
  #markAt(x) {
    const data = this.#data;
    if (!data) return undefined;
    const scale = this.clientWidth / (data.to - data.from);
    const near = data.marks.filter(
      (mark) =>
        x >= (mark.start - data.from) * scale - REACH_PX && x <= (endOf(mark) - data.from) * scale + REACH_PX,
    );
    return near.sort((a, b) => rank(a.state) - rank(b.state))[0];
  }

  /** @param {number} x @returns {number} ms since 1970 */
  #timeAt(x) {
    const data = /** @type {LaneData} */ (this.#data);
    const share = Math.min(1, Math.max(0, x / this.clientWidth));
    return data.from + share * (data.to - data.from);
  }

  /** @param {PointerEvent} event */
  #move(event) {
    const x = event.offsetX;
    if (!Number.isNaN(this.#dragFrom)) this.#drawBand(this.#dragFrom, x);
    const mark = this.#markAt(x);
    this.classList.toggle("opens", Boolean(mark && isPast(mark)));
    this.#hover(mark, x);
  }

  /** @param {PointerEvent} event */
  #press(event) {
    if (event.button !== 0 || !this.hasAttribute("drags")) return;
    this.#dragFrom = event.offsetX;
    this.setPointerCapture(event.pointerId);
  }

  /** @param {PointerEvent} event */
  #release(event) {
    const from = this.#dragFrom;
    this.#endDrag();
    if (Math.abs(event.offsetX - from) >= LEAST_DRAG_PX) {
      const ends = [this.#timeAt(from), this.#timeAt(event.offsetX)].sort((a, b) => a - b);
      this.#send("span", { from: ends[0], to: ends[1] });
    } else if (event.button === 0) this.#open(this.#markAt(event.offsetX));
  }

  #endDrag() {
    this.#dragFrom = Number.NaN;
    this.#band.hidden = true;
  }

  /** @param {number} from @param {number} to */
  #drawBand(from, to) {
    this.#band.hidden = false;
    this.#band.style.left = `${Math.min(from, to)}px`;
    this.#band.style.width = `${Math.abs(to - from)}px`;
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const steps = /** @type {Record<string, number>} */ ({ ArrowLeft: -1, ArrowRight: 1 });
    const step = steps[event.key];
    if (step) this.#step(step);
    else if (event.key === "Enter") this.#open(this.#chosen);
    else if (event.key === "Home" || event.key === "End") {
      this.#choose(this.#data?.marks.at(event.key === "Home" ? 0 : -1));
    } else if (event.key === "ArrowUp" || event.key === "ArrowDown")
      this.#neighbour(event.key === "ArrowUp")?.focus();
    else return;
    event.preventDefault();
  }

  /** @param {number} step */
  #step(step) {
    const marks = this.#data?.marks ?? [];
    const last = marks.findLastIndex((mark) => mark.start <= clock.now());
    const now = this.#chosen ? marks.indexOf(this.#chosen) + step : last;
    this.#choose(marks[Math.min(marks.length - 1, Math.max(0, now))]);
  }

  /** The lane above or below. @param {boolean} above @returns {HTMLElement | undefined} */
  #neighbour(above) {
    const all = [.../** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("inf-lane"))];
    return all[all.indexOf(this) + (above ? -1 : 1)];
  }

  /** @param {Mark | undefined} mark */
  #choose(mark) {
    this.#chosen = mark;
    this.#announce();
    this.#draw();
    const data = this.#data;
    if (data)
      this.#hover(mark, mark ? ((mark.start - data.from) / (data.to - data.from)) * this.clientWidth : 0);
  }

  #announce() {
    const marks = this.#data?.marks ?? [];
    const now = this.#chosen ? marks.indexOf(this.#chosen) : 0;
    this.setAttribute("aria-valuemin", "0");
    this.setAttribute("aria-valuemax", String(Math.max(0, marks.length - 1)));
    this.setAttribute("aria-valuenow", String(now));
    this.setAttribute("aria-valuetext", this.#chosen ? describe(this.#chosen) : `${marks.length} marks`);
  }

  /** @param {Mark | undefined} mark @param {number} x */
  #hover(mark, x) {
    this.#send(
      "hovermark",
      mark && { mark, name: this.#data?.name, x: this.getBoundingClientRect().left + x },
    );
  }

  /** @param {Mark | undefined} mark */
  #open(mark) {
    if (mark && isPast(mark)) this.#send("openmark", mark);
  }

  /** @param {string} name @param {unknown} detail */
  #send(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail, bubbles: true }));
  }

  #draw() {
    const data = this.#data;
    const context = this.#canvas.getContext("2d");
    if (!this.#shown || !data || !context) return;
    const ratio = devicePixelRatio || 1;
    const width = this.clientWidth;
    this.#canvas.width = width * ratio;
    this.#canvas.height = HEIGHT * ratio;
    context.scale(ratio, ratio);
    drawLane(context, data, width, coloursOf(this), this.#chosen);
  }
}

customElements.define("inf-lane", LaneElement);

/** Whether there are jobs behind a mark. @param {Mark} mark */
function isPast({ state }) {
  return state !== "future" && state !== "absent";
}

/** @param {Element} element @returns {(name: string) => string} */
function coloursOf(element) {
  const style = getComputedStyle(element);
  return (name) => style.getPropertyValue(`--${name}`).trim() || "#888";
}
