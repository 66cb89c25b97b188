/** Dates and times in time zones, and the offsets of zones from UTC. */

/** Each with the language whose way of writing it is wanted. */
const KINDS = /** @type {const} */ ({
  time: ["en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" }],
  "time with zone": [
    "en-GB",
    {
      hour: "2-digit",
      minute: "2-digit",
      second: "2-digit",
      hourCycle: "h23",
      timeZoneName: "shortOffset",
    },
  ],
  minutes: ["en-GB", { hour: "2-digit", minute: "2-digit", hourCycle: "h23" }],
  date: ["sv-SE", {}],
  day: ["en-GB", { weekday: "short", day: "numeric" }],
  "day of month": ["en-GB", { weekday: "short", day: "numeric", month: "short" }],
  offset: ["en-US", { timeZoneName: "longOffset" }],
});

/** Making one takes longer than using it a hundred times. @type {Map<string, Intl.DateTimeFormat>} */
const formats = new Map();

/** @param {keyof typeof KINDS} kind @param {string | undefined} zone undefined: the browser's own */
export function formatOf(kind, zone) {
  const key = `${kind} ${zone ?? ""}`;
  let found = formats.get(key);
  if (!found) {
    const [language, options] = KINDS[kind];
    found = new Intl.DateTimeFormat(language, { ...options, timeZone: zone });
    formats.set(key, found);
  }
  return found;
}

/** Minutes that a zone is ahead of UTC. @param {string | undefined} zone @param {number} at in ms */
export function offsetMinutes(zone, at) {
  const parts = formatOf("offset", zone).formatToParts(at);
  const name = parts.find(({ type }) => type === "timeZoneName")?.value ?? "GMT";
  const found = /GMT([+-])(\d{2}):(\d{2})/.exec(name);
  if (!found) return 0;
  const minutes = Number(found[2]) * 60 + Number(found[3]);
  return found[1] === "-" ? -minutes : minutes;
}
