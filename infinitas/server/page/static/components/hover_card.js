/** A card beside the pointer or the chosen mark of a lane. */

import { h, render } from "../lib/dom.js";
import { duration, fullTime } from "../lib/format.js";
import { outcome } from "./lane_marks.js";
import { badge } from "./state.js";

/** @typedef {{ mark: import("./lane_marks.js").Mark, name: string, x: number }} Hovered */

const GAP = 8;
const card = document.createElement("div");
card.className = "card";
card.hidden = true;
card.setAttribute("aria-hidden", "true");
document.body.append(card);
addEventListener("popstate", hideCard);
addEventListener("scroll", hideCard, { passive: true });

/** @param {Hovered} hovered @param {Element} lane */
export function showCard({ mark, name, x }, lane) {
  render(card, cardView(mark, name));
  card.hidden = false;
  const box = lane.getBoundingClientRect();
  const size = card.getBoundingClientRect();
  const below = box.bottom + GAP + size.height < innerHeight;
  card.style.left = `${Math.max(GAP, Math.min(x - size.width / 2, innerWidth - size.width - GAP))}px`;
  card.style.top = `${below ? box.bottom + GAP : box.top - size.height - GAP}px`;
}

export function hideCard() {
  card.hidden = true;
}

/** @param {import("./lane_marks.js").Mark} mark @param {string} name */
function cardView(mark, name) {
  const kind = mark.state === "future" ? "scheduled" : mark.state === "absent" ? "missed" : mark.state;
  return [
    h("b", null, name),
    h("div", null, badge(kind, outcome(mark))),
    mark.why && h("div", null, mark.why.replaceAll("_", " ")),
    mark.longest !== null &&
      h("div", null, mark.count > 1 ? "longest run " : "took ", duration(mark.longest)),
    h("div", { class: "faint" }, fullTime(mark.start)),
    mark.job &&
      h("div", { class: "faint" }, mark.count > 1 ? "Enter or click: the list" : "Enter or click: the job"),
  ];
}
