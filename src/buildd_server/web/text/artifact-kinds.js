// How an artifact is shown, by its type and by what came with it; and which of them are open at first.

/** @typedef {import("../types.js").Artifact} Artifact */
/** @typedef {"diff" | "markdown" | "text" | "image" | "link" | "file" | "nothing"} Kind */

const READABLE = 1_000_000; // Bytes of a file that are read like text.
const PROSE = new Set(["summary", "walkthrough", "task_plan", "impl_plan"]);
const PICTURES = new Set(["image/png", "image/jpeg", "image/gif", "image/webp"]);
const DIFFS = new Set(["text/x-diff", "text/x-patch"]);

/** @type {Record<Artifact["type"], [word: string, icon: string]>} */
export const TYPES = {
  task_plan: ["Plan of the task", "file"],
  impl_plan: ["Plan of the implementation", "file"],
  diff: ["Diff", "branch"],
  summary: ["Summary", "file"],
  walkthrough: ["Walkthrough", "file"],
  screenshot: ["Screenshot", "file"],
  recording: ["Recording", "file"],
  pull_request: ["Pull request", "branch"],
  link: ["Link", "link"],
  file: ["File", "file"],
};

/** @param {Artifact} artifact @returns {Kind} */
export function kindOf(artifact) {
  const { type, content } = artifact;
  if (artifact.filename !== null && content === null) return kindOfFile(artifact);
  if (!content) return "nothing";
  if (type === "pull_request" || type === "link") return "link";
  if (type === "diff" || /^diff --git /m.test(content.slice(0, 2000))) return "diff";
  return PROSE.has(type) ? "markdown" : "text";
}

/** @param {Artifact} artifact @returns {Kind} */
function kindOfFile({ type, mimeType, size }) {
  const media = mimeType?.split(";")[0]?.trim().toLowerCase() ?? "";
  if (PICTURES.has(media)) return "image";
  if (size === null || size > READABLE) return "file";
  if (DIFFS.has(media) || (type === "diff" && media.startsWith("text/"))) return "diff";
  if (media === "text/markdown") return "markdown";
  return media === "text/plain" ? "text" : "file";
}

/** Bytes, of the file or of the text. @param {Artifact} artifact */
export function sizeOf({ size, content }) {
  return size ?? new TextEncoder().encode(content ?? "").length;
}

/**
 * Those that are open until somebody says otherwise: of the newest attempt that has any, and of
 * several diffs only the last, because it has what the others have.
 * @param {Artifact[]} artifacts newest first
 * @returns {Set<string>} their ids
 */
export function openAtFirst(artifacts) {
  const of = artifacts.filter(({ workerId }) => workerId === artifacts[0]?.workerId);
  const diff = of.find(({ type }) => type === "diff");
  return new Set(of.filter((each) => each.type !== "diff" || each === diff).map(({ id }) => id));
}

/**
 * By attempt, the newest first, and within one as they were made, the newest first: ids grow.
 * @param {Artifact[]} artifacts
 * @param {string[]} workerIds in the order of their attempts
 */
export function newestFirst(artifacts, workerIds) {
  const attempt = new Map(workerIds.map((id, at) => [id, at]));
  return [...artifacts].sort(
    (one, other) =>
      (attempt.get(other.workerId) ?? -1) - (attempt.get(one.workerId) ?? -1) ||
      (one.id < other.id ? 1 : -1),
  );
}
