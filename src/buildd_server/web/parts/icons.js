// The few pictures there are, drawn in lines on a field of 20 by 20. They never stand alone: words are beside them.

import { h } from "../app/vdom.js";

/** @type {Record<string, string>} */
const LINES = {
  mark: "M4 4h5v5H4zM11 4h5v5h-5zM4 11h5v5H4zM11 13.5h5M13.5 11v5",
  board: "M3.5 4h3.5v12H3.5zM8.5 4h3.5v8H8.5zM13.5 4H17v5h-3.5z",
  fleet: "M3.5 4.5h13v4h-13zM3.5 11.5h13v4h-13zM6.5 6.5h.1M6.5 13.5h.1",
  spend: "M3.5 16.5h13M5.5 13.5v-4M10 13.5v-9M14.5 13.5v-6",
  workspaces: "M3 6.5 10 3l7 3.5-7 3.5zM3 10.5l7 3.5 7-3.5M3 14l7 3.5 7-3.5",
  events: "M3 10h3l2-5 4 10 2-5h3",
  settings: "M4 6h6M14 6h2M12 4v4M4 14h2M10 14h6M8 12v4",
  auto: "M10 3a7 7 0 1 0 0 14zM10 3a7 7 0 0 1 0 14",
  light:
    "M10 6.5a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7M10 2v1.5M10 16.5V18M2 10h1.5M16.5 10H18M4.5 4.5l1 1M14.5 14.5l1 1M15.5 4.5l-1 1M5.5 14.5l-1 1",
  dark: "M15.5 12A6.5 6.5 0 0 1 8 4.5a6.5 6.5 0 1 0 7.5 7.5z",
  keyboard: "M2.5 5.5h15v9h-15zM5.5 8.5h.1M8.5 8.5h.1M11.5 8.5h.1M14.5 8.5h.1M6.5 11.5h7",
  book: "M4 4.5h9.5a2 2 0 0 1 2 2v9H6a2 2 0 0 1-2-2zM4 13.5a2 2 0 0 1 2-2h9.5",
  leave: "M12 4H5v12h7M9 10h8M14.5 7.5 17 10l-2.5 2.5",
  plus: "M10 4v12M4 10h12",
  ask: "M4 4.5h12v9H9l-3.5 3v-3H4zM8.6 7.2c.6-1.3 2.9-1.1 2.9.4 0 1-1.5 1.1-1.5 2.2M10 11.6h.1",
  play: "M6 4.5v11l9-5.5z",
  pause: "M6.5 4.5v11M13.5 4.5v11",
  stop: "M5 5h10v10H5z",
  retry: "M15.5 10a5.5 5.5 0 1 1-1.6-3.9L16 8M16 4v4h-4",
  check: "M4 10.5 8 14.5l8-9",
  cross: "M5 5l10 10M15 5 5 15",
  clock: "M10 3a7 7 0 1 0 0 14 7 7 0 0 0 0-14M10 6v4.5l3 1.5",
  file: "M5 3h6.5L15.5 7v10H5zM11.5 3v4h4",
  branch: "M6 4v12M6 13c0-4 8-2 8-7M14 6V4M4.5 4h3M4.5 16h3M12.5 4h3",
  coin: "M10 3a7 7 0 1 0 0 14 7 7 0 0 0 0-14M12.5 7.5c-1-1.2-4.6-1-4.6.9 0 2.2 4.6 1 4.6 3.2 0 1.9-3.6 2.1-4.8.7M10 5.5v9",
  shield: "M10 3l6 2v5c0 4-3 6-6 7.5C7 16 4 14 4 10V5z",
  search: "M9 4a5 5 0 1 0 0 10A5 5 0 0 0 9 4M13 13l4 4",
  copy: "M7 7h9v9H7zM4 13V4h9",
  down: "M5 8l5 5 5-5",
  link: "M8.5 11.5 11.5 8.5M9 6l2-2a3.5 3.5 0 0 1 5 5l-2 2M11 14l-2 2a3.5 3.5 0 0 1-5-5l2-2",
  key: "M7 13a3.5 3.5 0 1 0 0-.1M9.5 10.5 16 4M13 7l2.5 2.5",
};

/** @param {string} name */
export function icon(name) {
  return h(
    "svg",
    {
      class: ["icon", `icon-${name}`],
      viewBox: "0 0 20 20",
      "aria-hidden": "true",
    },
    h("path", { d: LINES[name] ?? LINES.file }),
  );
}
