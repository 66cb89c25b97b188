/**
 * A lane on a canvas.
 *
 * Past jobs are bars, their shape and colour the outcome; slots without a job are hollow; slots to come are ticks.
 * Where marks would touch, they become a heat strip: the height is the count, the worst outcomes are on top.
 */

import { clock } from "../lib/clock.js";
import { endOf, rank } from "./lane_marks.js";

/** @typedef {import("./lane_marks.js").LaneData} LaneData */
/** @typedef {import("./lane_marks.js").Mark} Mark */
/** @typedef {CanvasRenderingContext2D} Canvas */
/** @typedef {(name: string) => string} Colours */
/** @typedef {{ canvas: Canvas, scale: number, from: number, width: number, colour: Colours }} Pen */

export const HEIGHT = 30;
const FOOT = HEIGHT - 4;
const TALL = 18;
const LEAST_PX = 3;
/** Marks closer than this become a heat strip, whose columns are this wide. */
const DENSE_PX = 5;
const HOLLOW = new Set(["absent", "missed", "skipped"]);

/** @param {Canvas} canvas @param {LaneData} data @param {number} width @param {Colours} colour
 * @param {Mark | undefined} chosen */
export function drawLane(canvas, data, width, colour, chosen) {
  const pen = { canvas, scale: width / (data.to - data.from), from: data.from, width, colour };
  canvas.clearRect(0, 0, width, HEIGHT);
  for (const pause of data.pauses) drawStripes(pen, pause.from, pause.to);
  for (const change of data.changes) drawRule(pen, change, "missed", [3, 3]);
  const future = data.marks.filter(({ state }) => state === "future");
  const past = data.marks.filter(({ state }) => state !== "future");
  drawFuture(pen, future);
  if (isDense(pen, past)) drawHeat(pen, past);
  else for (const mark of byRank(past)) drawBar(pen, mark);
  drawRule(pen, clock.now(), "now", []);
  if (chosen) drawFrame(pen, chosen);
}

/** @param {Mark[]} marks the worst last @returns {Mark[]} */
function byRank(marks) {
  return [...marks].sort((a, b) => rank(b.state) - rank(a.state));
}

/** @param {Pen} pen @param {number} at */
function xOf({ from, scale }, at) {
  return (at - from) * scale;
}

/** @param {Pen} pen @param {Mark[]} marks in order of time */
function isDense(pen, marks) {
  const first = marks[0];
  const last = marks[marks.length - 1];
  if (!first || !last) return false;
  const buckets = new Set(marks.map(({ start }) => start)).size;
  return buckets > 3 && (last.start - first.start) * pen.scale < buckets * DENSE_PX;
}

/** @param {Pen} pen @param {Mark[]} marks */
function drawHeat(pen, marks) {
  // Columns of one width: buckets of the API would beat with the schedule.
  const column = (/** @type {Mark} */ { start }) => Math.floor(xOf(pen, start) / DENSE_PX);
  const buckets = [...Map.groupBy(marks, column).entries()].sort(([a], [b]) => a - b);
  const total = (/** @type {Mark[]} */ bucket) => bucket.reduce((sum, { count }) => sum + count, 0);
  const most = Math.max(...buckets.map(([, bucket]) => total(bucket)));
  let flagged = -10;
  for (const [place, bucket] of buckets) {
    const sum = total(bucket);
    const tall = 4 + (TALL - 4) * Math.sqrt(sum / most);
    const x = place * DENSE_PX;
    drawColumn(pen, x, byRank(bucket), tall, sum);
    const worst = bucket.reduce((a, b) => (rank(a.state) < rank(b.state) ? a : b));
    if (x - flagged < 9 || !drawFlag(pen, worst.state, x + DENSE_PX / 2)) continue;
    flagged = x;
  }
}

/** @param {Pen} pen @param {number} x @param {Mark[]} marks of one column, the worst last @param {number} tall
 * @param {number} sum */
function drawColumn({ canvas, colour }, x, marks, tall, sum) {
  const counts = Map.groupBy(marks, ({ state }) => state);
  let foot = FOOT;
  for (const [state, found] of counts) {
    const share = found.reduce((all, { count }) => all + count, 0) / sum;
    const part = Math.max(counts.size > 1 ? 4 : 0, tall * share);
    canvas.fillStyle = colour(state);
    if (HOLLOW.has(state)) canvas.globalAlpha = 0.55;
    canvas.fillRect(x, foot - part, DENSE_PX - 1, part);
    canvas.globalAlpha = 1;
    foot -= part;
  }
}

