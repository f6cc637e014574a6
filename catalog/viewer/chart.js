// A time series as SVG: values, their 90 % interval as a band where days follow close, as whiskers where they do not.

import { draw } from "./dom.js";
import { number } from "./words.js";

const DAY = 86_400_000;
const JOINED = 4; // days between values that a line still joins; SMAP comes back every two or three
const MARGIN = { left: 44, right: 12, top: 10, bottom: 26 };
const time = (row) => Date.parse(row.date);

/** An SVG of readings (oldest first) that fits a width; `chosen` is the day that the map shows. */
export function chart(rows, { width, height = 220, unit, chosen, title, pick, rain, ground }) {
  const known = rows.filter((row) => row.soil_moisture !== null);
  const ends = rows.length ? [time(rows[0]), time(rows.at(-1))] : [0, DAY];
  const [first, last] = ends[0] === ends[1] ? [ends[0] - DAY, ends[1] + DAY] : ends;
  const highest = Math.max(0, ...known.map((row) => row.upper), ...rows.map((row) => row.usualHigh ?? 0), ...(ground?.values() ?? []));
  const top = highest > 1 ? 100 : Math.max(0.1, Math.ceil(highest * 10) / 10); // a share in percent, or a fraction
  const inner = { width: width - MARGIN.left - MARGIN.right, height: height - MARGIN.top - MARGIN.bottom };
  const x = (row) => MARGIN.left + ((time(row) - first) / (last - first)) * inner.width;
  const y = (value) => MARGIN.top + (1 - value / top) * inner.height;
  const names = { "aria-labelledby": "series-title series-text", role: "img" };
  const svg = draw("svg", { class: "chart", width, height, viewBox: `0 0 ${width} ${height}`, ...names });
  svg.append(draw("title", { id: "series-title" }, title), draw("desc", { id: "series-text" }, summary(rows, unit)));
  axes(svg, { top, y, inner, first, last, width, height });
  if (rain?.size) drops(svg, rain, { x, inner, first, last });
  const day = rows.find((row) => row.date === chosen);
  const floor = height - MARGIN.bottom;
  if (day) svg.append(draw("line", { class: "today", x1: x(day), x2: x(day), y1: MARGIN.top, y2: floor }));
  const usual = runs(rows.filter((row) => Number.isFinite(row.usual)));
  for (const run of usual) season(svg, run, x, y);
  for (const run of runs(known)) band(svg, run, x, y);
  for (const run of usual) svg.append(draw("polyline", { class: "usual", points: line(run, x, y, (row) => row.usual) }));
  if (ground?.size) readings(svg, ground, { x, y, first, last });
  for (const row of known) {
    const plain = row.flags.every((flag) => flag === "stale_prior");
    const usual = Number.isFinite(row.usual) ? `, usual ${number(row.usualLow)} to ${number(row.usualHigh)}` : "";
    const label = draw("title", {}, `${row.date}: ${number(row.soil_moisture)}, ${number(row.lower)} to ${number(row.upper)}${usual}`);
    const kind = `point${plain ? "" : " flagged"}${row.date === chosen ? " chosen" : ""}`;
    const dot = draw("circle", { class: kind, cx: x(row), cy: y(row.soil_moisture), r: row.date === chosen ? 5 : 3 }, label);
    dot.addEventListener("click", () => pick(row.date));
    svg.append(dot);
  }
  return svg;
}

/** Rain as bars that hang from the top, the largest a third of the chart. */
function drops(svg, rain, { x, inner, first, last }) {
  const most = Math.max(...rain.values(), 1);
  const wide = Math.max(1, Math.min(6, (inner.width * DAY * 0.7) / (last - first)));
  for (const [date, mm] of rain) {
    const at = x({ date });
    if (!(mm > 0) || at < MARGIN.left || at > MARGIN.left + inner.width) continue;
    const high = ((inner.height / 3) * mm) / most;
    const told = draw("title", {}, `${date}: rain ${mm.toFixed(1)} mm`);
    svg.append(draw("rect", { class: "rain", x: at - wide / 2, y: MARGIN.top, width: wide, height: high }, told));
  }
}

