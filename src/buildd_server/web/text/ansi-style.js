// What the escape sequences for colours and emphasis (SGR) mean, as class names and colours.

/** @typedef {number | string | null} Colour One of the 16, "#rrggbb", or null for the usual one. */

/**
 * What is set at the moment.
 *
 * @typedef {object} Pen
 * @property {Colour} front
 * @property {Colour} back
 * @property {boolean} bold
 * @property {boolean} dim
 * @property {boolean} italic
 * @property {boolean} underline
 * @property {boolean} inverse
 * @property {boolean} strike
 * @property {string | null} href
 */

/**
 * How a span looks. Classes: ansi-bold, -dim, -italic, -underline, -strike; ansi-fg-0 to -15 and
 * ansi-bg-0 to -15; of inverse text without colours ansi-fg-page and ansi-bg-text; ansi-omitted.
 *
 * @typedef {object} Style
 * @property {string} classes separated by spaces
 * @property {string | null} color "#rrggbb"
 * @property {string | null} background "#rrggbb"
 * @property {string | null} href an address that has been found safe
 */

/** @type {Readonly<Pen>} */
export const PLAIN = Object.freeze({
  front: null,
  back: null,
  bold: false,
  dim: false,
  italic: false,
  underline: false,
  inverse: false,
  strike: false,
  href: null,
});

/** @type {Record<number, Partial<Pen>>} Concealed text stays visible, and nothing blinks. */
const CODES = {
  1: { bold: true },
  2: { dim: true },
  3: { italic: true },
  4: { underline: true },
  7: { inverse: true },
  9: { strike: true },
  21: { underline: true },
  22: { bold: false, dim: false },
  23: { italic: false },
  24: { underline: false },
  27: { inverse: false },
  29: { strike: false },
  39: { front: null },
  49: { back: null },
};

/**
 * The pen after a sequence such as "1;38;5;208".
 *
 * @param {Readonly<Pen>} pen
 * @param {string} written digits, semicolons and colons
 * @returns {Pen}
 */
export function setGraphics(pen, written) {
  const groups = written.split(";").map((group) => group.split(":").map(Number));
  let changed = { ...pen };
  for (let at = 0; at < groups.length; at += 1) {
    const [code = 0, ...inside] = groups[at] ?? [];
    if (code === 38 || code === 48 || code === 58) {
      const values = inside.length > 0 ? inside : groups.slice(at + 1, at + 5).flat();
      if (code === 38) changed.front = colour(values, changed.front);
      if (code === 48) changed.back = colour(values, changed.back);
      if (inside.length === 0) at += values[0] === 5 ? 2 : values[0] === 2 ? 4 : 0;
    } else if (code === 0) {
      changed = { ...PLAIN, href: pen.href };
    } else if (code === 4 && inside[0] === 0) {
      changed.underline = false;
    } else {
      Object.assign(changed, CODES[code] ?? sixteen(code));
    }
  }
  return changed;
}

/** @param {number} code */
function sixteen(code) {
  if (code >= 30 && code <= 37) return { front: code - 30 };
  if (code >= 40 && code <= 47) return { back: code - 40 };
  if (code >= 90 && code <= 97) return { front: code - 82 };
  return code >= 100 && code <= 107 ? { back: code - 92 } : {};
}

/**
 * @param {number[]} values "5;208", "2;255;0;0", or with the place of a colour space "2::255:0:0"
 * @param {Colour} otherwise
 * @returns {Colour}
 */
function colour(values, otherwise) {
  const [mode, index = 0] = values;
  if (mode === 5 && index <= 255) return index < 16 ? index : palette(index);
  if (mode !== 2) return otherwise;
  return hex(values.length > 4 ? values.slice(2, 5) : values.slice(1, 4));
}

/** @param {number} index of the 256, beyond the first 16 */
function palette(index) {
  if (index >= 232) return hex([0, 0, 0].map(() => 8 + (index - 232) * 10));
  const cube = index - 16;
  const levels = [Math.floor(cube / 36), Math.floor(cube / 6) % 6, cube % 6];
  return hex(levels.map((level) => (level === 0 ? 0 : 55 + level * 40)));
}

/** @param {number[]} parts red, green and blue */
function hex(parts) {
  const [red = 0, green = 0, blue = 0] = parts.map((each) => Math.min(255, each));
  return `#${((red << 16) | (green << 8) | blue).toString(16).padStart(6, "0")}`;
}

/**
 * @param {Readonly<Pen>} pen
 * @returns {Style}
 */
export function styleOf(pen) {
  const emphasis = /** @type {const} */ (["bold", "dim", "italic", "underline", "strike"]);
  const classes = emphasis.filter((each) => pen[each]).map((each) => `ansi-${each}`);
  const front = pen.inverse ? (pen.back ?? "page") : pen.front;
  const back = pen.inverse ? (pen.front ?? "text") : pen.back;
  if (front !== null && !isHex(front)) classes.push(`ansi-fg-${front}`);
  if (back !== null && !isHex(back)) classes.push(`ansi-bg-${back}`);
  return {
    classes: classes.join(" "),
    color: isHex(front) ? front : null,
    background: isHex(back) ? back : null,
    href: pen.href,
  };
}

/**
 * @param {Colour} colour
 * @returns {colour is string}
 */
function isHex(colour) {
  return typeof colour === "string" && colour.startsWith("#");
}
