/**
 * The lanes: one row a task, from the past over now into the future.
 *
 * Past jobs are bars, their shape and colour the outcome; slots that did not run are hollow; coming slots are
 * ticks. Where marks would touch, they become a strip whose height is the count and whose colour is the worst.
 */

import { clock } from "../lib/clock.js";
import { h } from "../lib/dom.js";
import { clockTime, plural } from "../lib/format.js";

/** @typedef {import("../lib/types.js").Lane} Lane */
/** @typedef {import("../lib/types.js").Past} Past */
/** @typedef {import("../lib/types.js").Timeline} Timeline */
/** @typedef {{ from: number, to: number, bucketMs: number, lane: Lane, stripes: boolean }} LaneData */
/** @typedef {{ start: number, state: string, count: number, why: string, job: string | null }} Mark */

const HEIGHT = 26;
const LEAST_PX = 3;
/** The worst first. */
const WORST = [
  "failed",
  "missed",
  "absent",
  "cancelled",
  "skipped",
  "retrying",
  "running",
  "queued",
  "succeeded",
];
const SHAPES = new Set(["failed", "missed", "absent", "skipped", "cancelled"]);

class LaneElement extends HTMLElement {
  /** @type {LaneData | undefined} */
  #data;
  /** @type {Mark[]} */
  #marks = [];
  #canvas = document.createElement("canvas");
  #shown = false;
  /** @type {IntersectionObserver | undefined} */
  #seen;
  /** @type {ResizeObserver | undefined} */
  #sized;
  /** @type {(() => void) | undefined} */
  #stop;

  connectedCallback() {
    if (!this.#canvas.parentNode) this.append(this.#canvas);
    this.#seen = new IntersectionObserver(([entry]) => {
      this.#shown = entry?.isIntersecting ?? false;
      this.#draw();
    });
    this.#seen.observe(this);
    this.#sized = new ResizeObserver(() => this.#draw());
    this.#sized.observe(this);
    this.#stop = clock.onSecond(() => Math.floor(clock.now() / 1000) % 5 === 0 && this.#draw());
    this.onpointermove = (event) => this.#explain(event.offsetX);
    this.onpointerleave = () => (this.title = "");
    this.onclick = (event) => this.#open(event.offsetX);
  }

  disconnectedCallback() {
    this.#seen?.disconnect();
    this.#sized?.disconnect();
    this.#stop?.();
  }

  /** @param {LaneData} data */
  set data(data) {
    this.#data = data;
    this.#marks = marksOf(data);
    this.#draw();
  }

  /** @param {number} x */
  #markAt(x) {
    const data = this.#data;
    if (!data) return undefined;
    const scale = this.clientWidth / (data.to - data.from);
    const width = Math.max(data.bucketMs * scale, LEAST_PX);
    return this.#marks.findLast((mark) => {
      const left = (mark.start - data.from) * scale;
      return x >= left - 2 && x <= left + width + 2;
    });
  }

  /** @param {number} x */
  #explain(x) {
    const mark = this.#markAt(x);
    this.title = mark ? describe(mark) : "";
    this.classList.toggle("opens", Boolean(mark?.job));
  }

  /** @param {number} x */
  #open(x) {
    const job = this.#markAt(x)?.job;
    if (job) this.dispatchEvent(new CustomEvent("openjob", { detail: job, bubbles: true }));
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
    drawLane(context, data, this.#marks, width, coloursOf(this));
  }
}

customElements.define("inf-lane", LaneElement);

/** @param {Element} element @returns {(name: string) => string} */
function coloursOf(element) {
  const style = getComputedStyle(element);
  return (name) => style.getPropertyValue(`--${name}`).trim() || "#888";
}

/** @param {LaneData} data @returns {Mark[]} in order of drawing: the worst last */
function marksOf({ lane }) {
  const past = lane.past.map((each) => ({
    start: Date.parse(each.start),
    state: each.state,
    count: each.count,
    why: each.reason ?? "",
    job: /** @type {string | null} */ (each.job),
  }));
  const absent = lane.absent.map((each) => slotMark(each, "absent", "due, and not fired"));
  const future = lane.future.map((each) => slotMark(each, "future", each.schedule));
  return [...past, ...absent, ...future].sort((a, b) => rank(b.state) - rank(a.state));
}

/** @param {import("../lib/types.js").SlotCount} slot @param {string} state @param {string} why @returns {Mark} */
function slotMark(slot, state, why) {
  return { start: Date.parse(slot.start), state, count: slot.count, why, job: null };
}

/** @param {string} state */
function rank(state) {
  const found = WORST.indexOf(state);
  return found < 0 ? WORST.length : found;
}

