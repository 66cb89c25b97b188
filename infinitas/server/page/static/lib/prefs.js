/** What a person has chosen for this browser: theme, time zone, zoom of the lanes. */

/** @typedef {"system" | "light" | "dark"} Theme */
/** @typedef {"local" | "UTC" | "schedule"} Zone */

/** @param {string} name @param {string} fallback */
function load(name, fallback) {
  try {
    return localStorage.getItem(`infinitas.${name}`) ?? fallback;
  } catch {
    return fallback;
  }
}

/** @param {string} name @param {string} value */
function save(name, value) {
  try {
    localStorage.setItem(`infinitas.${name}`, value);
  } catch {
    // A browser that stores nothing forgets the choice when the page closes.
  }
}

export const prefs = {
  theme: /** @type {Theme} */ (load("theme", "system")),
  zone: /** @type {Zone} */ (load("zone", "local")),
  /** Empty until a person chooses one. */
  zoom: load("zoom", ""),
};

export function applyTheme() {
  if (prefs.theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = prefs.theme;
}

/** system → light → dark → system */
export function nextTheme() {
  const order = /** @type {Theme[]} */ (["system", "light", "dark"]);
  prefs.theme = order[(order.indexOf(prefs.theme) + 1) % order.length] ?? "system";
  save("theme", prefs.theme);
  applyTheme();
}

/** @param {string} zoom */
export function setZoom(zoom) {
  prefs.zoom = zoom;
  save("zoom", zoom);
}

/** local → UTC → the zone of the shown schedule */
export function nextZone() {
  const order = /** @type {Zone[]} */ (["local", "UTC", "schedule"]);
  prefs.zone = order[(order.indexOf(prefs.zone) + 1) % order.length] ?? "local";
  save("zone", prefs.zone);
}

/** @type {string | undefined} */
let scheduleZone;

/** @param {string | undefined} zone of the schedule that is shown, if there is one */
export function setScheduleZone(zone) {
  scheduleZone = zone;
}

/** The zone as `Intl` names it; undefined is the browser's own. */
export function zoneName() {
  return { local: undefined, UTC: "UTC", schedule: scheduleZone }[prefs.zone];
}
