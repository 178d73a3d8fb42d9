// Markdown of those who mean harm: where its links lead, and how long and how deep it can be.

import assert from "node:assert/strict";
import { test } from "node:test";
import { parseMarkdown } from "../../src/buildd_server/web/text/markdown.js";
import { HOSTILE_ADDRESSES, isAllowed, random } from "./hostile.js";

/** Every link of a document. @param {unknown} node @returns {string[]} */
function links(node) {
  if (typeof node !== "object" || node === null) return [];
  const own = "href" in node ? [String(node.href)] : [];
  return [...own, ...Object.values(node).flatMap(links)];
}

/** How deep a document is. @param {unknown} node @returns {number} */
function depth(node) {
  if (typeof node !== "object" || node === null) return 0;
  return 1 + Math.max(0, ...Object.values(node).map(depth));
}

test("no hostile address becomes a link, wherever it stands", () => {
  for (const address of HOSTILE_ADDRESSES) {
    for (const text of [
      `[x](${address})`,
      `[x](<${address}>)`,
      `[x](${address} "t")`,
      `![x](${address})`,
      `<${address}>`,
      address,
      `| [x](${address}) |\n|---|\n| <${address}> |`,
      `> - [x](${address})`,
      `[x]: ${address}\n\n[x]`,
    ]) {
      for (const href of links(parseMarkdown(text))) {
        assert.ok(isAllowed(href), `${JSON.stringify(text)} leads to ${href}`);
      }
    }
    for (const href of links(parseMarkdown(`[x](${address})`))) {
      assert.ok(address.includes("https://"), `${address} leads to ${href}`);
    }
  }
});

const SCRAPS = [
  "*",
  "**",
  "_",
  "~~",
  "`",
  "```",
  "[",
  "]",
  "(",
  ")",
  "![",
  "](",
  "<",
  ">",
  "> ",
  "- ",
];
SCRAPS.push(
  "1. ",
  "#",
  "# ",
  "|",
  "|-|",
  "\n",
  "\n\n",
  "    ",
  "\t",
  "  ",
  "\\",
  "&",
  "&#58;",
  "word",
);
SCRAPS.push(
  "https://a.test/",
  "javascript:",
  "mailto:a@b.test",
  "🐍",
  "\ud800",
  "\0",
  "---",
  "===",
  " ",
);

test("whatever it is, it is read, and its links are allowed", () => {
  const dice = random(19);
  for (let round = 0; round < 5000; round += 1) {
    const text = Array.from({ length: dice(60) }, () => SCRAPS[dice(SCRAPS.length)]).join("");
    for (const href of links(parseMarkdown(text))) assert.ok(isAllowed(href), text);
  }
  for (let round = 0; round < 300; round += 1) {
    parseMarkdown(String.fromCharCode(...Array.from({ length: 300 }, () => dice(0x180))));
  }
});

test("no word gets lost", () => {
  const dice = random(23);
  for (let round = 0; round < 2000; round += 1) {
    let word = 0;
    const text = Array.from({ length: dice(60) }, () => {
      const scrap = SCRAPS[dice(SCRAPS.length - 1)];
      return scrap === "word" || dice(4) === 0 ? ` w${word++} ` : scrap;
    }).join("");
    const kept = JSON.stringify(parseMarkdown(text));
    for (let at = 0; at < word; at += 1) {
      const isInfo = new RegExp(`(\`\`\`|~~~)[^\\n]*w${at}\\b`).test(text);
      assert.ok(isInfo || kept.includes(`w${at}`), `${at} of ${JSON.stringify(text)}`);
    }
  }
});

test("nesting is bounded", () => {
  for (const sign of ["> ", "- ", "1. ", "* a\n ", "*a ", "**", "[", "![", "_a*"]) {
    const text = sign.repeat(5000);
    for (const end of [
      "x",
      "*".repeat(5000),
      "](https://a.test)".repeat(5000),
      "_*".repeat(5000),
    ]) {
      assert.ok(depth(parseMarkdown(`${text}x${end}`)) < 150, sign);
    }
  }
});

test("a million signs take no longer than they must", () => {
  const signs = [
    "[",
    "]",
    "*",
    "_",
    "~~",
    ">",
    "`",
    "`a``",
    "- ",
    "#",
    "|",
    "<",
    "<a",
    "&",
    "\\",
    "![",
  ];
  signs.push(
    "[a](",
    "[a](<",
    "[a](b (",
    '[a](b "',
    "*a ",
    "a* ",
    "*a_ ",
    "_a*",
    "a**b",
    "[![x",
    "](",
  );
  signs.push("\n", "- a\n", "```\n", "\t- ", "| a |\n|-|\n", "https://", "🐍*", "  \n", "*a **b");
  for (const sign of signs) parseMarkdown(sign.repeat(2e5 / sign.length));
  for (const sign of ["[", "*", ">", "`"]) parseMarkdown(sign.repeat(1e6 / sign.length));
  for (const [open, close] of [
    ["*", "*"],
    ["[", "](u)"],
    ["![x", "](https://u.v)"],
    ["a*", "*a"],
  ]) {
    parseMarkdown(`${open?.repeat(50_000)}x${close?.repeat(50_000)}`);
  }
  parseMarkdown(Array.from({ length: 700 }, (_, at) => "`".repeat(at)).join(" "));
  parseMarkdown(Array.from({ length: 700 }, (_, at) => `${" ".repeat(at)}- x`).join("\n"));
});
