/** Lines of a terminal: colours become classes, all other control sequences are left out. */

/** @typedef {{ text: string, style: string }} Run */

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it finds
const SEQUENCE = /\u001b(?:\[([0-9;]*)([@-~])|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[@-Z\\^_])/g;
const COLOURS = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"];

/** @param {string} text @returns {Run[]} */
export function ansiRuns(text) {
  if (!text.includes("\u001b")) return [{ text, style: "" }];
  /** @type {Run[]} */
  const runs = [];
  let colour = "";
  let bold = false;
  let from = 0;
  for (const found of text.matchAll(SEQUENCE)) {
    runs.push({ text: text.slice(from, found.index), style: styleOf(colour, bold) });
    from = found.index + found[0].length;
    if (found[2] !== "m") continue;
    for (const code of (found[1] || "0").split(";").map(Number)) {
      if (code === 0) [colour, bold] = ["", false];
      else if (code === 1) bold = true;
      else if (code === 22) bold = false;
      else if (code === 39) colour = "";
      else colour = COLOURS[code - 30] ?? COLOURS[code - 90] ?? colour;
    }
  }
  runs.push({ text: text.slice(from), style: styleOf(colour, bold) });
  return runs.filter((run) => run.text !== "");
}

/** The text without sequences. @param {string} text */
export function plainText(text) {
  return text.includes("\u001b") ? text.replace(SEQUENCE, "") : text;
}

/** @param {string} colour @param {boolean} bold */
function styleOf(colour, bold) {
  return [colour && `ansi-${colour}`, bold && "ansi-bold"].filter(Boolean).join(" ");
}
