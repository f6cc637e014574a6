// The time series at a place: asked for, drawn, and as a table.

import { get, rain, readings, seriesAddress, valuesAddress, zone } from "./api.js";
import { chart, summary } from "./chart.js";
import { announce, find, make, trouble } from "./dom.js";
import { degrees } from "./mercator.js";
import { Z90, flagWords, number, units } from "./words.js";

/** Shows series in the panel; `pick` is called with a day that the reader chooses. */
export class Series {
  constructor(pick) {
    this.pick = pick;
    this.target = find("series");
    this.answer = null;
    this.wanted = 0;
    new ResizeObserver(() => this.redraw()).observe(this.target);
  }

  /** Ask for the series of {collection, lon, lat, start, end} and show it; only the last one asked for is shown. */
  async show(query, chosen) {
    const number = (this.wanted += 1);
    this.chosen = chosen;
    this.target.setAttribute("aria-busy", "true");
    try {
      const wet = query.rain ? rain(query).catch(() => undefined) : undefined; // the series stands without
      const asked = form(query, chosen);
      const ground = query.station && asked === plain ? readings(query.station, query).catch(() => undefined) : undefined;
      const answer = { ...(await asked(query)), rain: await wet, ground: await ground };
      if (number !== this.wanted) return;
      this.answer = answer;
      this.query = query;
      this.build();
      announce(`Time series at ${this.where}. ${summary(answer.series, units(answer.units))}`);
    } catch (error) {
      if (number !== this.wanted) return;
      this.answer = null;
      this.target.replaceChildren(trouble(error));
    }
    this.target.removeAttribute("aria-busy");
  }

  /** Show none. */
  clear() {
    this.wanted += 1;
    this.answer = null;
    this.target.replaceChildren();
  }

  /** Mark another day. */
  mark(date) {
    this.chosen = date;
    this.redraw();
  }

  get where() {
    const { cell, area } = this.answer;
    return cell ? degrees(cell.lon, cell.lat) : `${area.toFixed(0)} km² drawn`;
  }

  build() {
    const { series, units: unit, interval, simulated } = this.answer;
    this.frame = make("div", { class: "frame-chart" });
    const share = `${Math.round(interval * 100)} % interval`;
    const count = `Table of ${series.length} ${series.length === 1 ? "day" : "days"}`;
    const name = `${this.answer.what} (${units(unit)}) with its ${share}`;
    const csv = this.link();
    this.target.replaceChildren(
      make("p", { class: "where" }, this.answer.cell ? "1 km² cell at " : "Field of ", make("strong", {}, this.where), simulated && " · simulated"),
      make("p", { class: "chart-title" }, name),
      this.frame,
      make("p", { class: "key" }, ...this.keys(share)),
      make("details", {}, make("summary", {}, count), this.table(series, unit)),
      make("p", { class: "links" }, csv),
    );
    this.redraw();
  }

  /** What the marks of the chart mean. */
  keys(share) {
    const { usual, rain: wet, ground } = this.answer;
    return [
      key("band", share),
      key("point", "value"),
      key("flagged", "value with a flag"),
      usual && key("season", "10th to 90th percentile of the season"),
      usual && key("usual", "its median"),
      ground?.days.size && key("ground", `station, ${Math.round(100 * ground.depth)} cm`),
      wet?.size && key("rain", `rain, up to ${Math.max(...wet.values()).toFixed(0)} mm a day`),
    ];
  }

  /** A link to the series as CSV; of what the service does not write as CSV, the table that is shown. */
  link() {
    const text = "Series as CSV";
    if (this.answer.plain) return make("a", { href: seriesAddress({ ...this.query, format: "csv" }), download: true }, text);
    const lines = this.answer.series.map((row) => [row.date, row.soil_moisture, row.lower, row.upper].join(","));
    const content = `date,value,lower,upper\n${lines.join("\n")}\n`;
    return make("a", { href: `data:text/csv;charset=utf-8,${encodeURIComponent(content)}`, download: "series.csv" }, text);
  }

  redraw() {
    if (!this.answer || !this.frame) return;
    const unit = units(this.answer.units);
    const width = Math.max(240, this.target.clientWidth);
    const title = `Time series of soil moisture at ${this.where}`;
    const { chosen, pick } = this;
    const { series, rain: wet, ground } = this.answer;
    this.frame.replaceChildren(chart(series, { width, unit, chosen, title, pick, rain: wet, ground: ground?.days }));
  }

