// What the page asks of the service it came from; addresses are relative, so that it works below any path.

/** JSON of an address; throws an Error with the service's own words when it refuses. */
export async function get(address, options = {}) {
  const answer = await fetch(address, { ...options, headers: { Accept: "application/json", ...options.headers } });
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
  return all.filter((one) => one.item_assets?.soil_moisture || one.item_assets?.percentile);
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

/** The legend of every layer, by name. */
export async function layers() {
  const answer = await get("layers");
  return { deepest: answer.deepest, all: Object.fromEntries(answer.layers.map((layer) => [layer.name, layer])) };
}

/** Published days of a collection, latest first. */
export const dates = (collection) => get(`dates?collection=${encodeURIComponent(collection)}`);

/** Address of the series at a place, as JSON, or as CSV by format "csv". */
export function seriesAddress({ collection, lon, lat, start, end, format = "json" }) {
  const terms = { collection, lon: lon.toFixed(5), lat: lat.toFixed(5), start, end, f: format };
  return `timeseries?${new URLSearchParams(terms)}`;
}
