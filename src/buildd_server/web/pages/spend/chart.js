// Bars of days in SVG, their parts in the colours of a series; its legend tells the figures of the day
// that is pointed at or has the focus, and a table says the same.

import { h } from "../../app/vdom.js";
import { table } from "../../parts/pieces.js";
import { ticksOf } from "../../text/spending.js";
import { date, dayOfMonth, money } from "../../text/words.js";

/**
 * @typedef {import("../../text/spending.js").Bar} Bar
 * @typedef {import("../../text/spending.js").Series} Series
 * @typedef {{label: string, whole: string, bars: Bar[], series: Series[], name: (series: Series) => string,
 *   open: (day: string) => void}} Chart `whole` names all of the days; `open` shows one alone
 */

const HEIGHT = 220;
const TOP = 8;
const BOTTOM = 24;
const LEFT = 60;
const LABEL = 64; // Pixels that a day's name takes.
const WIDEST = 48;

/** @param {() => void} redraw */
export function createChart(redraw) {
  let width = 640;
  /** @type {string | null} */
  let pointed = null;
  /** @type {string | null} the one bar that the Tab key comes to */
  let focused = null;

  /** @param {Element} element */
  function ref(element) {
    const watch = new ResizeObserver(([entry]) => {
      const now = Math.round(entry?.contentRect.width ?? width);
      if (now === width || now === 0) return;
      width = now;
      redraw();
    });
    watch.observe(element);
    return () => watch.disconnect();
  }

  /** @param {string | null} day */
  function point(day) {
    pointed = day;
    redraw();
  }

  /** @param {KeyboardEvent} event @param {Bar[]} bars */
  function move(event, bars) {
    const at = bars.findIndex(({ day }) => day === focused);
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: bars.length - 1 }[event.key];
    const bar = to === undefined ? undefined : bars[to];
    if (bar === undefined) return;
    event.preventDefault();
    const svg = /** @type {Element} */ (event.currentTarget);
    /** @type {SVGElement | null} */ (svg.querySelector(`[data-day="${bar.day}"]`))?.focus();
  }

  /** @param {Chart} chart */
  function view(chart) {
    const { bars, label } = chart;
    if (!bars.some(({ day }) => day === focused)) focused = bars.at(-1)?.day ?? null;
    const ticks = ticksOf(Math.max(...bars.map(({ costUsd }) => costUsd)));
    const scale = scaleOf(ticks.at(-1) ?? 1, bars.length);
    return h(
      "figure",
      { class: "chart" },
      h(
        "div",
        { class: "chart-frame", ref },
        h(
          "svg",
          {
            role: "group",
            "aria-label": `${label}: the arrow keys go from day to day`,
            width: String(width),
            height: String(HEIGHT),
            onkeydown: (/** @type {KeyboardEvent} */ event) => move(event, bars),
            onpointerleave: () => point(null),
          },
          ticks.map((tick) => gridLine(tick, scale)),
          bars.map((bar, index) => column(chart, bar, index, scale)),
          names(bars, scale),
        ),
      ),
      legend(
        chart,
        bars.find(({ day }) => day === pointed),
      ),
      twin(chart),
    );
  }

  /** @typedef {{y: (costUsd: number) => number, x: (index: number) => number, step: number}} Scale */

  /** @param {number} highest @param {number} count @returns {Scale} */
  function scaleOf(highest, count) {
    const step = (width - LEFT) / Math.max(1, count);
    return {
      step,
      x: (index) => LEFT + index * step,
      y: (costUsd) => TOP + (1 - costUsd / highest) * (HEIGHT - TOP - BOTTOM),
    };
  }

  /** @param {number} tick @param {Scale} scale */
  function gridLine(tick, { y }) {
    const at = y(tick);
    return h(
      "g",
      { key: `tick ${tick}`, "aria-hidden": "true" },
      h("line", { x1: LEFT, x2: width, y1: at, y2: at, class: "chart-line" }),
      h(
        "text",
        { x: LEFT - 8, y: at + 4, "text-anchor": "end", class: "chart-text" },
        money(tick).replace(/\.00$/, ""),
      ),
    );
  }

  /** @param {Bar[]} bars @param {Scale} scale */
  function names(bars, { x, step }) {
    const every = Math.ceil(LABEL / step);
    const shown = bars.map(({ day }, index) => ({ day, index }));
    return shown
      .filter(
        ({ index }) => (bars.length - 1 - index) % every === 0 && x(index) + step / 2 > LEFT + 16,
      )
      .map(({ day, index }) =>
        h(
          "text",
          {
            key: `name ${day}`,
            "aria-hidden": "true",
            x: Math.min(x(index) + step / 2, width - 20),
            y: HEIGHT - 6,
            "text-anchor": "middle",
            class: "chart-text",
          },
          dayOfMonth(day),
        ),
      );
  }

  /** @param {Chart} chart @param {Bar} bar @param {number} index @param {Scale} scale */
  function column(chart, bar, index, { x, y, step }) {
    const { day, parts } = bar;
    const thick = Math.min(WIDEST, Math.max(1, step * 0.78));
    const left = x(index) + (step - thick) / 2;
    return h(
      "g",
      {
        key: day,
        class: ["chart-bar", day === pointed && "pointed"],
        role: "button",
        tabindex: day === focused ? "0" : "-1",
        "aria-label": told(chart, bar),
        "data-day": day,
        onclick: () => chart.open(day),
        onkeydown: (/** @type {KeyboardEvent} */ event) => pressed(event) && chart.open(day),
        onpointerenter: () => point(day),
        onfocus() {
          focused = day;
          point(day);
        },
        onblur: () => point(null),
      },
      h("rect", {
        class: "chart-room",
        x: x(index) + 1,
        y: TOP,
        width: Math.max(1, step - 2),
        height: HEIGHT - TOP - BOTTOM,
      }),
      parts.map(({ series, costUsd, below }) => {
        const top = y(below + costUsd);
        const height = Math.max(1, y(below) - top - (parts.length > 1 ? 1 : 0));
        return h("rect", {
          key: series.id,
          class: `series-${series.place}`,
          x: left,
          y: top,
          width: thick,
          height,
        });
      }),
    );
  }

  return { view };
}

