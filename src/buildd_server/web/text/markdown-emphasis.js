// Pairs the runs of `*`, `_` and `~~` of a text as CommonMark says, from left to right with a stack
// of the open ones; what a kind of run has looked for in vain it doesn't look at again.

/** @typedef {import("./markdown-inline.js").Inline} Inline */

/**
 * Characters that may open or close emphasis.
 *
 * @typedef {object} Run
 * @property {string} character
 * @property {number} count how many are left
 * @property {number} length how many there were
 * @property {boolean} opens
 * @property {boolean} closes
 */

/** @typedef {{node: Inline, depth: number}} Made A node, and how deep others are nested in it. */
/** @typedef {Made | {run: Run}} Piece */
/** @typedef {{run: Run, place: number, id: number, inner: number}} Opener */

const DEEPEST = 16;
const SPACE = /^[\s]?$/u;
const PUNCTUATION = /^[\p{P}\p{S}]$/u;

/**
 * The run of that length at a place, seen between what stands before and after it.
 *
 * @param {string} text
 * @param {number} from
 * @param {number} to
 * @returns {Run}
 */
export function runAt(text, from, to) {
  const character = text.charAt(from);
  const [before, after] = [characterBefore(text, from), characterAt(text, to)];
  const [bound, free] = [PUNCTUATION.test(before), PUNCTUATION.test(after)];
  const left = !SPACE.test(after) && (!free || bound || SPACE.test(before));
  const right = !SPACE.test(before) && (!bound || free || SPACE.test(after));
  const within = character === "_";
  const length = to - from;
  const usable = character !== "~" || length === 2;
  return {
    character,
    count: length,
    length,
    opens: usable && left && (!within || !right || bound),
    closes: usable && right && (!within || !left || free),
  };
}

/** @param {string} text @param {number} at */
function characterAt(text, at) {
  const code = text.codePointAt(at);
  return code === undefined ? "" : String.fromCodePoint(code);
}

/** @param {string} text @param {number} at */
function characterBefore(text, at) {
  const pair = at > 1 && (text.charCodeAt(at - 1) & 0xfc00) === 0xdc00;
  return at === 0 ? "" : characterAt(text, at - (pair ? 2 : 1));
}

/**
 * What is known while the pieces are read.
 *
 * @typedef {object} Pairing
 * @property {Piece[]} out
 * @property {Opener[]} openers those that are still open, each with its place in `out`
 * @property {Map<string, number>} barren up to which opener none fits such a closer
 * @property {number} count of all openers so far
 * @property {number} depth of what is in no opener
 */

/**
 * What the pieces mean together.
 *
 * @param {Piece[]} pieces
 * @returns {{nodes: Inline[], depth: number}}
 */
export function paired(pieces) {
  /** @type {Pairing} */
  const pairing = { out: [], openers: [], barren: new Map(), count: 0, depth: 0 };
  for (const piece of pieces) {
    if ("node" in piece) add(pairing, piece);
    else meet(pairing, piece.run);
  }
  while (pairing.openers.length > 0) forget(pairing);
  return { nodes: merged(pairing.out), depth: pairing.depth };
}

/**
 * @param {Pairing} pairing
 * @param {Made} made
 */
function add(pairing, made) {
  pairing.out.push(made);
  deepen(pairing, made.depth);
}

/**
 * @param {Pairing} pairing
 * @param {number} depth
 */
function deepen(pairing, depth) {
  const top = pairing.openers.at(-1);
  if (top === undefined) pairing.depth = Math.max(pairing.depth, depth);
  else top.inner = Math.max(top.inner, depth);
}

/** The last opener opens nothing. @param {Pairing} pairing */
function forget(pairing) {
  const last = pairing.openers.pop();
  if (last !== undefined) deepen(pairing, last.inner);
}

/**
 * @param {Pairing} pairing
 * @param {Run} run
 */
function meet(pairing, run) {
  while (run.closes && run.count > 0 && close(pairing, run));
  if (run.count === 0) return;
  pairing.out.push({ run });
  if (!run.opens) return;
  pairing.count += 1;
  pairing.openers.push({ run, place: pairing.out.length - 1, id: pairing.count, inner: 0 });
}

/**
 * @param {Pairing} pairing
 * @param {Run} run
 * @returns {boolean} whether there was something to close
 */
function close(pairing, run) {
  const found = fitting(pairing, run);
  if (found === -1) return false;
  while (pairing.openers.length > found + 1) forget(pairing);
  const opener = pairing.openers[found];
  if (opener === undefined || opener.inner >= DEEPEST) {
    forget(pairing);
    return false;
  }
  const used = opener.run.count > 1 && run.count > 1 ? 2 : 1;
  const content = merged(pairing.out.splice(opener.place + 1));
  const type = run.character === "~" ? "strike" : used === 2 ? "strong" : "emphasis";
  const depth = opener.inner + 1;
  opener.run.count -= used;
  run.count -= used;
  opener.inner = 0;
  if (opener.run.count === 0) {
    pairing.openers.pop();
    pairing.out.pop();
  }
  add(pairing, { node: { type, content }, depth });
  return true;
}

/**
 * Where the opener for a closer is on the stack.
 *
 * @param {Pairing} pairing
 * @param {Run} run
 */
function fitting(pairing, run) {
  const kind = `${run.character}${run.opens}${run.length % 3}`;
  const barren = pairing.barren.get(kind) ?? 0;
  for (let at = pairing.openers.length - 1; at >= 0; at -= 1) {
    const opener = pairing.openers[at];
    if (opener === undefined || opener.id <= barren) break;
    if (fits(opener.run, run)) return at;
  }
  pairing.barren.set(kind, pairing.count);
  return -1;
}

/**
 * @param {Run} opener
 * @param {Run} closer
 */
function fits(opener, closer) {
  if (opener.character !== closer.character) return false;
  const ambiguous = opener.closes || closer.opens;
  const odd = (opener.length + closer.length) % 3 === 0;
  return !ambiguous || !odd || (opener.length % 3 === 0 && closer.length % 3 === 0);
}

/**
 * The nodes of pieces; runs that are left over are text, and text is in one piece.
 *
 * @param {Piece[]} pieces
 * @returns {Inline[]}
 */
function merged(pieces) {
  /** @type {Inline[]} */
  const nodes = [];
  /** @type {string[]} */
  let texts = [];
  const flush = () => {
    if (texts.length > 0) nodes.push({ type: "text", text: texts.join("") });
    texts = [];
  };
  for (const piece of pieces) {
    if ("run" in piece) texts.push(piece.run.character.repeat(piece.run.count));
    else if (piece.node.type === "text") texts.push(piece.node.text);
    else {
      flush();
      nodes.push(piece.node);
    }
  }
  flush();
  return nodes;
}
