// Web Mercator: the world is a square of 256 pixels at zoom 0, doubled with every zoom. Pure.

export const TILE = 256;
const LIMIT = 85.05;

/** Pixel [x, y] of a place in degrees at a zoom, which may be a fraction. */
export function project(lon, lat, zoom) {
  const size = TILE * 2 ** zoom;
  const sine = Math.sin((Math.max(-LIMIT, Math.min(LIMIT, lat)) * Math.PI) / 180);
  return [((lon + 180) / 360) * size, (0.5 - Math.log((1 + sine) / (1 - sine)) / (4 * Math.PI)) * size];
}

/** Place [lon, lat] in degrees of a pixel at a zoom. */
export function unproject(x, y, zoom) {
  const size = TILE * 2 ** zoom;
  return [(x / size) * 360 - 180, (Math.atan(Math.sinh(Math.PI * (1 - (2 * y) / size))) * 180) / Math.PI];
}

/** The view {lon, lat, zoom} that shows a box [west, south, east, north] in a frame of width x height pixels. */
export function fit(box, width, height, margin = 24) {
  const [left, top] = project(box[0], box[3], 0);
  const [right, bottom] = project(box[2], box[1], 0);
  const room = Math.min((width - 2 * margin) / (right - left), (height - 2 * margin) / (bottom - top));
  const [lon, lat] = unproject((left + right) / 2, (top + bottom) / 2, 0);
  return { lon, lat, zoom: Math.log2(Math.max(room, 1e-6)) };
}

/** Whether a box holds a place. The grid's outermost edge is left out, since boxes are rounded. */
export function holds(box, lon, lat) {
  const edge = 1e-5;
  return lon > box[0] + edge && lon < box[2] - edge && lat > box[1] + edge && lat < box[3] - edge;
}

/** Step between round degrees so that a span has at most eight. */
export function roundStep(span) {
  return [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30].find((step) => span / step <= 8) ?? 45;
}

/** "35.123° N" and "97.456° W" of a place. */
export function degrees(lon, lat, digits = 3) {
  const one = (value, plus, minus) => `${Math.abs(value).toFixed(digits)}° ${value < 0 ? minus : plus}`;
  return `${one(lat, "N", "S")}, ${one(lon, "E", "W")}`;
}
