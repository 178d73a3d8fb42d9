// Output as terminals get it: what is seen of it, and what can never do anything.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ansi } from "../../src/buildd_server/web/text/ansi.js";
import { safeLink } from "../../src/buildd_server/web/text/links.js";
import { visible } from "../../src/buildd_server/web/text/visible.js";
import { HOSTILE_ADDRESSES, isAllowed, random } from "./hostile.js";

/** @typedef {import("../../src/buildd_server/web/text/ansi.js").Span} Span */

/** @param {Span[][]} lines */
function plain(lines) {
  return lines.map((spans) => spans.map((each) => each.text).join(""));
}

/** @param {string} text */
function shown(text) {
  return plain(ansi(text).lines).join("\n");
}

/** The text of each span with how it looks. @param {string} text */
function styled(text) {
  return ansi(text).lines.flatMap((spans) =>
    spans.map(({ text: said, style }) => [
      said,
      ...[style.classes, style.color, style.background, style.href].filter(Boolean),
    ]),
  );
}

/** What a page would show of pieces that came one after another. @param {string[]} pieces */
function assembled(pieces) {
  /** @type {Span[][]} */
  const all = [];
  let state;
  for (const piece of pieces) {
    const { lines, state: next } = ansi(piece, state);
    all.pop();
    for (const line of lines) all.push(line);
    state = next;
  }
  return all;
}

test("lines end, and the last one is open", () => {
  assert.deepEqual(ansi("").lines, [[]]);
  assert.deepEqual(plain(ansi("a\nb\r\n\nc\td").lines), ["a", "b", "", "c\td"]);
  assert.deepEqual(plain(ansi("a\n").lines), ["a", ""]);
});

test("colours and emphasis", () => {
  assert.deepEqual(styled("\x1b[1;31mred\x1b[22m thin\x1b[0m usual\x1b[m"), [
    ["red", "ansi-bold ansi-fg-1"],
    [" thin", "ansi-fg-1"],
    [" usual"],
  ]);
  assert.deepEqual(styled("\x1b[92;103mx\x1b[39;49;2;3;4;9my\x1b[22;23;24;29mz"), [
    ["x", "ansi-fg-10 ansi-bg-11"],
    ["y", "ansi-dim ansi-italic ansi-underline ansi-strike"],
    ["z"],
  ]);
  assert.deepEqual(styled("\x1b[4:3mx\x1b[4:0my"), [["x", "ansi-underline"], ["y"]]);
  assert.deepEqual(styled("\x1b[8mnot hidden"), [["not hidden"]]);
});

test("256 and all colours", () => {
  assert.deepEqual(styled("\x1b[38;5;9ma\x1b[38;5;208;1mb\x1b[48;5;232mc"), [
    ["a", "ansi-fg-9"],
    ["b", "ansi-bold", "#ff8700"],
    ["c", "ansi-bold", "#ff8700", "#080808"],
  ]);
  assert.deepEqual(styled("\x1b[38;2;1;2;300ma\x1b[38:2::1:2:3mb\x1b[48:2:1:2:3mc"), [
    ["a", "#0102ff"],
    ["b", "#010203"],
    ["c", "#010203", "#010203"],
  ]);
  assert.deepEqual(styled("\x1b[58;5;3;1ma\x1b[38;5;999mb\x1b[38mc"), [["abc", "ansi-bold"]]);
});

test("inverse changes front and back", () => {
  assert.deepEqual(styled("\x1b[7ma\x1b[31mb\x1b[48;5;21mc\x1b[27md"), [
    ["a", "ansi-fg-page ansi-bg-text"],
    ["b", "ansi-fg-page ansi-bg-1"],
    ["c", "ansi-bg-1", "#0000ff"],
    ["d", "ansi-fg-1", "#0000ff"],
  ]);
});

