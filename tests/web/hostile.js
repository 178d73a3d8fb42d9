// What the tests of text have in common: dice that fall the same way every time, and addresses
// that nobody may ever be led to.

/**
 * A reproducible source of whole numbers below a bound (mulberry32).
 *
 * @param {number} seed
 */
export function random(seed) {
  let state = seed >>> 0;
  /** @param {number} bound */
  return (bound) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % bound;
  };
}

const BAIT = ["alert(1)", "//evil.test/%0Aalert(1)", "text/html,<script>alert(1)</script>"];
const SCHEMES = [
  "javascript:",
  "JaVaScRiPt:",
  " javascript:",
  "\u0001javascript:",
  "java\nscript:",
  "java\tscript:",
  "java\rscript:",
  "java\0script:",
  "java\u200bscript:",
  "java\u00adscript:",
  "javascript\n:",
  "java&#115;cript:",
  "java&#x73;cript:",
  "java&#0000115cript:",
  "java&Tab;script:",
  "java&NewLine;script:",
  "javascript&colon;",
  "&#106;avascript:",
  "java%73cript:",
  "java\\script:",
  "ｊavascript:",
  "vbscript:",
  "data:",
  "data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==#",
  "blob:",
  "file:///",
  "filesystem:",
  "view-source:",
  "view-source:https://evil.test/",
  "about:",
  "chrome:",
  "ws://",
  "ftp://",
  "intent:",
  "tel:",
  "feed:javascript:",
  "jar:https://x!/",
  "//",
  "/\\",
  "\\\\",
  "http:/",
  "https:\\\\",
  "https:///",
  "https://user:pass@",
  "https://github.com@",
  "mailto://",
  "x-javascript:https://",
  "javascript://https://",
  "",
];

/** Addresses that must not become links, wherever they stand. */
export const HOSTILE_ADDRESSES = SCHEMES.flatMap((each) => BAIT.map((bait) => each + bait));

/**
 * Whether a link leads where links may lead.
 *
 * @param {string} href
 */
export function isAllowed(href) {
  const { protocol, username, href: normal } = new URL(href);
  return ["http:", "https:", "mailto:"].includes(protocol) && username === "" && normal === href;
}
