// Diffs as the real git writes them, and what merely looks like one.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import {
  locate,
  parseDiff,
  select,
  sideBySide,
  wordDiff,
} from "../../src/buildd_server/web/text/diff.js";
import { random } from "./hostile.js";

/** @typedef {import("../../src/buildd_server/web/text/diff-lines.js").File} File */

const NAMES = [
  "kept",
  "plain.txt",
  "with space.txt",
  "ünïcode 🐍.txt",
  'tab\t"quote\\.txt',
  "b c b",
];
let home = "";

before(() => {
  home = mkdtempSync(join(tmpdir(), "diff-"));
  git("init", "-q");
});
after(() => rmSync(home, { recursive: true }));

/** @param {string[]} args */
function git(...args) {
  const identity = ["-c", "user.name=x", "-c", "user.email=x@y", "-c", "core.autocrlf=false"];
  const env = { PATH: process.env.PATH, GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_NOSYSTEM: "1" };
  return execFileSync("git", [...identity, ...args], { cwd: home, env, encoding: "utf8" });
}

/** @param {string} name @param {string | Buffer} content */
function put(name, content) {
  mkdirSync(join(home, name, ".."), { recursive: true });
  writeFileSync(join(home, name), content);
}

/** @param {string} message */
function commit(message) {
  git("add", "-A");
  git("commit", "-qm", message);
}

/** @param {File[]} files */
function everyLine(files) {
  return files.flatMap((file) => [
    ...file.headers,
    ...file.hunks.flatMap((hunk) => [...(hunk.header ? [hunk.header] : []), ...hunk.lines]),
  ]);
}

/** Each line is in one place, and where its offsets say. @param {string} content */
function checked(content) {
  const files = parseDiff(content);
  const lines = everyLine(files);
  const raw = lines.map((each) => each.raw).join("\n");
  assert.equal(content.endsWith("\n") ? `${raw}\n` : raw, content);
  const characters = Array.from(content);
  for (const line of lines.slice(0, 500)) {
    assert.equal(characters.slice(line.start, line.end).join(""), line.raw);
    if (line.end > line.start) assert.equal(locate(files, line)?.line, line);
  }
  return files;
}

/** @param {File | undefined} file */
function story(file) {
  assert.ok(file);
  const { status, path, oldPath, oldMode, newMode, binary, added, removed } = file;
  const said = { status, path, oldPath, oldMode, newMode, binary, added, removed };
  return Object.fromEntries(Object.entries(said).filter(([, value]) => value));
}

test("files are added, changed and deleted under any name", () => {
  for (const name of NAMES) put(name, "one\ntwo\nthree\n");
  commit("first");
  for (const name of NAMES) put(name, "one\n2\nthree\nfour\n");
  put("new file", "");
  rmSync(join(home, "b c b"));
  commit("second");
  for (const quoted of ["true", "false"]) {
    const files = checked(git("-c", `core.quotePath=${quoted}`, "diff", "HEAD~", "HEAD"));
    const changed = files.filter((each) => each.status === "modified");
    assert.deepEqual(changed.map((each) => each.path).sort(), NAMES.slice(0, -1).sort());
    for (const file of changed) assert.deepEqual([file.added, file.removed], [2, 1]);
    const rest = files.filter((each) => each.status !== "modified").map(story);
    assert.deepEqual(rest, [
      { status: "deleted", path: "b c b", oldMode: "100644", removed: 3 },
      { status: "added", path: "new file", newMode: "100644" },
    ]);
  }
});

