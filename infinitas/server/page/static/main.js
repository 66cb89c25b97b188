/** The page begins here: the token of the login, then the shell with the view of the address. */

import { get } from "./lib/api.js";
import { applyTheme } from "./lib/prefs.js";
import { Shell } from "./shell.js";
import { showLogin } from "./views/login.js";

applyTheme();
const root = /** @type {HTMLElement} */ (document.getElementById("app"));

async function begin() {
  try {
    const token = await get("login");
    root.replaceChildren();
    new Shell(root, token);
  } catch (error) {
    const status = error instanceof Error && "status" in error ? error.status : 0;
    if (status === 401 || status === 403)
      showLogin(root, begin, String(error instanceof Error ? error.message : ""));
    else showWaiting(error);
  }
}

/** @param {unknown} error */
function showWaiting(error) {
  root.textContent = `${error instanceof Error ? error.message : error} The page tries again every 2 s.`;
  setTimeout(begin, 2_000);
}

void begin();