test("progress bars write over their line", () => {
  assert.equal(shown("10%\r50%\r100%\n"), "100%\n");
  assert.equal(shown("a long line\rshort"), "shortg line");
  assert.equal(shown("a long line\r\x1b[Kshort"), "short");
  assert.equal(shown("a long line\x1b[2K\x1b[1Gshort"), "short");
  assert.equal(shown("abc\b\bX"), "aXc");
  assert.equal(shown("\b\b\bx\r\r\n"), "x\n");
  assert.equal(shown("🐍🐍\rx"), "x🐍");
  assert.deepEqual(styled("\x1b[31maaa\r\x1b[32mb"), [
    ["b", "ansi-fg-2"],
    ["aa", "ansi-fg-1"],
  ]);
});

test("no other sequence is seen", () => {
  for (const sequence of [
    "\x1b[2J",
    "\x1b[10;10H",
    "\x1b[?25l",
    "\x1b[>4;2m",
    "\x1b[ q",
    "\x1b]0;title\x07",
    "\x1b]0;title\x1b\\",
    "\x1b]52;c;cm0gLXJm\x07",
    "\x1bP1$r0m\x1b\\",
    "\x1b_x\x1b\\",
    "\x1b^x\x9c",
    "\x1b(B",
    "\x1b=",
    "\x1bc",
    "\x9b31m\x9b0m",
    "\x9d0;title\x9c",
    "\x85",
  ]) {
    assert.equal(shown(`a${sequence}b`), "ab", JSON.stringify(sequence));
  }
  assert.equal(shown("a\x1b"), "a");
  assert.equal(shown("a\x1b[31"), "a");
  assert.equal(shown("a\x1b[31é"), "aé");
  assert.equal(shown("a\x1b\nb"), "a\nb");
  assert.equal(shown("a\x1b]never closed\nb"), "a\nb");
  assert.equal(shown("a\x1bPnever closed\nb"), "a\nb");
});

test("what is hidden is made visible", () => {
  assert.equal(shown("a\u202eb\0c\x07\x7f\u200b"), "a‹U+202E›b‹U+0000›c‹U+0007›‹U+007F›‹U+200B›");
  assert.equal(visible("👩‍💻\t\n می‌خواهم"), "👩‍💻\t\n می‌خواهم");
  assert.equal(visible("\u{e0041}\ud800\u2066"), "‹U+E0041›‹U+D800›‹U+2066›");
});

test("links lead to the web, or are text", () => {
  const [line] = ansi("\x1b]8;id=1;https://a.test/x\x1b\\here\x1b]8;;\x07 there").lines;
  assert.deepEqual(
    line?.map((each) => [each.text, each.style.href]),
    [
      ["here", "https://a.test/x"],
      [" there", null],
    ],
  );
  assert.equal(ansi("\x1b]8;;file:///etc/passwd\x07x").lines[0]?.[0]?.style.href, null);
  const long = `\x1b]8;${"x".repeat(2000)};https://a.test/${"y".repeat(1000)}\x07x`;
  assert.equal(ansi(long).lines[0]?.[0]?.style.href, null);
  for (const address of HOSTILE_ADDRESSES) {
    const lines = ansi(`\x1b]8;;${address}\x1b\\x`).lines;
    for (const { style } of lines.flat()) assert.equal(style.href, null, JSON.stringify(address));
  }
});

test("only plain addresses are safe", () => {
  assert.equal(safeLink(" HTTPS://Example.test/a?b#c "), "https://example.test/a?b#c");
  assert.equal(safeLink("mailto:a@b.test"), "mailto:a@b.test");
  for (const address of HOSTILE_ADDRESSES) assert.equal(safeLink(address), null, address);
  for (const address of [
    "https://a b",
    "https://[",
    "/tasks",
    "#x",
    `https://${"x".repeat(3000)}`,
  ]) {
    assert.equal(safeLink(address), null);
  }
  assert.ok(isAllowed(safeLink("https://аpple.test/‮") ?? "https://x.test/"));
});

