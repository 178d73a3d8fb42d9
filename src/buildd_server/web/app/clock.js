// What time it is where everything is dated: at the server. A browser's own clock may be wrong.

const SLACK = 2000; // Milliseconds: the header has whole seconds, and an answer takes its time.

let ahead = 0;

/** The server's time, in milliseconds, as far as its answers told it. */
export function now() {
  return Date.now() + ahead;
}

/** Set the clock by an answer. @param {Response} response */
export function setClock(response) {
  const apart = Date.parse(response.headers.get("date") ?? "") - Date.now();
  if (!Number.isNaN(apart)) ahead = Math.abs(apart) > SLACK ? apart : 0;
}
