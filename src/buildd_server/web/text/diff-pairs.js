// Puts the old beside the new: lines into rows for a view of two columns, and within a pair of
// lines the words that differ. The work for a pair is bounded, whatever the lines are.

/** @typedef {import("./diff-lines.js").Line} Line */
/** @typedef {import("./diff-lines.js").Hunk} Hunk */
/** @typedef {{before: Line | null, after: Line | null}} Row */
/** @typedef {{text: string, changed: boolean}} Piece */

const LONGEST = 5_000;
const CELLS = 40_000;
const TOKENS = /[\p{L}\p{M}\p{N}_]+|\s+|\S/gu;

/**
 * The rows of a hunk in two columns: context is on both sides, what was removed stands beside
 * what was added in its place.
 *
 * @param {Hunk} hunk
 * @returns {Row[]}
 */
export function sideBySide(hunk) {
  /** @type {Row[]} */
  const rows = [];
  /** @type {{before: Line[], after: Line[]}} */
  let waiting = { before: [], after: [] };
  let last = /** @type {Line["kind"]} */ ("context");
  const flush = () => {
    const length = Math.max(waiting.before.length, waiting.after.length);
    for (let at = 0; at < length; at += 1) {
      rows.push({ before: waiting.before[at] ?? null, after: waiting.after[at] ?? null });
    }
    waiting = { before: [], after: [] };
  };
  for (const line of hunk.lines) {
    const kind = line.kind === "note" ? last : line.kind;
    if (kind === "removed") {
      if (last === "added") flush();
      waiting.before.push(line);
    } else if (kind === "added") {
      waiting.after.push(line);
    } else {
      flush();
      rows.push({ before: line, after: line });
    }
    last = kind;
  }
  flush();
  return rows;
}

/**
 * Which words of a removed and an added line differ. Where the lines are too long, or have next to
 * nothing in common, no word is marked: it wouldn't help anybody.
 *
 * @param {string} before
 * @param {string} after
 * @returns {{before: Piece[], after: Piece[]}}
 */
export function wordDiff(before, after) {
  if (before.length > LONGEST || after.length > LONGEST) return unmarked(before, after);
  const old = before.match(TOKENS) ?? [];
  const young = after.match(TOKENS) ?? [];
  const kept = keptTokens(old, young);
  if (!isWorthwhile(old, kept.before) || !isWorthwhile(young, kept.after)) {
    return unmarked(before, after);
  }
  return { before: pieces(old, kept.before), after: pieces(young, kept.after) };
}

/**
 * @param {string} before
 * @param {string} after
 */
function unmarked(before, after) {
  const [old, young] = [before, after].map((text) => (text ? [{ text, changed: false }] : []));
  return { before: old ?? [], after: young ?? [] };
}

/**
 * @param {string[]} tokens
 * @param {boolean[]} kept
 */
function isWorthwhile(tokens, kept) {
  let same = 0;
  let all = 0;
  tokens.forEach((token, at) => {
    if (token.trim() === "") return;
    all += token.length;
    if (kept[at]) same += token.length;
  });
  return all === 0 || same * 4 >= all;
}

/**
 * Which tokens are on both sides, in order: what begins and ends both, and between them the longest
 * common subsequence, if it can be found with little work.
 *
 * @param {string[]} old
 * @param {string[]} young
 */
function keptTokens(old, young) {
  const shorter = Math.min(old.length, young.length);
  let head = 0;
  while (head < shorter && old[head] === young[head]) head += 1;
  let tail = 0;
  while (tail < shorter - head && old.at(-1 - tail) === young.at(-1 - tail)) tail += 1;
  const before = old.map((_, at) => at < head || at >= old.length - tail);
  const after = young.map((_, at) => at < head || at >= young.length - tail);
  const middle = [old.slice(head, old.length - tail), young.slice(head, young.length - tail)];
  for (const [left, right] of commonSubsequence(middle[0] ?? [], middle[1] ?? [])) {
    before[head + left] = true;
    after[head + right] = true;
  }
  return { before, after };
}

/**
 * @param {string[]} old
 * @param {string[]} young
 * @returns {[number, number][]} the places of equal tokens; none if there are too many to compare
 */
function commonSubsequence(old, young) {
  if (old.length * young.length > CELLS) return [];
  const width = young.length + 1;
  const lengths = new Uint16Array((old.length + 1) * width);
  /** @param {number} left @param {number} right */
  const length = (left, right) => lengths[left * width + right] ?? 0;
  for (let left = old.length - 1; left >= 0; left -= 1) {
    for (let right = young.length - 1; right >= 0; right -= 1) {
      lengths[left * width + right] =
        old[left] === young[right]
          ? length(left + 1, right + 1) + 1
          : Math.max(length(left + 1, right), length(left, right + 1));
    }
  }
  /** @type {[number, number][]} */
  const pairs = [];
  let [left, right] = [0, 0];
  while (left < old.length && right < young.length) {
    if (old[left] === young[right]) pairs.push([left++, right++]);
    else if (length(left + 1, right) >= length(left, right + 1)) left += 1;
    else right += 1;
  }
  return pairs;
}

/**
 * Join the tokens of a line; a space between two changed words belongs to the change.
 *
 * @param {string[]} tokens
 * @param {boolean[]} kept
 */
function pieces(tokens, kept) {
  /** @type {Piece[]} */
  const made = [];
  tokens.forEach((text, at) => {
    const bridges = text.trim() === "" && kept[at - 1] === false && kept[at + 1] === false;
    const changed = bridges || !kept[at];
    const last = made.at(-1);
    if (last?.changed === changed) last.text += text;
    else made.push({ text, changed });
  });
  return made;
}
