// Markdown as agents write it, and as those would who mean harm.

import assert from "node:assert/strict";
import { test } from "node:test";
import { parseMarkdown } from "../../src/buildd_server/web/text/markdown.js";

/** @typedef {import("../../src/buildd_server/web/text/markdown.js").Block} Block */
/** @typedef {import("../../src/buildd_server/web/text/markdown.js").Inline} Inline */

const SIGNS = { emphasis: "/", strong: "!", strike: "-" };

/** A text as one can compare it: /emphasis/, !strong!, -strike-. @param {Inline[]} nodes @returns {string} */
function inline(nodes) {
  return nodes
    .map((node) => {
      if (node.type === "text") return node.text;
      if (node.type === "code") return `{${node.text}}`;
      if (node.type === "break") return "↵";
      if (node.type !== "link") {
        return SIGNS[node.type] + inline(node.content) + SIGNS[node.type];
      }
      return `${node.image ? "image" : ""}<${node.href} ${inline(node.content)}>`;
    })
    .join("");
}

/** @param {Block[]} blocks @returns {string[]} */
function outline(blocks) {
  return blocks.flatMap((block) => {
    if (block.type === "heading") return [`h${block.level} ${inline(block.content)}`];
    if (block.type === "paragraph") return [`p ${inline(block.content)}`];
    if (block.type === "code") return [`code ${block.language}: ${block.text}`];
    if (block.type === "quote") return outline(block.blocks).map((each) => `> ${each}`);
    if (block.type === "rule") return ["rule"];
    if (block.type === "table") {
      const rows = [block.head, ...block.rows].map((row) => row.map(inline).join(" | "));
      return [`table ${block.align.join(" ")}`, ...rows];
    }
    const name = `${block.ordered ? block.start : "-"}${block.tight ? "" : " loose"}`;
    return block.items.flatMap(({ done, blocks: inside }) => {
      const box = done === null ? "" : done ? "[x]" : "[ ]";
      return [`${name}${box}`, ...outline(inside).map((each) => `  ${each}`)];
    });
  });
}

/** @param {string} text @param {string[]} expected */
function reads(text, ...expected) {
  assert.deepEqual(outline(parseMarkdown(text)), expected, JSON.stringify(text));
}

/** @param {[string, string][]} cases each one paragraph */
function says(cases) {
  for (const [text, expected] of cases) reads(text, `p ${expected}`);
}

test("headings, rules and paragraphs", () => {
  reads("# One\n## Two ##\n###### Six #7\n", "h1 One", "h2 Two", "h6 Six #7");
  reads("#no\n####### no\n#\n", "p #no\n####### no", "h1 ");
  reads("One\n===\nTwo\nlines\n---\n", "h1 One", "h2 Two\nlines");
  reads("***\n- - -\n____\n--\n", "rule", "rule", "rule", "p --");
  reads("a\nb\n\n\nc\r\nd\re", "p a\nb", "p c\nd\ne");
  reads("");
});

test("code keeps what is in it", () => {
  reads(
    "```js title\nlet a = `*b*`;\n\n  <b>\n```\nend",
    "code js: let a = `*b*`;\n\n  <b>",
    "p end",
  );
  reads("~~~\n```\n~~~~\n", "code : ```");
  reads("  ```\n  a\n b\n   c\n```", "code : a\nb\n c");
  reads("```\nnever closed", "code : never closed");
  reads("``` a`b\nc", "p ``` a`b\nc");
  reads("    one\n\n\ttwo\n      three\n\nend", "code : one\n\ntwo\n  three", "p end");
  reads("text\n    goes on", "p text\ngoes on");
});

test("lists nest, count and are ticked", () => {
  reads(
    "- a\n- b\n  - c\n\n    d\n- e",
    "-",
    "  p a",
    "-",
    "  p b",
    "  - loose",
    "    p c",
    "    p d",
    "-",
    "  p e",
  );
  reads("3. a\n4. b\n1) c", "3", "  p a", "3", "  p b", "1", "  p c");
  reads(
    "- [ ] to do\n- [x] done\n- [X] too\n- [y] no",
    "-[ ]",
    "  p to do",
    "-[x]",
    "  p done",
    "-[x]",
    "  p too",
    "-",
    "  p [y] no",
  );
  reads("* a\n\n* b", "- loose", "  p a", "- loose", "  p b");
  reads("- a\nlazy\n\nend", "-", "  p a\nlazy", "p end");
  reads(
    "1.  a\n\n        code\n\n    ```\n    x\n    ```",
    "1",
    "  p a",
    "  code : code",
    "  code : x",
  );
  reads("text\n2. no list\n1. list", "p text\n2. no list", "1", "  p list");
  reads("-\n\n  out", "-", "p out");
  reads("-\ta\n-\tb", "-", "  p a", "-", "  p b");
  reads("- ```\n  a\n- b", "-", "  code : a", "-", "  p b");
});