test("files move, are copied, change their mode and are binary", () => {
  const text = Array.from({ length: 20 }, (_, at) => `line ${at}\n`).join("");
  put("from here.txt", text);
  put("copied", `x${text}`);
  put("tool.sh", "#!/bin/sh\n");
  put("image", Buffer.from([0, 1, 2, 3]));
  put("gone", Buffer.from([0, 9]));
  commit("third");
  renameSync(join(home, "from here.txt"), join(home, "to\tthere.txt"));
  put("copied", `x${text}y`);
  put("copy", `x${text}y`);
  put("image", Buffer.from([0, 3, 2, 1]));
  rmSync(join(home, "gone"));
  git("add", "-A");
  git("update-index", "--chmod=+x", "tool.sh");
  git("commit", "-qm", "fourth");
  for (const binary of ["--patch", "--binary"]) {
    const files = checked(git("diff", "-C", binary, "HEAD~", "HEAD"));
    assert.deepEqual(files.map(story), [
      { status: "modified", path: "copied", added: 1 },
      { status: "copied", path: "copy", oldPath: "copied", added: 1 },
      { status: "deleted", path: "gone", oldMode: "100644", binary: true },
      { status: "modified", path: "image", binary: true },
      { status: "renamed", path: "to\tthere.txt", oldPath: "from here.txt" },
      { status: "modified", path: "tool.sh", oldMode: "100644", newMode: "100755" },
    ]);
  }
  const mnemonic = checked(git("-c", "diff.mnemonicPrefix=true", "diff", "-M", "HEAD~", "HEAD"));
  assert.equal(mnemonic[0]?.path, "copied");
  assert.equal(checked(git("diff", "--no-prefix", "HEAD~", "HEAD"))[0]?.path, "copied");
});

test("lines have their numbers, whatever ends them", () => {
  put("ends", "a\nb\r\nc");
  commit("fifth");
  put("ends", "a\nB\r\nc\n🐍 d");
  commit("sixth");
  const [file] = checked(git("diff", "HEAD~", "HEAD"));
  const [hunk] = file?.hunks ?? [];
  assert.deepEqual(
    hunk?.lines.map((each) => [each.kind, each.before, each.after, each.text]),
    [
      ["context", 1, 1, "a"],
      ["removed", 2, null, "b"],
      ["removed", 3, null, "c"],
      ["note", null, null, "No newline at end of file"],
      ["added", null, 2, "B"],
      ["added", null, 3, "c"],
      ["added", null, 4, "🐍 d"],
      ["note", null, null, "No newline at end of file"],
    ],
  );
});

test("whole patches of mail keep what stands around the files", () => {
  const [preamble, file, signature] = checked(git("format-patch", "--stdout", "-1"));
  assert.equal(preamble?.status, "plain");
  assert.match(preamble?.hunks[0]?.lines[0]?.text ?? "", /^From /);
  assert.equal(file?.path, "ends");
  assert.equal(signature?.hunks[0]?.lines[0]?.text, "-- ");
});

test("the diff of a merge is shown as it is", () => {
  git("checkout", "-qb", "side", "HEAD~");
  put("kept", "side\n");
  commit("side");
  git("checkout", "-q", "-");
  put("kept", "main\n");
  commit("main");
  assert.throws(() => git("merge", "side"));
  const [file, ...rest] = checked(git("diff"));
  assert.deepEqual(story(file), { status: "plain", path: "kept" });
  assert.equal(file?.hunks[0]?.header, null);
  assert.deepEqual(rest, []);
  git("merge", "--abort");
});

test("a patch needs no line of git's", () => {
  const [file, after] = checked(
    "--- a/x y\t2026-01-01\n+++ /dev/null\n@@ -1 +0,0 @@ f()\n-x\nend\n",
  );
  assert.deepEqual(story(file), { status: "deleted", path: "x y", removed: 1 });
  assert.equal(file?.hunks[0]?.section, "f()");
  assert.equal(after?.hunks[0]?.lines[0]?.text, "end");
  const crlf = checked("diff --git a/x b/x\r\n--- a/x\r\n+++ b/x\r\n@@ -1 +1 @@\r\n-a\r\n+b\r\n");
  assert.deepEqual(story(crlf[0]), { status: "modified", path: "x", added: 1, removed: 1 });
});

test("lines that look like headers are content inside of a hunk", () => {
  const content =
    "--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n--- a/y\n-@@ -1 +1 @@\n+++ b/y\n+diff --git a b\n";
  const [file, ...rest] = checked(content);
  assert.deepEqual(rest, []);
  assert.deepEqual([file?.added, file?.removed], [2, 2]);
});

