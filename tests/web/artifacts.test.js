// What is shown of diffs, where comments stand in them, and how artifacts are told apart.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  kindOf,
  newestFirst,
  openAtFirst,
  sizeOf,
} from "../../src/buildd_server/web/text/artifact-kinds.js";
import { parseDiff, select } from "../../src/buildd_server/web/text/diff.js";
import {
  between,
  chunksOf,
  itemsOf,
  linesOf,
  piecesOf,
  rowsOf,
} from "../../src/buildd_server/web/text/diff-chunks.js";
import { place } from "../../src/buildd_server/web/text/remarks.js";
import { random } from "./hostile.js";

/** @typedef {import("../../src/buildd_server/web/types.js").Artifact} Artifact */
/** @typedef {import("../../src/buildd_server/web/types.js").Comment} Comment */
/** @typedef {import("../../src/buildd_server/web/text/diff.js").File} File */

/**
 * A diff of one file with these lines, markers included.
 *
 * @param {string[]} lines
 */
function diffOf(lines) {
  const removed = lines.filter((line) => line[0] !== "+").length;
  const added = lines.filter((line) => line[0] !== "-").length;
  const head = [
    "diff --git a/x.py b/x.py",
    "--- a/x.py",
    "+++ b/x.py",
    `@@ -1,${removed} +1,${added} @@`,
  ];
  return [...head, ...lines, ""].join("\n");
}

/** @param {string[]} lines @returns {File} */
function fileOf(lines) {
  const [file] = parseDiff(diffOf(lines));
  assert.ok(file);
  return file;
}

/** @param {File} file */
function wholeOf(file) {
  return file.hunks.flatMap((hunk) => hunk.lines);
}

/** @param {Partial<Artifact>} fields @returns {Artifact} */
function artifact(fields) {
  return {
    id: "art_1",
    workerId: "wkr_1",
    type: "file",
    title: null,
    content: null,
    metadata: {},
    filename: null,
    mimeType: null,
    size: null,
    digest: null,
    createdAt: "2026-11-23T00:00:00Z",
    ...fields,
  };
}

/** @param {Partial<Comment>} fields @returns {Comment} */
function comment(fields) {
  return {
    id: "cmt_1",
    artifactId: "art_1",
    workerId: "wkr_1",
    author: "admin",
    content: "Why?",
    selection: null,
    resolved: false,
    createdAt: "2026-11-23T00:00:00Z",
    updatedAt: "2026-11-23T00:00:00Z",
    ...fields,
  };
}

test("chunks hold each line once and in order, whatever the lines are", () => {
  const dice = random(7);
  for (let round = 0; round < 50; round += 1) {
    const lines = Array.from({ length: dice(900) + 1 }, (_, at) => `${" +-"[dice(3)]}line ${at}`);
    const file = fileOf(lines);
    const chunks = chunksOf(file);
    assert.deepEqual(
      chunks.flatMap((chunk) => chunk.lines),
      wholeOf(file),
    );
    for (const split of [false, true]) {
      for (const chunk of chunks) {
        const items = itemsOf(chunk, split);
        const shown = items.flatMap(linesOf).filter((line) => line.kind !== "hunk");
        assert.equal(new Set(shown).size, shown.length);
        assert.equal(shown.length, chunk.lines.length);
        assert.ok(items.length >= rowsOf(chunk, split));
      }
    }
  }
});

test("a chunk does not end between the old and the new of a change", () => {
  const change = [...Array(80).fill("-old"), ...Array(80).fill("+new")];
  const chunks = chunksOf(
    fileOf([...Array(45).fill(" same"), ...change, ...Array(60).fill(" same")]),
  );
  const [first] = chunks.filter((chunk) => chunk.lines.some((line) => line.kind === "removed"));
  assert.ok(first);
  const rows = chunks
    .flatMap((chunk) => itemsOf(chunk, true))
    .filter((item) => item.kind === "row");
  const changed = rows.filter(
    (row) => row.before?.kind === "removed" || row.after?.kind === "added",
  );
  assert.equal(changed.length, 80);
});

test("what was only added is cut as context is, and an enormous change is cut anyway", () => {
  const added = chunksOf(fileOf(Array(1000).fill("+new")));
  assert.ok(Math.max(...added.map(({ lines }) => lines.length)) <= 50);
  const rewritten = chunksOf(fileOf([...Array(3000).fill("-old"), ...Array(3000).fill("+new")]));
  assert.ok(Math.max(...rewritten.map(({ lines }) => lines.length)) <= 400);
});

test("a chunk knows where it stands, its header with it", () => {
  const file = fileOf(Array(120).fill(" same"));
  const [first, second] = chunksOf(file);
  assert.equal(first?.from, file.hunks[0]?.header?.start);
  assert.equal(second?.header, null);
  assert.equal(second?.from, second?.lines[0]?.start);
});

test("words are marked in pairs, hidden characters are shown, and endless lines are cut", () => {
  const file = fileOf([
    "-total = 0",
    "+total = one",
    "+evil\u202e = 1",
    `+${"x".repeat(1999)}🐍${"y".repeat(50)}`,
  ]);
  const [removed, added, hidden, long] = wholeOf(file);
  assert.ok(removed && added && hidden && long);
  const marked = piecesOf(added, removed).pieces.filter((piece) => piece.changed);
  assert.deepEqual(
    marked.map((piece) => piece.text),
    ["one"],
  );
  assert.deepEqual(piecesOf(hidden, null).pieces[0]?.text, "evil‹U+202E› = 1");
  const { pieces, omitted } = piecesOf(long, null);
  assert.equal(pieces[0]?.text, "x".repeat(1999));
  assert.equal(omitted, 52);
});

