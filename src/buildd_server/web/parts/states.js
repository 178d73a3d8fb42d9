// How states look and read: one word, one colour and one sign for each, on every page.

import { h } from "../app/vdom.js";
import { icon } from "./icons.js";

/** @type {Record<string, [word: string, tone: string, sign: string]>} */
const LOOKS = {
  pending: ["waiting", "calm", "clock"],
  assigned: ["starting", "busy", "play"],
  running: ["running", "busy", "play"],
  completed: ["done", "good", "check"],
  failed: ["failed", "bad", "cross"],
  cancelled: ["cancelled", "mute", "cross"],
  idle: ["claimed", "calm", "clock"],
  starting: ["starting", "busy", "play"],
  waiting_input: ["asks", "ask", "ask"],
  paused: ["paused", "mute", "pause"],
  error: ["ended without a result", "bad", "cross"],
  requested: ["requested", "calm", "clock"],
  stopping: ["stopping", "mute", "pause"],
  ended: ["ended", "mute", "check"],
};

/** @param {string} status of a task, a worker or a launch */
export function tone(status) {
  return LOOKS[status]?.[1] ?? "calm";
}

/** @param {string} status @param {string} [word] instead of the usual one */
export function badge(status, word) {
  const [usual, colour, sign] = LOOKS[status] ?? [status, "calm", "clock"];
  return h("span", { class: ["badge", `tone-${colour}`] }, icon(sign), word ?? usual);
}

/** @param {string} text */
export function chip(text, title = "") {
  return h("span", { class: "chip", title: title || null }, text);
}