test("a comment is tied to characters as Python counts them", () => {
  const content = "🐍🐍\n--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n 🐍 a\n-b\n+c\n";
  const files = checked(content);
  const lines = files[1]?.hunks[0]?.lines ?? [];
  const selection = select(lines.slice(0, 2));
  assert.deepEqual(selection, { start: 35, end: 42, text: " 🐍 a\n-b" });
  assert.equal(locate(files, selection)?.line, lines[1]);
  assert.equal(locate(files, { start: 36, end: 36 })?.line, lines[0]);
  assert.equal(locate(files, { start: 1000, end: 1001 }), null);
  assert.throws(() => select([]), RangeError);
});

test("removed lines stand beside what came in their place", () => {
  const content = "--- a/x\n+++ b/x\n@@ -1,5 +1,4 @@\n a\n-b\n-c\n+B\n z\n+d\n-e\n\\ No newline\n";
  const rows = sideBySide(
    checked(content)[0]?.hunks[0] ?? { header: null, section: "", lines: [] },
  );
  assert.deepEqual(
    rows.map((row) => [row.before?.text, row.after?.text]),
    [
      ["a", "a"],
      ["b", "B"],
      ["c", undefined],
      ["z", "z"],
      [undefined, "d"],
      ["e", undefined],
      ["No newline", undefined],
    ],
  );
});

test("changed words are marked where that helps", () => {
  /** @param {string} a @param {string} b */
  const marked = (a, b) => {
    const { before, after } = wordDiff(a, b);
    return [before, after].map((side) =>
      side.map((each) => (each.changed ? `[${each.text}]` : each.text)).join(""),
    );
  };
  assert.deepEqual(marked("let a = f(x, y);", "let b = f(x);"), [
    "let [a] = f(x[, y]);",
    "let [b] = f(x);",
  ]);
  assert.deepEqual(marked("the old words of it", "the new text of it"), [
    "the [old words] of it",
    "the [new text] of it",
  ]);
  assert.deepEqual(marked("nothing alike", "at all"), ["nothing alike", "at all"]);
  assert.deepEqual(marked("", "x"), ["", "x"]);
  assert.deepEqual(marked("🐍 a", "🐍 b"), ["🐍 [a]", "🐍 [b]"]);
  const long = "ab ".repeat(3000);
  assert.deepEqual(marked(long, `${long}x`), [long, `${long}x`]);
  const many = Array.from({ length: 900 }, (_, at) => `${at} `).join("");
  for (const side of marked(`same ${many}`, `same x${many}y`)) assert.match(side, /^same/);
});

test("garbage is text, and nothing of it is lost", () => {
  const scraps = ["diff --git ", "--- ", "+++ ", "@@ -1,9 +1,9 @@", "a/x", ' "\\303', "\n", "\r\n"];
  scraps.push(
    "-",
    "+",
    " ",
    "\\",
    "🐍",
    "\ud800",
    "\0",
    "rename to ",
    "GIT binary patch",
    '"',
    "@@@",
  );
  const dice = random(7);
  for (let round = 0; round < 2000; round += 1) {
    const parts = Array.from({ length: dice(60) }, () => scraps[dice(scraps.length)]);
    const files = checked(parts.join(""));
    for (const hunk of files.flatMap((each) => each.hunks)) sideBySide(hunk);
    wordDiff(parts.slice(0, 9).join(""), parts.slice(9).join(""));
  }
});

test("big ones take no longer than they must", () => {
  const hunk = `@@ -1,100000 +1,100000 @@\n${"-a\n".repeat(1e5)}${"+b\n".repeat(1e5)}`;
  const [file] = parseDiff(`--- a/x\n+++ b/x\n${hunk}`);
  assert.equal(sideBySide(file?.hunks[0] ?? { header: null, section: "", lines: [] }).length, 1e5);
  parseDiff("diff --git a/x b/x\n".repeat(50_000));
  parseDiff("--- a\n".repeat(100_000));
  parseDiff(`diff --git "${"\\303".repeat(250_000)}`);
  wordDiff("a ".repeat(500_000), "b ".repeat(500_000));
});
