// What the page asks of the service it came from; addresses are relative, so that it works below any path.

const WAITS = [500, 1500, 4000]; // ms before an address is asked again while the service does not answer
const AWAY = [502, 503, 504];

/** Tells by events whether the service is "away", "gone" after all tries, or "back". */
export const service = new EventTarget();
const tell = (what) => service.dispatchEvent(new Event(what));

/** The answer to a request; while the service does not answer it is asked again, and then told to be gone. */
export async function ask(address, options = {}) {
  for (const wait of [...WAITS, undefined]) {
    try {
      const answer = await fetch(address, options);
      if (!AWAY.includes(answer.status)) {
        tell("back");
        return answer;
      }
    } catch {
      // no connection: the same as a proxy without a service behind it
    }
    tell(wait ? "away" : "gone");
    if (wait) await new Promise((done) => setTimeout(done, wait));
  }
  throw new Error("The service does not answer.");
}

/** JSON of an address; throws an Error with the service's own words when it refuses. */
export async function get(address, options = {}) {
  const answer = await ask(address, { ...options, headers: { Accept: "application/json", ...options.headers } });
  const body = await answer.json().catch(() => null);
  if (!answer.ok) {
    const detail = body?.detail ?? body?.description;
    throw new Error(typeof detail === "string" ? detail : `The service answered ${answer.status} to ${address}.`);
  }
  return body;
}

/** Collections of published days, and of what is made from them. */
export async function collections() {
  const { collections: all } = await get("stac/collections");
  return all.filter((one) => ["soil_moisture", "percentile", "soil_moisture_day1"].some((name) => one.item_assets?.[name]));
}

/** Answer to a polygon, a ring of [lon, lat]: its series on the published days of a period. */
export async function zone(collection, ring, start, end) {
  const terms = new URLSearchParams({ collection, start, end });
  const body = JSON.stringify({ type: "Polygon", coordinates: [[...ring, ring[0]]] });
  return get(`zones?${terms}`, { method: "POST", headers: { "Content-Type": "application/json" }, body });
}

/** Address of values of any variables at a place. */
export function valuesAddress({ collection, lon, lat, start, end, variables }) {
  const terms = { collection, lon: lon.toFixed(5), lat: lat.toFixed(5), start, end };
  if (variables) terms.variables = variables.join(",");
  return `values?${new URLSearchParams(terms)}`;
}

/** Rain of the days of a period at a place, mm by date. */
export async function rain({ lon, lat, start, end }) {
  const terms = new URLSearchParams({ lon: lon.toFixed(5), lat: lat.toFixed(5), start, end });
  const { series } = await get(`rain?${terms}`);
  return new Map(series.filter((row) => row.precipitation !== null).map((row) => [row.date, row.precipitation]));
}

/** Stations at which the ground of a collection was validated. */
export const stations = (collection) => get(`stations?collection=${encodeURIComponent(collection)}`);

/** Daily means at a station by the depth of the shallowest sensor: {depth, days}, days a Map from date to m³ m⁻³. */
export async function readings({ network, station }, { start, end }) {
  const { sensors } = await get(`readings?${new URLSearchParams({ network, station, start, end })}`);
  const [first] = sensors; // the shallowest
  return { depth: first.depth_to, days: new Map(first.series.map((row) => [row.date, row.value])) };
}

/** The legend of every layer, by name. */
export async function layers() {
  const answer = await get("layers");
  return { deepest: answer.deepest, palettes: answer.palettes, rain: answer.rain, readings: answer.readings, all: Object.fromEntries(answer.layers.map((layer) => [layer.name, layer])) };
}

/** The part of an item's raster in a box [west, south, east, north], as a file of format "tif" or "csv". */
export async function cut({ collection, item, asset, box, format }) {
  const terms = new URLSearchParams({ bbox: box.map((side) => side.toFixed(5)).join(), f: format });
  const answer = await ask(`cut/${[collection, item, asset].map(encodeURIComponent).join("/")}?${terms}`);
  if (!answer.ok) throw new Error((await answer.json().catch(() => null))?.detail ?? `The service answered ${answer.status}.`);
  return answer.blob();
}

/** Published days of a collection, latest first. */
export const dates = (collection) => get(`dates?collection=${encodeURIComponent(collection)}`);

/** Address of the series at a place, as JSON, or as CSV by format "csv". */
export function seriesAddress({ collection, lon, lat, start, end, format = "json" }) {
  const terms = { collection, lon: lon.toFixed(5), lat: lat.toFixed(5), start, end, f: format };
  return `timeseries?${new URLSearchParams(terms)}`;
}