/** @param {Pen} pen @param {Mark} mark */
function drawBar(pen, mark) {
  const { canvas, colour, scale } = pen;
  const x = xOf(pen, mark.start);
  const wide = Math.max((endOf(mark) - mark.start) * scale, LEAST_PX);
  if (mark.typical !== null) drawTail(pen, mark, x + wide);
  canvas.fillStyle = colour(mark.state);
  canvas.strokeStyle = canvas.fillStyle;
  if (HOLLOW.has(mark.state)) {
    canvas.setLineDash([2, 2]);
    canvas.strokeRect(x + 0.5, FOOT - TALL + 0.5, Math.max(wide - 1, 4), TALL - 1);
    canvas.setLineDash([]);
  } else {
    canvas.beginPath();
    canvas.roundRect(x, FOOT - TALL, wide, TALL, Math.min(2, wide / 2));
    canvas.fill();
  }
  drawFlag(pen, mark.state, x + wide / 2);
}

/** Until when such a job usually runs. @param {Pen} pen @param {Mark} mark @param {number} x */
function drawTail(pen, mark, x) {
  const end = xOf(pen, mark.typical ?? 0);
  if (end <= x) return;
  pen.canvas.globalAlpha = 0.3;
  pen.canvas.fillStyle = pen.colour(mark.state);
  pen.canvas.fillRect(x, FOOT - TALL / 2 - 2, end - x, 4);
  pen.canvas.globalAlpha = 1;
}

/** @param {Pen} pen @param {Mark[]} marks */
function drawFuture(pen, marks) {
  const { canvas, colour, scale } = pen;
  canvas.fillStyle = colour("faint");
  const first = marks[0];
  const last = marks[marks.length - 1];
  if (first && last && isDense(pen, marks)) {
    canvas.globalAlpha = 0.25;
    const x = xOf(pen, first.start);
    canvas.fillRect(x, FOOT - 6, (last.end - first.start) * scale, 6);
    canvas.globalAlpha = 1;
    return;
  }
  canvas.globalAlpha = 0.7;
  for (const mark of marks) {
    canvas.beginPath();
    canvas.roundRect(xOf(pen, mark.start), FOOT - 11, 2.5, 11, 1);
    canvas.fill();
  }
  canvas.globalAlpha = 1;
}

/** A small sign above: outcomes differ by shape too. @param {Pen} pen @param {string} state @param {number} x */
function drawFlag({ canvas, colour }, state, x) {
  const y = 4;
  canvas.beginPath();
  if (state === "failed") {
    canvas.moveTo(x - 2.5, y - 2.5);
    canvas.lineTo(x + 2.5, y + 2.5);
    canvas.moveTo(x + 2.5, y - 2.5);
    canvas.lineTo(x - 2.5, y + 2.5);
  } else if (state === "missed" || state === "absent") canvas.arc(x, y, 2.2, 0, 7);
  else if (state === "skipped") drawTriangle(canvas, x, y, 2.5);
  else if (state === "retrying") drawTriangle(canvas, x, y, -2.5);
  else if (state === "cancelled") {
    canvas.moveTo(x - 2.5, y);
    canvas.lineTo(x + 2.5, y);
  } else return false;
  canvas.strokeStyle = colour(state);
  canvas.lineWidth = 1.5;
  canvas.stroke();
  canvas.lineWidth = 1;
  return true;
}

/** @param {Canvas} canvas @param {number} x @param {number} y @param {number} size negative points up */
function drawTriangle(canvas, x, y, size) {
  canvas.moveTo(x - size, y - size / 1.5);
  canvas.lineTo(x + size, y - size / 1.5);
  canvas.lineTo(x, y + size / 1.5);
  canvas.closePath();
}

/** A line from top to bottom. @param {Pen} pen @param {number} at @param {string} name @param {number[]} dash */
function drawRule(pen, at, name, dash) {
  const x = Math.round(xOf(pen, at)) + 0.5;
  pen.canvas.strokeStyle = pen.colour(name);
  pen.canvas.setLineDash(dash);
  pen.canvas.beginPath();
  pen.canvas.moveTo(x, 0);
  pen.canvas.lineTo(x, HEIGHT);
  pen.canvas.stroke();
  pen.canvas.setLineDash([]);
}

/** @param {Pen} pen @param {Mark} mark */
function drawFrame(pen, mark) {
  const x = xOf(pen, mark.start);
  const wide = Math.max((endOf(mark) - mark.start) * pen.scale, LEAST_PX);
  pen.canvas.strokeStyle = pen.colour("accent");
  pen.canvas.lineWidth = 2;
  pen.canvas.strokeRect(x - 3, 1, wide + 6, HEIGHT - 2);
  pen.canvas.lineWidth = 1;
}

/** A pause. @param {Pen} pen @param {number} from @param {number} to */
function drawStripes(pen, from, to) {
  const { canvas, width } = pen;
  const left = Math.max(0, xOf(pen, from));
  const right = Math.min(width, xOf(pen, to));
  canvas.save();
  canvas.beginPath();
  canvas.rect(left, 0, right - left, HEIGHT);
  canvas.clip();
  canvas.globalAlpha = 0.35;
  canvas.strokeStyle = pen.colour("faint");
  canvas.beginPath();
  for (let x = left; x < right + HEIGHT; x += 9) {
    canvas.moveTo(x, 0);
    canvas.lineTo(x - HEIGHT, HEIGHT);
  }
  canvas.stroke();
  canvas.restore();
}
