/** Offsets of time zones from UTC, and the moments at which they change. */

const MINUTE_MS = 60_000;
const STEP_MS = 6 * 3_600_000;

/** @typedef {{ at: number, zone: string, byMinutes: number }} ClockChange */

/** @type {Map<string, Intl.DateTimeFormat>} */
const formats = new Map();

/** Minutes that a zone is ahead of UTC. @param {string | undefined} zone @param {number} at in ms */
export function offsetMinutes(zone, at) {
  const parts = formatOf(zone).formatToParts(at);
  const name = parts.find(({ type }) => type === "timeZoneName")?.value ?? "GMT";
  const found = /GMT([+-])(\d{2}):(\d{2})/.exec(name);
  if (!found) return 0;
  const minutes = Number(found[2]) * 60 + Number(found[3]);
  return found[1] === "-" ? -minutes : minutes;
}

/** Clock changes of a zone in a span. @param {string} zone @param {number} from @param {number} to */
export function clockChanges(zone, from, to) {
  /** @type {ClockChange[]} */
  const found = [];
  try {
    for (let at = from; at < to; at += STEP_MS) {
      const next = Math.min(at + STEP_MS, to);
      const byMinutes = offsetMinutes(zone, next) - offsetMinutes(zone, at);
      if (byMinutes !== 0) found.push({ at: moment(zone, at, next), zone, byMinutes });
    }
  } catch {
    // A zone that this browser does not know has no mark; the server's notes name its changes.
  }
  return found;
}

/** @param {string} zone @param {number} before @param {number} after */
function moment(zone, before, after) {
  const old = offsetMinutes(zone, before);
  let [low, high] = [before, after];
  while (high - low > MINUTE_MS) {
    const middle = Math.floor((low + high) / 2 / MINUTE_MS) * MINUTE_MS;
    if (middle <= low) break;
    if (offsetMinutes(zone, middle) === old) low = middle;
    else high = middle;
  }
  return high;
}

/** @param {string | undefined} zone */
function formatOf(zone) {
  const key = zone ?? "";
  const found =
    formats.get(key) ?? new Intl.DateTimeFormat("en-US", { timeZone: zone, timeZoneName: "longOffset" });
  formats.set(key, found);
  return found;
}
