// Decides which addresses out of text that strangers wrote may become links: absolute ones of the
// web and of mail. All else stays text.

const LONGEST = 2_048;
const ALLOWED = /^(?:https?:\/\/[^\\/?#]|mailto:[^\\/])/i;
const HIDDEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Z}]/u;

/**
 * The address as a browser understands it, if one may be led to it.
 *
 * @param {string} written with all entities and escapes already decoded
 * @returns {string | null}
 */
export function safeLink(written) {
  const address = written.trim();
  if (address.length > LONGEST || HIDDEN.test(address) || !ALLOWED.test(address)) return null;
  try {
    const url = new URL(address);
    const misleads = url.username !== "" || url.password !== "";
    return misleads ? null : url.href;
  } catch {
    return null;
  }
}
