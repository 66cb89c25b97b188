/** Offsets of time zones from UTC. */

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

/** @param {string | undefined} zone */
function formatOf(zone) {
  const key = zone ?? "";
  const found =
    formats.get(key) ?? new Intl.DateTimeFormat("en-US", { timeZone: zone, timeZoneName: "longOffset" });
  formats.set(key, found);
  return found;
}
