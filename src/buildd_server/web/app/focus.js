// The keyboard's place: what has the focus may go away with a drawing, and its reader must not begin anew.

/** Whether nothing has the focus but the page as a whole. */
export function isLost() {
  const { activeElement } = document;
  return activeElement === document.body || activeElement?.id === "main";
}

/** What had the focus before a drawing has gone away with it: the page has it from now on. @param {Element | null} before */
export function rescue(before) {
  if (before?.isConnected || document.activeElement !== document.body) return;
  document.getElementById("main")?.focus({ preventScroll: true });
}