/** Daily means of a station as small squares joined by a thin line, within the days of the chart. */
function readings(svg, ground, { x, y, first, last }) {
  const rows = [...ground].map(([date, value]) => ({ date, value })).filter((row) => time(row) >= first && time(row) <= last);
  for (const run of runs(rows)) svg.append(draw("polyline", { class: "ground", points: line(run, x, y, (row) => row.value) }));
  for (const row of rows) {
    const told = draw("title", {}, `${row.date}: station ${number(row.value)}`);
    svg.append(draw("rect", { class: "ground-point", x: x(row) - 2, y: y(row.value) - 2, width: 4, height: 4 }, told));
  }
}

/** What the chart shows, in words. */
export function summary(rows, unit) {
  const known = rows.filter((row) => row.soil_moisture !== null);
  if (!known.length) return `No value on ${rows.length} published days.`;
  const values = known.map((row) => row.soil_moisture);
  const newest = known.at(-1);
  return (
    `${known.length} of ${rows.length} published days have a value, from ${known[0].date} to ${newest.date}: ` +
    `${number(Math.min(...values))} to ${number(Math.max(...values))} ${unit}. Last: ${number(newest.soil_moisture)}, ` +
    `90 % interval ${number(newest.lower)} to ${number(newest.upper)}.`
  );
}

/** Values parted where days are further apart than a line joins. */
export function runs(known) {
  const parts = [];
  for (const row of known) {
    const part = parts.at(-1);
    if (part && time(row) - time(part.at(-1)) <= JOINED * DAY) part.push(row);
    else parts.push([row]);
  }
  return parts;
}

const line = (rows, x, y, value) => rows.map((row) => `${x(row).toFixed(1)},${y(value(row)).toFixed(1)}`).join(" ");

/** The area between two values of each row. */
function between(svg, kind, run, x, y, low, high) {
  const points = `${line(run, x, y, high)} ${line([...run].reverse(), x, y, low)}`;
  svg.append(draw("polygon", { class: kind, points }));
}

/** What is usual for the season; of a single day a bar as wide as a day's point. */
function season(svg, run, x, y) {
  const [low, high] = [(row) => row.usualLow, (row) => row.usualHigh];
  if (run.length > 1) return between(svg, "season", run, x, y, low, high);
  const [row] = run;
  const size = { x: x(row) - 4, y: y(high(row)), width: 8, height: y(low(row)) - y(high(row)) };
  return svg.append(draw("rect", { class: "season", ...size }));
}

function band(svg, run, x, y) {
  if (run.length === 1) {
    const [row] = run;
    svg.append(draw("line", { class: "whisker", x1: x(row), x2: x(row), y1: y(row.lower), y2: y(row.upper) }));
    return;
  }
  between(svg, "band", run, x, y, (row) => row.lower, (row) => row.upper);
  svg.append(draw("polyline", { class: "line", points: line(run, x, y, (row) => row.soil_moisture) }));
}

function axes(svg, { top, y, inner, first, last, width, height }) {
  const step = top > 1 ? 20 : top > 0.5 ? 0.2 : top > 0.2 ? 0.1 : 0.05;
  for (let value = 0; value <= top + 1e-9; value += step) {
    const at = y(value);
    svg.append(draw("line", { class: "rule", x1: MARGIN.left, x2: width - MARGIN.right, y1: at, y2: at }));
    svg.append(draw("text", { x: MARGIN.left - 6, y: at + 4, "text-anchor": "end" }, value.toFixed(top > 1 ? 0 : 2)));
  }
  const count = Math.max(1, Math.min(Math.floor(inner.width / 115), Math.round((last - first) / DAY)));
  for (let i = 0; i <= count; i += 1) {
    const at = MARGIN.left + (inner.width * i) / count;
    const text = new Date(first + ((last - first) * i) / count).toISOString().slice(0, 10);
    const anchor = i === 0 ? "start" : i === count ? "end" : "middle";
    const floor = height - MARGIN.bottom;
    svg.append(draw("line", { class: "rule", x1: at, x2: at, y1: floor, y2: floor + 4 }));
    svg.append(draw("text", { x: at, y: height - 8, "text-anchor": anchor }, text));
  }
}
