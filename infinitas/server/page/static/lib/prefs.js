/** What a person has chosen for this browser: theme and time zone. */

/** @typedef {"system" | "light" | "dark"} Theme */
/** @typedef {"local" | "utc"} Zone */

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

export function nextZone() {
  prefs.zone = prefs.zone === "local" ? "utc" : "local";
  save("zone", prefs.zone);
}

/** The zone as `Intl` names it; undefined is the browser's own. */
export function zoneName() {
  return prefs.zone === "utc" ? "UTC" : undefined;
}