  table(series, unit) {
    const names = ["Day", `Value (${units(unit)})`, "90 % interval", "Flags"];
    const head = names.map((text) => make("th", { scope: "col" }, text));
    const lines = [...series].reverse().map((row) => {
      const day = make("button", { type: "button", class: "plain" }, row.date);
      day.addEventListener("click", () => this.pick(row.date));
      const known = row.soil_moisture !== null;
      const flags = row.flags.map(flagWords).join(", ");
      return make(
        "tr",
        {},
        make("th", { scope: "row" }, day),
        make("td", {}, known ? number(row.soil_moisture) : "–"),
        make("td", {}, known ? `${number(row.lower)}–${number(row.upper)}` : "–"),
        make("td", {}, flags),
      );
    });
    const table = make("table", {}, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...lines));
    return make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Table of the series" }, table);
  }
}

/** How a series is asked for. */
function form({ ring, collection }, chosen) {
  if (collection.includes("-outlook_")) return (query) => ahead(query, chosen);
  if (ring) return drawn;
  return collection.includes("-percentile_") ? ranked : plain;
}

const USUAL = ["climatology_p10", "climatology_p50", "climatology_p90"];

/** Soil moisture of a cell; where there are percentiles of it, with what is usual for the season. */
async function plain(query) {
  const [answer, usual] = await Promise.all([get(seriesAddress(query)), query.ranked ? usualRange(query) : new Map()]);
  for (const row of answer.series) Object.assign(row, usual.get(row.date));
  return { ...answer, what: "Soil moisture", plain: true, usual: answer.series.some((row) => "usual" in row) };
}

/** The range that is usual for the season, by date; the series stands without. */
async function usualRange(query) {
  const asked = { ...query, collection: query.ranked, variables: USUAL };
  const { series } = await get(valuesAddress(asked)).catch(() => ({ series: [] }));
  const known = series.filter((row) => USUAL.every((name) => Number.isFinite(row[name])));
  const [low, middle, high] = USUAL;
  return new Map(known.map((row) => [row.date, { usualLow: row[low], usual: row[middle], usualHigh: row[high] }]));
}

/** What is expected after the chosen day, in the form of soil moisture; one row for each day ahead. */
async function ahead(query, chosen) {
  if (query.ring) throw new Error("A field has no outlook. Click a place, or choose the analysis.");
  const answer = await get(valuesAddress({ ...query, start: chosen, end: chosen }));
  const [row = {}] = answer.series;
  const series = [];
  for (let days = 1; `soil_moisture_day${days}` in row; days += 1) {
    const [value, half] = [row[`soil_moisture_day${days}`], Z90 * row[`uncertainty_day${days}`]];
    const date = new Date(Date.parse(chosen) + days * 86_400_000).toISOString().slice(0, 10);
    const known = { lower: Math.max(0, value - half), upper: value + half };
    series.push({ date, soil_moisture: value, ...(value === null ? { lower: null, upper: null } : known), flags: [] });
  }
  return { ...answer, series, units: "m3 m-3", what: `Outlook of ${chosen}` };
}

/** Percentiles of a cell, in the form of soil moisture. */
async function ranked(query) {
  const variables = ["percentile", "percentile_lower", "percentile_upper"];
  const answer = await get(valuesAddress({ ...query, variables }));
  const series = answer.series.map((row) => ({
    date: row.date,
    soil_moisture: row.percentile,
    lower: row.percentile_lower,
    upper: row.percentile_upper,
    flags: [],
  }));
  return { ...answer, series, units: "%", what: "Percentile" };
}

/** The mean over a ring of [lon, lat], in the same form. */
async function drawn({ collection, ring, start, end }) {
  const answer = await zone(collection, ring, start, end);
  const ranked = "percentile" in answer.units;
  const series = answer.series.map((row) => ({
    date: row.date,
    soil_moisture: ranked ? row.percentile : row.mean,
    lower: ranked ? row.percentile_lower : row.lower,
    upper: ranked ? row.percentile_upper : row.upper,
    flags: [],
  }));
  const told = ranked ? { units: "%", what: "Mean percentile" } : { units: "m3 m-3", what: "Mean soil moisture" };
  return { ...answer, series, ...told, area: answer.area_km2 };
}

const key = (kind, text) => make("span", { class: `mark ${kind}` }, text);