test("quotes nest, and may be lazy", () => {
  reads("> a\n> > b\nlazy\n\nc", "> p a", "> > p b\nlazy", "p c");
  reads(">```\n> a\nb", "> code : a", "p b");
  reads("> # a\nb\n>- c", "> h1 a", "p b", "> -", ">   p c");
});

test("tables have columns", () => {
  const text = "| a | b | c | d |\n|---|:-:|--:|:--|\n| 1 | `x\\|y` | **z** |\n5 | 6\nend\n\nout";
  reads(
    text,
    "table  center right left",
    "a | b | c | d",
    "1 | {x|y} | !z!",
    "5 | 6",
    "end",
    "p out",
  );
  reads("text\n| a |\n|---|\n", "p text", "table ", "a");
  reads("| a | b |\n|---|\n", "p | a | b |\n|---|");
  reads("a | b\n-- | --", "table  ", "a | b");
});

test("emphasis as CommonMark has it", () => {
  says([
    ["*a* _b_ **c** __d__ ***e*** ~~f~~ ~g~", "/a/ /b/ !c! !d! /!e!/ -f- ~g~"],
    ["**a *b* c** *d **e** f*", "!a /b/ c! /d !e! f/"],
    ["snake_case_name a_*b*_", "snake_case_name a_/b/_"],
    ["a * b * c ** d", "a * b * c ** d"],
    ["*a **b* c**", "/a //b/ c//"],
    ["**a*b*", "**a/b/"],
    ["foo*bar*baz", "foo/bar/baz"],
    ["*foo**bar**baz*", "/foo!bar!baz/"],
    ["*foo**bar*", "/foo**bar/"],
    ["***a** b*", "/!a! b/"],
    ["*a `*` b*", "/a {*} b/"],
    ["**«a»**b", "**«a»**b"],
    ["*🐍* \\*a\\*", "/🐍/ *a*"],
    ["*a [b*](https://c.test)", "*a <https://c.test/ b*>"],
  ]);
});

test("code spans, escapes, entities and breaks", () => {
  says([
    ["`a` ``b`c`` ` d ` ` `` `", "{a} {b`c} {d} {``}"],
    ["`a ``b", "`a ``b"],
    ["\\`a` \\\\ \\q \\", "`a` \\ \\q \\"],
    ["`a\nb\\`", "{a b\\}"],
    ["&lt;b&gt; &#65;&#x42; &amp &nope; &constructor;", "<b> AB &amp &nope; &constructor;"],
    ["&#0;&#x202e;&#x110000;", "�‹U+202E›�"],
    ["a  \nb\\\nc \nd", "a↵b↵c\nd"],
  ]);
});

test("links lead on, images stay where they are", () => {
  says([
    ['[a *b*](https://c.test/x_y_z "t")', "<https://c.test/x_y_z a /b/>"],
    [
      "[a](<https://c.test/(x>) [b](https://c.test/(x))",
      "<https://c.test/(x a> <https://c.test/(x) b>",
    ],
    ["![an *image*](https://c.test/i.png)", "image<https://c.test/i.png an image>"],
    ["![](https://c.test/i.png)", "image<https://c.test/i.png https://c.test/i.png>"],
    ["[![badge](https://i.test/)](https://c.test)", "<https://c.test/ badge>"],
    [
      "[a [b](https://c.test) c](https://d.test)",
      "[a <https://c.test/ b> c](<https://d.test/ https://d.test>)",
    ],
    [
      "<https://a.test/?x=*1*> <me@a.test>",
      "<https://a.test/?x=*1* https://a.test/?x=*1*> <mailto:me@a.test me@a.test>",
    ],
    [
      "see https://a.test/x_(y), (https://b.test/).",
      "see <https://a.test/x_(y) https://a.test/x_(y)>, (<https://b.test/ https://b.test/>).",
    ],
    ["**https://a.test**", "!<https://a.test/ https://a.test>!"],
    ["[https://a.test](https://b.test)", "<https://b.test/ https://a.test>"],
    ["`https://a.test` xhttps://a.test", "{https://a.test} xhttps://a.test"],
    ["[a](https://c.test/?a&amp;b\\))", "<https://c.test/?a&b) a>"],
    ["[a] [b][c] [d]() [e](x y)", "[a] [b][c] [d]() [e](x y)"],
    ["[a](/tasks/1) [b](docs/x.md) [c](#d)", "[a](/tasks/1) [b](docs/x.md) [c](#d)"],
  ]);
});

test("markup of HTML is text", () => {
  says([
    [
      "a <b>c</b> <!-- d --> <img src=x onerror=alert(1)>",
      "a <b>c</b> <!-- d --> <img src=x onerror=alert(1)>",
    ],
  ]);
  reads("<script>\nalert(1)\n</script>", "p <script>\nalert(1)\n</script>");
  reads("a\u202eb\0", "p a‹U+202E›b‹U+0000›");
});
