// Turns the output of terminals into lines of spans: colours and emphasis survive, a line may be
// written over, and no other escape sequence does anything or is seen.

import { copyLine, emptyLine, erase, goBack, spansOf, write } from "./ansi-line.js";
import { PLAIN, setGraphics, styleOf } from "./ansi-style.js";
import { safeLink } from "./links.js";

/** @typedef {import("./ansi-line.js").Span} Span */
/** @typedef {import("./ansi-line.js").Line} Line */

/**
 * Where the output stopped, perhaps within a sequence; it is never changed, only followed by others.
 *
 * @typedef {object} State
 * @property {"text" | "escape" | "designation" | "control" | "command" | "string"} mode
 * @property {string} sequence what was read of a control sequence or an operating system's command
 * @property {Readonly<import("./ansi-style.js").Pen>} pen
 * @property {import("./ansi-style.js").Style} style that of the pen
 * @property {Line} line the last one, to which more may be written
 */

/** @typedef {State & {lines: Span[][]}} Terminal */

const LONGEST_SEQUENCE = 2_500;
const [BELL, BACKSPACE, TAB, NEWLINE, RETURN] = [0x07, 0x08, 0x09, 0x0a, 0x0d];
const [CANCEL, SUBSTITUTE, ESCAPE, STRING_END] = [0x18, 0x1a, 0x1b, 0x9c];
/** @type {Record<number, State["mode"]>} What begins a longer sequence after ESC: [ ] P X ^ _ */
const OPENINGS = {
  91: "control",
  93: "command",
  80: "string",
  88: "string",
  94: "string",
  95: "string",
};

/** @type {State} */
const START = Object.freeze({
  mode: "text",
  sequence: "",
  pen: PLAIN,
  style: styleOf(PLAIN),
  line: emptyLine(),
});

/**
 * The lines of a piece of output. The first one goes on with the last one of the piece before and
 * takes its place; the last one is still open, and empty after a line break.
 *
 * @param {string} text
 * @param {State} [state] what the piece before ended with
 * @returns {{lines: Span[][], state: State}}
 */
export function ansi(text, state = START) {
  /** @type {Terminal} */
  const terminal = { ...state, line: copyLine(state.line), lines: [] };
  let at = 0;
  while (at < text.length) {
    if (terminal.mode === "text") at = readText(terminal, text, at);
    else if (readSequence(terminal, text.charCodeAt(at))) at += 1;
  }
  const { lines, ...rest } = terminal;
  lines.push(spansOf(rest.line));
  return { lines, state: rest };
}

/**
 * @param {Terminal} terminal
 * @param {string} text
 * @param {number} from
 */
function readText(terminal, text, from) {
  let at = from;
  while (at < text.length && !isControl(text.charCodeAt(at))) at += 1;
  if (at > from) write(terminal.line, text.slice(from, at), terminal.style);
  if (at === text.length) return at;
  const code = text.charCodeAt(at);
  if (code === RETURN && text.charCodeAt(at + 1) === NEWLINE) return at + 1;
  readControl(terminal, code);
  return at + 1;
}

/** @param {number} code */
function isControl(code) {
  return code < 0x20 || (code >= 0x7f && code <= 0x9f);
}

/**
 * @param {Terminal} terminal
 * @param {number} code
 */
function readControl(terminal, code) {
  if (code === NEWLINE) {
    terminal.lines.push(spansOf(terminal.line));
    terminal.line = emptyLine();
  } else if (code === RETURN) goBack(terminal.line, "beginning");
  else if (code === BACKSPACE) goBack(terminal.line, "character");
  else if (code === TAB) write(terminal.line, "\t", terminal.style);
  else if (code === ESCAPE) enter(terminal, "escape");
  else if (code >= 0x80) enter(terminal, OPENINGS[code - 0x40] ?? "text");
  else write(terminal.line, String.fromCharCode(code), terminal.style);
}

/**
 * @param {Terminal} terminal
 * @param {State["mode"]} mode
 */
function enter(terminal, mode) {
  terminal.mode = mode;
  terminal.sequence = "";
}

/**
 * @param {Terminal} terminal
 * @param {number} code
 * @returns {boolean} whether it belonged to the sequence; if not, it is text again
 */
function readSequence(terminal, code) {
  if (terminal.mode === "control") return readControlSequence(terminal, code);
  if (terminal.mode === "command" || terminal.mode === "string") return readString(terminal, code);
  const opening = terminal.mode === "escape" ? OPENINGS[code] : undefined;
  const goesOn = code >= 0x20 && code <= 0x2f;
  enter(terminal, opening ?? (goesOn ? "designation" : "text"));
  return code >= 0x20 && code <= 0x7e;
}

/**
 * @param {Terminal} terminal
 * @param {number} code
 */
function readControlSequence(terminal, code) {
  if (code >= 0x20 && code <= 0x3f) {
    collect(terminal, code);
    return true;
  }
  const ends = code >= 0x40 && code <= 0x7e;
  if (ends) obey(terminal, String.fromCharCode(code), terminal.sequence);
  enter(terminal, "text");
  return ends;
}

/**
 * @param {Terminal} terminal
 * @param {number} code
 */
function collect(terminal, code) {
  if (terminal.sequence.length < LONGEST_SEQUENCE) terminal.sequence += String.fromCharCode(code);
}

/**
 * Colours, and of the rest what spinners and progress bars need to be readable.
 *
 * @param {Terminal} terminal
 * @param {string} final
 * @param {string} parameters
 */
function obey(terminal, final, parameters) {
  if (final === "m" && /^[\d;:]*$/.test(parameters)) {
    setPen(terminal, setGraphics(terminal.pen, parameters));
  } else if (final === "K" && (parameters === "" || parameters === "0")) {
    erase(terminal.line, "rest");
  } else if (final === "K" && parameters === "2") {
    erase(terminal.line, "line");
  } else if (final === "G" && (parameters === "" || parameters === "1")) {
    goBack(terminal.line, "beginning");
  }
}

/**
 * @param {Terminal} terminal
 * @param {import("./ansi-style.js").Pen} pen
 */
function setPen(terminal, pen) {
  terminal.pen = pen;
  terminal.style = styleOf(pen);
}

/**
 * A string ends with its line too: what somebody forgot to close must not swallow all that follows.
 *
 * @param {Terminal} terminal
 * @param {number} code
 */
function readString(terminal, code) {
  const ends = code === BELL || code === STRING_END || code === ESCAPE;
  if (ends && terminal.mode === "command") link(terminal);
  if (ends) enter(terminal, code === ESCAPE ? "escape" : "text");
  else if (code === NEWLINE || code === CANCEL || code === SUBSTITUTE) enter(terminal, "text");
  else collect(terminal, code);
  return code !== NEWLINE;
}

/**
 * Begin or end a link if that is the command: `8;parameters;address`.
 *
 * @param {Terminal} terminal
 */
function link(terminal) {
  const { sequence, pen } = terminal;
  if (!sequence.startsWith("8;") || sequence.length === LONGEST_SEQUENCE) return;
  const from = sequence.indexOf(";", 2);
  if (from !== -1) setPen(terminal, { ...pen, href: safeLink(sequence.slice(from + 1)) });
}
