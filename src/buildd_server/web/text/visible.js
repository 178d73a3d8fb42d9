// Shows the characters that a reader would not see but that change what is read: controls, marks
// that turn the direction of text around, and what has no width at all.

const HIDDEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;
/** What belongs into text: tabs, line breaks, and the joiners of emoji and of Persian. */
const HARMLESS = "\t\n\u200c\u200d";

/**
 * The text with every hidden character as its name: "‹U+202E›".
 *
 * @param {string} text
 */
export function visible(text) {
  return text.replace(HIDDEN, (character) =>
    HARMLESS.includes(character) ? character : named(character.codePointAt(0) ?? 0),
  );
}

/** @param {number} code */
function named(code) {
  return `‹U+${code.toString(16).toUpperCase().padStart(4, "0")}›`;
}