/** @param {KeyboardEvent} event */
function pressed(event) {
  if (event.key !== "Enter" && event.key !== " ") return false;
  event.preventDefault();
  return true;
}

/** A bar's figures, as they are read out. @param {Chart} chart @param {Bar} bar */
function told({ name }, { day, costUsd, parts }) {
  const each = parts.map(({ series, costUsd: part }) => `${name(series)} ${money(part)}`);
  return [`${date(day, "UTC")}: ${money(costUsd)}`, ...each].join("; ");
}

/** @param {Chart} chart @param {Bar | undefined} bar the one whose figures are told in place of all */
function legend({ bars, series, name, whole }, bar) {
  const sum = bar ? bar.costUsd : bars.reduce((all, each) => all + each.costUsd, 0);
  const of = (/** @type {Series} */ each) =>
    bar ? (bar.parts.find((part) => part.series.id === each.id)?.costUsd ?? 0) : each.costUsd;
  return h(
    "figcaption",
    { class: "legend" },
    h(
      "p",
      null,
      h("b", null, bar ? date(bar.day, "UTC") : whole),
      " ",
      h("span", { class: "figure" }, money(sum)),
    ),
    h(
      "ul",
      null,
      series.map((each) =>
        h(
          "li",
          { key: each.id },
          h("i", { class: `series-${each.place}` }),
          h("span", { class: "legend-name" }, name(each)),
          h("span", { class: "figure" }, money(of(each))),
        ),
      ),
    ),
  );
}

/** The same figures for whoever reads them better in lines. @param {Chart} chart */
function twin({ label, bars, series, name }) {
  const rows = bars.toReversed().map(({ day, costUsd, parts }) => {
    const of = (/** @type {Series} */ each) => parts.find((part) => part.series.id === each.id);
    return {
      key: day,
      cells: [
        date(day, "UTC"),
        money(costUsd),
        ...series.map((each) => money(of(each)?.costUsd ?? 0)),
      ],
    };
  });
  return h(
    "details",
    { class: "twin" },
    h("summary", null, "The same as a table"),
    table(label, ["Day", "All", ...series.map(name)], rows),
  );
}
