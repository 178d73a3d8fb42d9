// Messages as rows: merged, told apart, paired with what tools answered, split into lines.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  countLines,
  createTranscript,
  gist,
  looksLikeOutput,
  mergeMessages,
  spansOfRow,
} from "../../src/buildd_server/web/text/transcript.js";

/** @param {number} number @param {Record<string, unknown>} [fields] @returns {any} */
function message(number, fields) {
  const tool = { toolName: null, toolInput: null, toolOutput: null };
  const id = `msg_${String(number).padStart(6, "0")}`;
  return {
    id,
    role: "assistant",
    content: "hello",
    answers: null,
    costUsd: null,
    attachments: [],
    ...tool,
    ...fields,
  };
}

test("messages come once and in order; one with more files takes its place", () => {
  const file = /** @type {any} */ ({ id: "att_1" });
  const known = [message(2), message(3)];
  const merged = mergeMessages(known, [
    message(3),
    message(1),
    message(2, { attachments: [file] }),
  ]);
  assert.deepEqual(
    merged.map(({ id }) => id),
    ["msg_000001", "msg_000002", "msg_000003"],
  );
  assert.equal(merged[1]?.attachments.length, 1);
  assert.equal(merged[2], known[1], "what is the same stays the same object");
});

test("prose is told from output", () => {
  for (const prose of [
    "One.\n\nTwo.",
    "# Title\n- a\n- b\n- c\n- d",
    "```\na\nb\nc\nd\ne\n```",
    "",
  ])
    assert.equal(looksLikeOutput(prose), false, prose);
  for (const output of ["\x1b[31mred", "10%\r20%", "a\nb\nc\nd", "x".repeat(20_001)])
    assert.equal(looksLikeOutput(output), true, output.slice(0, 20));
});

test("a tool's answer stands with its use, in the order of the uses", () => {
  const transcript = createTranscript();
  transcript.put([
    message(1, { toolName: "bash", toolInput: { command: "one" }, content: "bash one" }),
    message(2, { toolName: "bash", toolInput: { command: "two" }, content: "bash two" }),
    message(3, { role: "tool", toolName: "bash", content: "done", toolOutput: "first" }),
    message(4, { role: "tool", toolName: "bash", content: "failed", toolOutput: "second" }),
  ]);
  assert.deepEqual(
    transcript.entries.map(({ message: { id }, result }) => [id, result?.content]),
    [
      ["msg_000001", "done"],
      ["msg_000002", "failed"],
    ],
  );
  const entry = /** @type {any} */ (transcript.entries[0]);
  assert.deepEqual(gist(entry), { name: "bash", about: "one" });
});

test("an answer whose use was not read yet joins it when it is", () => {
  const transcript = createTranscript();
  transcript.put([message(2, { role: "tool", toolName: "bash", content: "done" })]);
  assert.equal(transcript.entries.length, 1);
  transcript.put([message(1, { toolName: "bash", toolInput: { command: "ls" } })]);
  assert.deepEqual(
    transcript.entries.map(({ id }) => id),
    ["msg_000001"],
  );
});

test("a use of a tool is one row until it is opened", () => {
  const transcript = createTranscript();
  const use = {
    role: "tool",
    toolName: "bash",
    toolInput: { command: "ls" },
    toolOutput: "a\nb\n",
  };
  transcript.put([message(1, use)]);
  assert.equal(transcript.rows().length, 1);
  assert.equal(transcript.rows(), transcript.rows(), "nothing has changed");
  transcript.toggle(/** @type {any} */ (transcript.entries[0]));
  assert.deepEqual(
    transcript.rows().map(({ block, line }) => [block?.kind, line]),
    [
      [undefined, 0],
      ["input", 0],
      ["output", 0],
      ["output", 1],
    ],
  );
});

test("rows last when more is said, and what came at the end is counted", () => {
  const transcript = createTranscript();
  assert.equal(transcript.put([message(2)]), 1);
  const row = transcript.rows()[0];
  assert.equal(transcript.put([message(1)]), 0);
  assert.equal(transcript.put([message(3), message(4)]), 2);
  assert.equal(transcript.rows()[1], row);
});

test("lines are counted as the terminal makes them", () => {
  for (const text of [
    "",
    "a",
    "a\n",
    "a\nb",
    "\n\n",
    "a\r\nb",
    "\x1b]8;;x\nb",
    "\x1b[3\nb",
    "\x1b\nb",
    "\x1bP x\nb",
  ]) {
    const transcript = createTranscript();
    transcript.put([message(1, { role: "tool", toolName: "t", toolOutput: `${text}\nend` })]);
    transcript.toggle(/** @type {any} */ (transcript.entries[0]));
    const last = transcript.rows().at(-1);
    assert.ok(last);
    assert.equal(
      spansOfRow(last)
        .map((span) => span.text)
        .join("")
        .slice(-3),
      "end",
      JSON.stringify(text),
    );
    assert.equal(countLines(`${text}\nend`), text.split("\n").length + 1);
  }
});

test("100,000 lines are rows in less than a blink", () => {
  const transcript = createTranscript();
  const text = Array.from({ length: 1000 }, (_, n) => `\x1b[32m${n}\x1b[0m line`).join("\n");
  transcript.put(Array.from({ length: 100 }, (_, n) => message(n, { content: text })));
  const rows = transcript.rows();
  assert.equal(rows.length, 100_000);
  assert.equal(
    rows.filter(({ block }) => block?.lines).length,
    0,
    "nothing is parsed before it is seen",
  );
  assert.equal(spansOfRow(/** @type {any} */ (rows[99_999]))[0]?.text, "999");
});