test("long lines are cut, and say so", () => {
  const [line] = ansi(`${"x".repeat(10_000)}${"y".repeat(1204)}`).lines;
  assert.deepEqual(
    line?.map((each) => each.text.length),
    [10_000, "… 1,204 more characters".length],
  );
  assert.equal(line?.[1]?.text, "… 1,204 more characters");
  assert.equal(line?.[1]?.style.classes, "ansi-omitted");
  const [emoji] = ansi(`x${"🐍".repeat(6000)}z\rab`).lines;
  assert.match(emoji?.[0]?.text ?? "", /^ab🐍+$/u);
  const [over] = ansi(`\r${"x".repeat(10_001)}`).lines;
  assert.equal(over?.at(-1)?.text, "… 1 more character");
});

const SCRAPS = [
  "\x1b",
  "[",
  "]",
  "8;;",
  "https://a.test",
  "31",
  ";",
  "m",
  "K",
  "2",
  "1",
  "G",
  "\x07",
];
SCRAPS.push(
  "\n",
  "\t",
  "\b",
  "a",
  "é",
  "🐍",
  "\x9b",
  "\x9c",
  "\x9d",
  "\x90",
  "\x1b[1;38;5;200m",
  "P",
);
SCRAPS.push("\\", " ", "(", ":", "0", "\x1b]8;;", "\x1b]", "word", "\x18", "\x1b[0m");

test("whatever comes, it is shown without harm and with nothing made up", () => {
  const dice = random(11);
  for (let round = 0; round < 3000; round += 1) {
    const text = Array.from({ length: dice(80) }, () => SCRAPS[dice(SCRAPS.length)]).join("");
    const { lines } = ansi(text.replaceAll("\b", "").replaceAll("G", ""));
    let at = 0;
    for (const character of plain(lines)
      .join("\n")
      .replace(/‹U\+[0-9A-F]+›/g, "")) {
      at = text.indexOf(character, at) + 1;
      assert.notEqual(at, 0, JSON.stringify(text));
    }
    for (const { style } of lines.flat()) assert.ok(style.href === null || isAllowed(style.href));
  }
});

test("it doesn't matter how the output was cut into pieces", () => {
  const dice = random(13);
  for (let round = 0; round < 100; round += 1) {
    const scraps = [...SCRAPS, "\r", "\r\n", "\u202e", "x".repeat(3000)];
    const text = Array.from({ length: 1 + dice(60) }, () => scraps[dice(scraps.length)]).join("");
    /** @type {string[]} */
    const pieces = [];
    for (const character of text) {
      if (pieces.length === 0 || dice(4) === 0) pieces.push(character);
      else pieces.push(pieces.pop() + character);
    }
    const [cut, whole] = [pieces, [text]].map((each) => JSON.stringify(assembled(each)));
    assert.equal(cut, whole, JSON.stringify(text).slice(0, 500));
  }
});

test("a state can be used again", () => {
  const { state } = ansi("\x1b[31mabc\rx");
  const again = [ansi("y\x1b[", state), ansi("y\x1b[", state)];
  assert.deepEqual(again[0], again[1]);
  assert.deepEqual(plain(again[0]?.lines ?? []), ["xyc"]);
});

test("random bytes never throw", () => {
  const dice = random(17);
  for (let round = 0; round < 300; round += 1) {
    const codes = Array.from({ length: 300 }, () => dice(dice(3) === 0 ? 0x10000 : 0x100));
    ansi(String.fromCharCode(...codes));
  }
});

test("big ones take no longer than they must", () => {
  const line = "\x1b[32m✓\x1b[39m \x1b[90msrc/some/file.test.js > it works\x1b[39m 12 ms of 100";
  assert.equal(ansi(`${line}\n`.repeat(100_000)).lines.length, 100_001);
  const many = "\x1b[31ma\x1b[32mb".repeat(5_000);
  for (const hostile of [
    "\rx",
    "\b",
    "\x1b[K",
    "\x1b[2K",
    "\x1b",
    "\x1b]",
    "\x1b[",
    "1;",
    "\x1b]8;;",
  ]) {
    ansi(many + hostile.repeat(50_000));
  }
  ansi(`\x1b]8;;${"x".repeat(1e6)}`);
  ansi(`\x1b[${"1;".repeat(5e5)}m`);
});
