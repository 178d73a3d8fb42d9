// The comments on one artifact: read, written, changed and resolved. What is typed is kept until it
// is sent or given up, whatever is drawn anew meanwhile.

import { h } from "../../app/vdom.js";
import { markdownView } from "../../parts/markdown.js";
import { accountName, button, when } from "../../parts/pieces.js";
import { visible } from "../../text/visible.js";

/**
 * @typedef {import("../../types.js").Comment} Comment
 * @typedef {{start: number, end: number, text: string}} Selection
 * @typedef {{text: string, label: string, selection: Selection | null, comment: Comment | null,
 *   busy: boolean, focus: boolean}} Draft `comment` is the one that is being changed
 * @typedef {ReturnType<typeof createComments>} Comments
 */

const PAUSE = 300;
const WHOLE = "whole";

/**
 * @param {import("../../app/main.js").App} app
 * @param {string} artifactId
 * @param {() => boolean} alive whether an agent is there to receive what is said
 */
export function createComments(app, artifactId, alive) {
  /** @type {Comment[]} */
  let list = [];
  /** @type {Map<string, Draft>} */
  const drafts = new Map();
  /** @type {WeakMap<Comment, import("../../app/vdom.js").VElement>} */
  const bodies = new WeakMap();
  let version = 0;
  let reading = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let later;

  function changed() {
    version += 1;
    app.redraw();
  }

  async function load() {
    const ours = ++reading;
    const read = await app.api.all(`/artifacts/${artifactId}/comments`);
    if (ours !== reading) return;
    list = read;
    changed();
  }

  /** Open the form of a draft. @param {string} key @param {Partial<Draft>} draft */
  function open(key, draft) {
    const known = drafts.get(key);
    const blank = { text: "", label: "", selection: null, comment: null, busy: false };
    drafts.set(key, { ...blank, ...known, ...draft, focus: true });
    changed();
  }

  /** @param {string} key */
  function discard(key) {
    const form = document.getElementById(`draft-${artifactId}-${key}`);
    const opener = form?.closest("[data-opens]")?.getAttribute("data-opens");
    drafts.delete(key);
    changed();
    if (opener) requestAnimationFrame(() => document.getElementById(opener)?.focus());
  }

  /** @param {string} key @param {Draft} draft */
  async function send(key, draft) {
    if (draft.busy || draft.text.trim() === "") return;
    draft.busy = true;
    changed();
    const sent = await app.act(() => sending(draft), draft.comment ? "Comment changed" : told());
    draft.busy = false;
    if (!sent) return changed();
    discard(key);
    put(sent);
  }

  /** @param {Draft} draft @returns {Promise<Comment>} */
  function sending({ comment, selection, text }) {
    if (comment) return app.api.patch(`/comments/${comment.id}`, { content: text });
    const body = selection ? { content: text, selection } : { content: text };
    return app.api.post(`/artifacts/${artifactId}/comments`, body);
  }

  function told() {
    return alive()
      ? "Sent: the running agent receives it"
      : "Comment kept; no agent runs to read it";
  }

  /** @param {Comment} comment */
  function put(comment) {
    reading += 1;
    list = [comment, ...list.filter((each) => each.id !== comment.id)];
    changed();
  }

  /** @param {Comment} comment */
  async function resolve({ id, resolved }) {
    const answer = await app.act(() => app.api.patch(`/comments/${id}`, { resolved: !resolved }));
    if (answer) put(answer);
  }

  /** @param {Comment} comment */
  function mine({ author }) {
    return author === (app.admin ? "admin" : app.session?.accountId);
  }

  /** @param {Comment} comment */
  function name(comment) {
    if (mine(comment)) return "You";
    const { author } = comment;
    if (author.startsWith("wkr_")) return app.store.workers.get(author)?.name ?? "the agent";
    return author === "admin" ? "The administrator" : accountName(app, author);
  }

  /** @param {Comment} comment */
  function body(comment) {
    const known = bodies.get(comment) ?? markdownView(comment.content);
    bodies.set(comment, known);
    return known;
  }

  /** @param {Comment} comment @param {boolean} quoting whether the line does not stand above it */
  function commentView(comment, quoting) {
    const draft = drafts.get(comment.id);
    const quote = quoting && comment.selection?.text;
    const inside = [
      quote && h("pre", { class: "quote" }, visible(quote)),
      draft ? form(comment.id, draft) : body(comment),
      app.may("create") && !draft && actions(comment),
    ];
    const said = [h("b", null, visible(name(comment))), when(comment.createdAt)];
    if (comment.resolved && !draft)
      return h(
        "details",
        { class: "comment resolved", key: comment.id },
        h("summary", { class: "comment-head" }, said, h("span", { class: "chip" }, "Resolved")),
        inside,
      );
    return h(
      "article",
      { class: "comment", key: comment.id },
      h("header", { class: "comment-head" }, said),
      inside,
    );
  }

  /** @param {Comment} comment */
  function actions(comment) {
    const change = { comment, text: comment.content, label: "Change the comment" };
    return h(
      "span",
      { class: "comment-actions" },
      mine(comment) && button("Edit", () => open(comment.id, change), "quiet"),
      button(comment.resolved ? "Reopen" : "Resolve", () => void resolve(comment), "quiet"),
    );
  }

  /** @param {string} key @param {Draft} draft */
  function form(key, draft) {
    const id = `draft-${artifactId}-${key}`;
    const onsubmit = (/** @type {SubmitEvent} */ event) => {
      event.preventDefault();
      void send(key, draft);
    };
    return h(
      "form",
      { class: "comment-form", key: `draft-${key}`, onsubmit },
      h("label", { for: id }, draft.label),
      textarea(key, draft, id),
      h(
        "footer",
        null,
        h(
          "small",
          { class: "faint" },
          alive() ? "The running agent receives it." : "The attempt is over: no agent receives it.",
        ),
        button("Cancel", () => discard(key), "quiet"),
        h(
          "button",
          { type: "submit", class: "primary", "aria-disabled": draft.busy && "true" },
          draft.comment ? "Save" : "Comment",
        ),
      ),
    );
  }

  /** @param {string} key @param {Draft} draft @param {string} id */
  function textarea(key, draft, id) {
    return h("textarea", {
      id,
      rows: 3,
      required: true,
      maxlength: 100_000,
      defaultValue: draft.text,
      oninput(/** @type {InputEvent} */ event) {
        draft.text = /** @type {HTMLTextAreaElement} */ (event.target).value;
      },
      onkeydown(/** @type {KeyboardEvent} */ event) {
        if (event.key === "Escape" && draft.text.trim() === "") discard(key);
        if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) void send(key, draft);
      },
      ref(/** @type {HTMLTextAreaElement} */ element) {
        if (draft.focus) element.focus();
        draft.focus = false;
      },
    });
  }

  return {
    load,
    open,
    get list() {
      return list;
    },
    /** Grows with everything that changes how comments look. */
    get version() {
      return version;
    },
    /** The lines under which a form is open. */
    get openAt() {
      return [...drafts.keys()].map(Number).filter((start) => !Number.isNaN(start));
    },
    /**
     * Comments that stand in one place, and the form for another one there.
     * @param {Comment[]} comments
     * @param {string} key
     * @param {{quoting?: boolean, opener?: string}} [how] `opener`: what gets the focus back
     */
    thread(comments, key, { quoting = false, opener = "" } = {}) {
      const draft = drafts.get(key);
      if (comments.length === 0 && !draft) return null;
      return h(
        "div",
        { class: "thread", key: `thread-${key}`, "data-opens": opener || null },
        comments.map((each) => commentView(each, quoting)),
        draft && form(key, draft),
      );
    },
    /** Comments on the whole, and the way to write one. @param {Comment[]} comments @param {string} what */
    whole(comments, what) {
      const opener = `comment-${artifactId}`;
      const label = `Comment on ${what}`;
      const writes = app.may("create") && !drafts.has(WHOLE);
      return h(
        "footer",
        { class: "artifact-foot" },
        this.thread(comments, WHOLE, { quoting: true, opener }),
        writes &&
          h(
            "button",
            { type: "button", class: "quiet", id: opener, onclick: () => open(WHOLE, { label }) },
            label,
          ),
      );
    },
    /** @param {import("../../types.js").Event} event */
    hear(event) {
      if (event.type !== "worker:comment" || event.data.artifactId !== artifactId) return;
      clearTimeout(later);
      later = setTimeout(() => app.act(load), PAUSE);
    },
    close: () => clearTimeout(later),
  };
}