/** @param {Mark} mark */
function describe(mark) {
  const what =
    mark.state === "future"
      ? plural(mark.count, "slot")
      : `${plural(mark.count, "job")} ${mark.state.replace("_", " ")}`;
  const shown = mark.state === "absent" ? `${plural(mark.count, "slot")} without a job` : what;
  return `${clockTime(mark.start)} · ${shown}${mark.why ? ` · ${mark.why.replaceAll("_", " ")}` : ""}`;
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {LaneData} data
 * @param {Mark[]} marks
 * @param {number} width
 * @param {(name: string) => string} colour
 */
function drawLane(context, data, marks, width, colour) {
  const scale = width / (data.to - data.from);
  const wide = Math.max(data.bucketMs * scale - 0.5, LEAST_PX);
  const now = (clock.now() - data.from) * scale;
  context.clearRect(0, 0, width, HEIGHT);
  if (data.stripes) drawStripes(context, now, width, colour("faint"));
  const most = Math.max(1, ...marks.map((mark) => mark.count));
  for (const mark of marks) {
    const x = (mark.start - data.from) * scale;
    if (x + wide < 0 || x > width) continue;
    drawMark(context, mark, x, wide, most, colour);
  }
  context.fillStyle = colour("now");
  context.fillRect(now, 0, 1.5, HEIGHT);
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Mark} mark
 * @param {number} x
 * @param {number} wide
 * @param {number} most
 * @param {(name: string) => string} colour
 */
function drawMark(context, mark, x, wide, most, colour) {
  const tall = most === 1 ? HEIGHT - 8 : 5 + (HEIGHT - 11) * Math.sqrt(mark.count / most);
  const top = HEIGHT - 4 - tall;
  if (mark.state === "future") {
    context.strokeStyle = colour("faint");
    context.strokeRect(x + 0.5, top + 0.5, Math.max(wide - 1, 2), tall - 1);
    return;
  }
  const own = colour(mark.state === "absent" ? "missed" : mark.state);
  const hollow = mark.state === "absent" || mark.state === "missed" || mark.state === "skipped";
  context.strokeStyle = own;
  context.fillStyle = own;
  if (hollow) {
    context.setLineDash([2, 2]);
    context.strokeRect(x + 0.5, top + 0.5, Math.max(wide - 1, 3), tall - 1);
    context.setLineDash([]);
  } else context.fillRect(x, top, wide, tall);
  if (SHAPES.has(mark.state) && mark.state !== "absent") drawFlag(context, mark.state, x + wide / 2, 4);
}

/** A small mark above: outcomes differ by shape too. @param {CanvasRenderingContext2D} context
 * @param {string} state @param {number} x @param {number} y */
function drawFlag(context, state, x, y) {
  context.lineWidth = 1.5;
  context.beginPath();
  if (state === "failed") {
    context.moveTo(x - 2.5, y - 2.5);
    context.lineTo(x + 2.5, y + 2.5);
    context.moveTo(x + 2.5, y - 2.5);
    context.lineTo(x - 2.5, y + 2.5);
  } else context.arc(x, y, 2.2, 0, 7);
  context.stroke();
  context.lineWidth = 1;
}

/** A paused lane. @param {CanvasRenderingContext2D} context @param {number} from @param {number} to @param {string} colour */
function drawStripes(context, from, to, colour) {
  context.save();
  context.globalAlpha = 0.35;
  context.strokeStyle = colour;
  context.beginPath();
  for (let x = from; x < to + HEIGHT; x += 9) {
    context.moveTo(x, 0);
    context.lineTo(x - HEIGHT, HEIGHT);
  }
  context.stroke();
  context.restore();
}

/** @param {LaneData} data @param {string} name */
export function laneView(data, name) {
  return h("inf-lane", { ".data": data, role: "img", "aria-label": `${name}: ${summarize(data.lane)}` });
}

/** @param {Lane} lane */
export function summarize(lane) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const { state, count } of lane.past) counts.set(state, (counts.get(state) ?? 0) + count);
  const absent = lane.absent.reduce((sum, { count }) => sum + count, 0);
  const future = lane.future.reduce((sum, { count }) => sum + count, 0);
  const parts = [...counts].map(([state, count]) => `${count} ${state}`);
  if (absent) parts.push(`${absent} due without a job`);
  parts.push(`${future} to come`);
  return parts.join(", ");
}

/** Times above the lanes. @param {number} from @param {number} to */
export function axis(from, to) {
  const span = to - from;
  const steps = [900_000, 3_600_000, 10_800_000, 21_600_000, 43_200_000, 86_400_000];
  const step = steps.find((each) => span / each <= 10) ?? 86_400_000;
  const now = clock.now();
  const labels = [];
  for (let at = now - Math.floor((now - from) / step) * step; at <= to; at += step) {
    const hours = Math.round((at - now) / 360_000) / 10;
    const text = hours === 0 ? "now" : `${hours > 0 ? "+" : "−"}${Math.abs(hours)} h`;
    const label = h("span", { class: hours === 0 ? "tick is-now" : "tick" }, text);
    label.props[".at"] = (at - from) / span;
    labels.push(label);
  }
  return h("div", { class: "axis", "aria-hidden": "true" }, labels.map(place));
}

/** CSS can't read a number of a data attribute everywhere yet, and markup may hold no style.
 * @param {import("../lib/dom.js").VNode} label */
function place(label) {
  const share = Number(label.props[".at"]);
  return h("inf-tick", { ".share": share, class: String(label.props.class) }, label.children);
}

class Tick extends HTMLElement {
  /** @param {number} share of the width */
  set share(share) {
    this.style.left = `${share * 100}%`;
  }
}

customElements.define("inf-tick", Tick);
