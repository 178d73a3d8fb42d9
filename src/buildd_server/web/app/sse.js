// Server-sent events out of a stream of bytes, comments included: these tell that the line still lives.

/**
 * @typedef {{id: string | null, event: string, data: string | null}} Frame `data` is null for a comment
 */

/**
 * What a response streams, as it comes: the frames of each piece together.
 * @param {Response} response
 * @returns {AsyncGenerator<Frame[], void>}
 */
export async function* framesOf(response) {
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  const read = frames();
  while (reader) {
    const { done, value } = await reader.read();
    if (done) return;
    yield read(value);
  }
}

/**
 * A reader of frames: give it text as it comes, get the frames that are whole.
 * @returns {(text: string) => Frame[]}
 */
export function frames() {
  let rest = "";
  return (text) => {
    const blocks = (rest + text).replaceAll("\r\n", "\n").split("\n\n");
    rest = blocks.pop() ?? "";
    return blocks.map(frame);
  };
}

/**
 * @param {string} block
 * @returns {Frame}
 */
function frame(block) {
  /** @type {Frame} */
  const made = { id: null, event: "message", data: null };
  for (const line of block.split("\n")) {
    const colon = line.indexOf(":");
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "id") made.id = value;
    else if (name === "event") made.event = value;
    else if (name === "data") made.data = made.data === null ? value : `${made.data}\n${value}`;
  }
  return made;
}
