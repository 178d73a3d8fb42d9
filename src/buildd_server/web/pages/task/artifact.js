// One artifact: its head, and inside what people came for, by its type.

import { address } from "../../app/api.js";
import { h } from "../../app/vdom.js";
import { ansiBox, ansiParts } from "../../parts/ansi.js";
import { icon } from "../../parts/icons.js";
import { markdownParts } from "../../parts/markdown.js";
import { when } from "../../parts/pieces.js";
import { kindOf, sizeOf, TYPES } from "../../text/artifact-kinds.js";
import { safeLink } from "../../text/links.js";
import { visible } from "../../text/visible.js";
import { bytes } from "../../text/words.js";
import { createComments } from "./comments.js";
import { createDiff } from "./diff.js";

/**
 * @typedef {import("../../app/vdom.js").Child} Child
 * @typedef {import("../../types.js").Artifact} Artifact
 * @typedef {ReturnType<typeof createArtifact>} ArtifactPart
 */

const AWAY = { target: "_blank", rel: "noopener noreferrer" };

/**
 * @param {import("../../app/main.js").App} app
 * @param {Artifact} artifact
 * @param {() => boolean} alive whether its agent still runs
 */
export function createArtifact(app, artifact, alive) {
  const { id, type, title, filename, mimeType } = artifact;
  const kind = kindOf(artifact);
  const [word, sign] = TYPES[type] ?? [type, "file"];
  const name = visible(title || filename || word);
  const content = address(`/artifacts/${id}/content`);
  const size = bytes(sizeOf(artifact));
  const comments = createComments(app, id, alive);
  /** @type {ReturnType<typeof createDiff> | null} */
  let diff = null;
  /** @type {Child} */
  let body = null;
  /** @type {Iterator<import("../../app/vdom.js").VElement> | null} what is left of a long text */
  let grow = null;
  /** @type {import("../../app/vdom.js").VElement[]} */
  const grown = [];
  let opened = false;
  let failed = false;

  /** Read what it takes to show it, once. */
  function open() {
    if (opened) return;
    opened = true;
    void app.act(() => comments.load());
    if (["diff", "markdown", "text"].includes(kind)) void read();
    else body = plainBody();
  }

  async function read() {
    // To read a long one takes a while: what is around it stands first.
    await new Promise((resolve) => setTimeout(resolve));
    const text = artifact.content ?? (await app.act(download));
    failed = text === undefined;
    if (text === undefined) return;
    if (kind === "diff") diff = createDiff(app, { ...artifact, content: text }, comments);
    else grow = kind === "markdown" ? markdownParts(text) : ansiParts(text.replace(/\n$/, ""));
    app.redraw();
  }

  /** A text, of which each frame draws a part more. */
  function prose() {
    const next = grow?.next();
    if (next?.done) grow = null;
    else if (next) {
      grown.push(next.value);
      requestAnimationFrame(app.redraw);
    }
    return kind === "text"
      ? ansiBox([...grown], name)
      : h("div", { class: "markdown" }, [...grown]);
  }

  async function download() {
    return (await app.api.send("GET", `/artifacts/${id}/content`)).text();
  }

  function plainBody() {
    if (kind === "image") return picture();
    if (kind === "link") return link(artifact.content ?? "");
    if (kind === "file") return file();
    return h("p", { class: "unsaid" }, "It came without any content.");
  }

  function picture() {
    return h(
      "a",
      { class: "picture", href: content, ...AWAY, title: "Open the whole picture" },
      h("img", { src: content, alt: name, loading: "lazy", decoding: "async" }),
    );
  }

  function file() {
    return h(
      "p",
      { class: "download" },
      h("a", { href: content, download: "", class: "button" }, icon("down"), "Download"),
      h("bdi", null, visible(filename ?? name)),
      h("span", { class: "faint" }, `${visible(mimeType ?? "")}, ${size}`),
    );
  }

  /** @param {number} attempt @param {boolean} isOpen @param {() => void} toggle */
  function head(attempt, isOpen, toggle) {
    return h(
      "header",
      { class: "artifact-head" },
      h(
        "h3",
        null,
        h(
          "button",
          { type: "button", class: "quiet", "aria-expanded": String(isOpen), onclick: toggle },
          icon("down"),
          icon(sign),
          h("bdi", null, name),
        ),
      ),
      h(
        "p",
        { class: "artifact-about" },
        name !== word && h("span", { class: "chip" }, word),
        attempt > 0 && h("span", null, `Attempt ${attempt}`),
        kind !== "link" && h("a", { href: content, ...AWAY, title: "As it is" }, size),
        when(artifact.createdAt),
      ),
    );
  }

  function inside() {
    return h(
      "div",
      { class: `artifact-body ${kind}`, key: "body" },
      diff ? diff.view() : kind !== "diff" && (body ?? prose()),
      failed && h("p", { class: "unsaid" }, "It could not be read: fold it and open it again."),
      metadata(artifact),
      !diff && comments.whole(comments.list.toReversed(), `this ${word.toLowerCase()}`),
    );
  }

  return {
    artifact,
    /** @param {number} attempt 0 if there is only one @param {boolean} isOpen @param {() => void} toggle */
    view(attempt, isOpen, toggle) {
      if (isOpen) open();
      else if (failed) opened = failed = false;
      return h(
        "article",
        { class: ["artifact", isOpen && "open"], key: id, id },
        head(attempt, isOpen, toggle),
        isOpen && inside(),
      );
    },
    hear: comments.hear,
    reset() {
      if (opened) void app.act(() => comments.load());
    },
    close() {
      comments.close();
      diff?.close();
    },
  };
}

/** A link whose host cannot be mistaken. @param {string} written */
function link(written) {
  const href = safeLink(written);
  if (href === null)
    return h(
      "p",
      { class: "unsaid" },
      "Not an address that is safe to follow: ",
      h("code", null, visible(written)),
    );
  return h(
    "p",
    { class: "outward" },
    icon("link"),
    h("a", { href, ...AWAY }, h("bdi", null, visible(written.trim()))),
    h("span", { class: "chip" }, new URL(href).host),
  );
}

/** @param {Artifact} artifact */
function metadata({ metadata, digest }) {
  const all = digest ? { ...metadata, sha256: digest } : metadata;
  if (Object.keys(all).length === 0) return null;
  return h(
    "details",
    { class: "metadata" },
    h("summary", null, "Details"),
    h(
      "pre",
      { tabindex: "0", role: "group", "aria-label": "Details" },
      visible(JSON.stringify(all, null, 2)),
    ),
  );
}
