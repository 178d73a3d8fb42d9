// What was said during an attempt, as rows of a list: prose as a whole, output line by line, a use of
// a tool as one line that opens. Rows are objects that last, because what is known of them is kept there.

import { ansi } from "./ansi.js";
import { visible } from "./visible.js";

/**
 * @typedef {import("../types.js").Message} Message
 * @typedef {import("./ansi-line.js").Span} Span
 * @typedef {{text: string, kind: "input" | "output", lines: Span[][] | null}} Block
 * @typedef {"prose" | "output" | "person" | "system" | "tool"} Kind
 * @typedef {{id: string, kind: Kind, message: Message, result: Message | null, blocks: Block[] | null,
 *   rows: Row[] | null, open: boolean}} Entry
 * @typedef {{entry: Entry, block: Block | null, line: number, height: number, index: number, node: any,
 *   first: boolean}} Row `block` is null for what is shown as a whole; `height` is 0 until it was measured
 */

const LONGEST_PROSE = 20_000;
const LONGEST_RUN = 4;
const LONGEST_GIST = 200;
const MARKS = /^\s*(?:#{1,6}\s|[-*+]\s|\d+[.)]\s|>|\||```|~~~|$)/;

/**
 * Known messages and others, each once, the oldest first.
 * @param {Message[]} known
 * @param {Message[]} others
 */
export function mergeMessages(known, others) {
  const byId = new Map(known.map((each) => [each.id, each]));
  for (const each of others) {
    const before = byId.get(each.id);
    // What was said is never changed, but files may be added to it.
    if (before?.attachments.length !== each.attachments.length) byId.set(each.id, each);
  }
  return [...byId.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
}

/**
 * Whether a text is what a program wrote rather than prose in Markdown, whose lines are apart.
 * @param {string} text
 */
export function looksLikeOutput(text) {
  if (text.length > LONGEST_PROSE || /[\x1b\r\b]/.test(text)) return true;
  let run = 0;
  let fenced = false;
  for (const line of text.split("\n")) {
    if (/^\s*(?:```|~~~)/.test(line)) fenced = !fenced;
    run = fenced || MARKS.test(line) ? 0 : run + 1;
    if (run >= LONGEST_RUN) return true;
  }
  return false;
}

/** Rows that grow with the messages. */
export function createTranscript() {
  /** @type {Message[]} */
  let messages = [];
  /** @type {WeakMap<Message, Entry>} */
  const made = new WeakMap();
  /** @type {Entry[]} */
  let entries = [];
  /** @type {Row[] | null} */
  let rows = null;

  /** @param {Message} message */
  function entryOf(message) {
    let entry = made.get(message);
    if (!entry) {
      entry = newEntry(message);
      made.set(message, entry);
    }
    return entry;
  }

  return {
    get messages() {
      return messages;
    },
    get entries() {
      return entries;
    },
    /** @param {Message[]} read @returns {number} how many entries came at the end */
    put(read) {
      const last = entries.at(-1)?.id ?? "";
      messages = mergeMessages(messages, read);
      entries = paired(messages, entryOf);
      rows = null;
      return entries.length - 1 - entries.findLastIndex(({ id }) => id <= last);
    },
    /** Open or fold a use of a tool. @param {Entry} entry @param {boolean} [open] */
    toggle(entry, open = !entry.open) {
      entry.open = open;
      entry.rows = null;
      rows = null;
    },
    /** The same array as long as nothing has changed. */
    rows() {
      rows ??= entries.flatMap(rowsOf);
      return rows;
    },
  };
}

/** @param {Message} message @returns {Entry} */
function newEntry(message) {
  const kind = kindOf(message);
  return { id: message.id, kind, message, result: null, blocks: null, rows: null, open: false };
}

/** @param {Message} message @returns {Kind} */
function kindOf({ role, toolName, content }) {
  if (role === "tool" || toolName !== null) return "tool";
  if (role === "user" || role === "system")
    return (content ?? "").length > LONGEST_PROSE
      ? "output"
      : role === "user"
        ? "person"
        : "system";
  return looksLikeOutput(content ?? "") ? "output" : "prose";
}

/**
 * A tool's answer belongs to the use before it, the first one of this tool that has none yet.
 * @param {Message[]} messages
 * @param {(message: Message) => Entry} entryOf
 */
function paired(messages, entryOf) {
  /** @type {Map<string, Entry[]>} */
  const uses = new Map();
  /** @type {Entry[]} */
  const entries = [];
  for (const message of messages) {
    const name = message.toolName ?? "";
    const use = message.role === "tool" && message.toolInput === null && uses.get(name)?.shift();
    if (use) answered(use, message);
    else {
      const entry = entryOf(message);
      entries.push(entry);
      if (name && message.role !== "tool") uses.set(name, [...(uses.get(name) ?? []), entry]);
    }
  }
  return entries;
}

/** @param {Entry} use @param {Message} result */
function answered(use, result) {
  if (use.result === result) return;
  use.result = result;
  use.blocks = null;
  use.rows = null;
}

/** @param {Entry} entry @returns {Row[]} */
function rowsOf(entry) {
  entry.rows ??= newRows(entry);
  return entry.rows;
}

/** @param {Entry} entry @returns {Row[]} */
function newRows(entry) {
  const head = row(entry, null, 0, true);
  if (entry.kind === "output") {
    const lines = blocksOf(entry).flatMap((block) => lineRows(entry, block));
    if (lines[0]) lines[0].first = true;
    return lines;
  }
  if (entry.kind !== "tool" || !entry.open) return [head];
  return [head, ...blocksOf(entry).flatMap((block) => lineRows(entry, block))];
}

/** @param {Entry} entry @param {Block} block */
function lineRows(entry, block) {
  return Array.from({ length: countLines(block.text) }, (_, line) =>
    row(entry, block, line, false),
  );
}

/** @param {Entry} entry @param {Block | null} block @param {number} line @param {boolean} first @returns {Row} */
function row(entry, block, line, first) {
  return { entry, block, line, height: 0, index: 0, node: null, first };
}

/** How many lines `ansi` makes of a text, without one that is empty at its end. @param {string} text */
export function countLines(text) {
  let count = 1;
  for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", at + 1)) count += 1;
  return text.endsWith("\n") ? count - 1 : count;
}

/** The texts that an entry shows line by line. @param {Entry} entry @returns {Block[]} */
export function blocksOf(entry) {
  entry.blocks ??= newBlocks(entry);
  return entry.blocks;
}

/** @param {Entry} entry @returns {Block[]} */
function newBlocks({ kind, message, result }) {
  if (kind === "output") return [{ text: message.content ?? "", kind: "output", lines: null }];
  const input = inputText(message.toolInput);
  const output = plain(result?.toolOutput ?? message.toolOutput);
  /** @type {Block[]} */
  const blocks = [];
  if (input) blocks.push({ text: input, kind: "input", lines: null });
  if (output) blocks.push({ text: output, kind: "output", lines: null });
  return blocks;
}

/** @param {import("../types.js").JsonValue} input */
function inputText(input) {
  if (input === null || typeof input !== "object" || Array.isArray(input)) return plain(input);
  const values = Object.values(input);
  const only = values.length === 1 ? values[0] : undefined;
  return typeof only === "string" ? only : plain(input);
}

/** @param {import("../types.js").JsonValue | undefined} value */
function plain(value) {
  if (value === null || value === undefined) return "";
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}

/** The spans of a row's line; its whole block is read when the first of them is looked at. @param {Row} row */
export function spansOfRow({ block, line }) {
  if (block === null) return [];
  block.lines ??= ansi(block.text).lines;
  return block.lines[line] ?? [];
}

/** What a use of a tool is about: "bash · make test". @param {Entry} entry @returns {{name: string, about: string}} */
export function gist({ message }) {
  const { toolName, toolInput, content } = message;
  const values =
    toolInput && typeof toolInput === "object" ? Object.values(toolInput) : [toolInput];
  const first = values.find((each) => typeof each === "string");
  const name = toolName || "tool";
  const said = String(first ?? content ?? "").trim();
  const about = said.startsWith(`${name} `) ? said.slice(name.length + 1) : said;
  const line = about.split("\n", 1)[0] ?? "";
  return { name: visible(name), about: about === name ? "" : visible(line.slice(0, LONGEST_GIST)) };
}