test("the lines between two of one hunk, in either order, and else the last one", () => {
  const files = parseDiff(
    diffOf([" a", "-b", "+c", " d"]) + diffOf([" e"]).replaceAll("x.py", "y.py"),
  );
  const starts = files.map((file) => wholeOf(file).map((line) => line.start));
  const [one, other] = [starts[0]?.[1] ?? -1, starts[0]?.[3] ?? -1];
  assert.deepEqual(
    between(files, one, other).map((line) => line.text),
    ["b", "c", "d"],
  );
  assert.deepEqual(
    between(files, other, one).map((line) => line.text),
    ["b", "c", "d"],
  );
  assert.deepEqual(
    between(files, one, starts[1]?.[0] ?? -1).map((line) => line.text),
    ["e"],
  );
  assert.deepEqual(
    between(files, -1, one).map((line) => line.text),
    ["b"],
  );
  assert.deepEqual(between(files, -1, -2), []);
});

test("comments stand under the last line that they are about, in the order they were written", () => {
  const files = parseDiff(diffOf([" a", "-b", "+𝒄 🐍", " d"]));
  const lines = files.flatMap(wholeOf).slice(1, 3);
  const selection = select(lines);
  const placed = place(files, [
    comment({ id: "cmt_2", selection }),
    comment({ id: "cmt_1", selection }),
  ]);
  assert.deepEqual(
    placed.lines.get(lines[1]?.start ?? -1)?.map(({ id }) => id),
    ["cmt_1", "cmt_2"],
  );
  assert.equal(placed.rest.length, 0);
});

test("a comment whose line is not found stands at the end of the file, or of the whole", () => {
  const files = parseDiff(diffOf([" a", "-b", "+c"]));
  const [line] = files.flatMap(wholeOf);
  assert.ok(line);
  const other = comment({
    selection: { start: line.start, end: line.end, text: " something else" },
  });
  const above = comment({ selection: { start: 0, end: 5, text: "diff " } });
  const beyond = comment({ selection: { start: 90_000, end: 90_001, text: null } });
  const part = comment({ selection: { start: line.start + 1, end: line.end, text: "a" } });
  const whole = comment({});
  const placed = place(files, [other, above, beyond, whole, part]);
  assert.deepEqual([...placed.files.values()], [[other, above]]);
  assert.deepEqual(placed.rest, [beyond, whole]);
  assert.deepEqual([...placed.lines], [[line.start, [part]]]);
});

test("an artifact is shown by its type, a file by what it is", () => {
  const file = { filename: "x", size: 10 };
  assert.equal(kindOf(artifact({ type: "diff", content: "x" })), "diff");
  assert.equal(kindOf(artifact({ type: "file", content: "diff --git a/x b/x\n" })), "diff");
  assert.equal(kindOf(artifact({ type: "walkthrough", content: "# x" })), "markdown");
  assert.equal(kindOf(artifact({ type: "file", content: "x" })), "text");
  assert.equal(kindOf(artifact({ type: "pull_request", content: "https://x.test" })), "link");
  assert.equal(kindOf(artifact({ type: "summary" })), "nothing");
  assert.equal(kindOf(artifact({ ...file, type: "screenshot", mimeType: "image/png" })), "image");
  assert.equal(
    kindOf(artifact({ ...file, type: "screenshot", mimeType: "image/svg+xml" })),
    "file",
  );
  assert.equal(kindOf(artifact({ ...file, mimeType: "text/plain; charset=utf-8" })), "text");
  assert.equal(kindOf(artifact({ ...file, mimeType: "text/html" })), "file");
  assert.equal(kindOf(artifact({ ...file, mimeType: "text/markdown" })), "markdown");
  assert.equal(kindOf(artifact({ ...file, mimeType: "text/x-diff" })), "diff");
  assert.equal(kindOf(artifact({ ...file, mimeType: "text/plain", size: 5_000_000 })), "file");
});

test("the size is that of the file, or of the text in bytes", () => {
  assert.equal(sizeOf(artifact({ size: 7 })), 7);
  assert.equal(sizeOf(artifact({ content: "ü" })), 2);
  assert.equal(sizeOf(artifact({})), 0);
});

test("of the newest attempt all is open but the earlier diffs", () => {
  const all = [
    artifact({ id: "art_1", workerId: "wkr_1", type: "diff" }),
    artifact({ id: "art_4", workerId: "wkr_2", type: "diff" }),
    artifact({ id: "art_3", workerId: "wkr_2", type: "diff" }),
    artifact({ id: "art_2", workerId: "wkr_2", type: "summary" }),
  ];
  const order = newestFirst(all, ["wkr_1", "wkr_2"]);
  assert.deepEqual(
    order.map(({ id }) => id),
    ["art_4", "art_3", "art_2", "art_1"],
  );
  assert.deepEqual([...openAtFirst(order)].sort(), ["art_2", "art_4"]);
  assert.deepEqual([...openAtFirst([])], []);
});
