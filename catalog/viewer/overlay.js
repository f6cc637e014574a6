// What is drawn over and under the tiles: ground, boundaries, the graticule, the cross-hair.

import { project, roundStep, unproject } from "./mercator.js";

const COUNTIES_FROM = 6.5; // zoom; below it county lines would hide the field

/** A function from degrees to pixels of a view in a frame of width x height. */
export function placer(view, width, height) {
  const [cx, cy] = project(view.lon, view.lat, view.zoom);
  return (lon, lat) => {
    const [x, y] = project(lon, lat, view.zoom);
    return [x - cx + width / 2, y - cy + height / 2];
  };
}

/** The ground of the area, in the colour of what has no value. */
export function drawGround(context, place, box, colours) {
  const [left, top] = place(box[0], box[3]);
  const [right, bottom] = place(box[2], box[1]);
  context.fillStyle = colours.missing;
  context.fillRect(left, top, right - left, bottom - top);
}

/** The outline of the area. */
export function drawArea(context, place, box, colours) {
  const [left, top] = place(box[0], box[3]);
  const [right, bottom] = place(box[2], box[1]);
  context.strokeStyle = colours.line;
  context.lineWidth = 1.5;
  context.strokeRect(left, top, right - left, bottom - top);
}

/** Boundaries {land, states, counties}, each a list of lines of [lon, lat]; those outside the frame are left out. */
export class Boundaries {
  constructor(document) {
    this.sets = ["counties", "states", "land"].map((name) => ({ name, lines: (document[name] ?? []).map(boxed) }));
    this.more = document.more; // where the counties are, which are asked for when a view is close enough for them
  }

  /** Take in the counties once a view shows them; `ask` answers to an address. True where there are new ones. */
  async complete(view, ask) {
    if (!this.more || view.zoom < COUNTIES_FROM) return false;
    const address = this.more;
    this.more = undefined;
    const { counties = [] } = await ask(`viewer/${address}`).catch(() => ({}));
    this.sets[0].lines = counties.map(boxed);
    return counties.length > 0;
  }

  draw(context, place, view, width, height, colours) {
    const [west, north] = unprojectCorner(view, -width / 2, -height / 2);
    const [east, south] = unprojectCorner(view, width / 2, height / 2);
    for (const { name, lines } of this.sets) {
      if (name === "counties" && view.zoom < COUNTIES_FROM) continue;
      context.strokeStyle = colours.line;
      context.globalAlpha = name === "counties" ? 0.3 : 0.75;
      context.lineWidth = name === "states" ? 1 : name === "land" ? 1.25 : 0.75;
      context.beginPath();
      for (const { box, points } of lines) {
        if (box[0] > east || box[2] < west || box[1] > north || box[3] < south) continue;
        points.forEach(([lon, lat], i) => {
          const [x, y] = place(lon, lat);
          if (i) context.lineTo(x, y);
          else context.moveTo(x, y);
        });
      }
      context.stroke();
    }
    context.globalAlpha = 1;
  }
}

function boxed(points) {
  const lons = points.map((point) => point[0]);
  const lats = points.map((point) => point[1]);
  return { points, box: [Math.min(...lons), Math.min(...lats), Math.max(...lons), Math.max(...lats)] };
}

function unprojectCorner(view, dx, dy) {
  const [x, y] = project(view.lon, view.lat, view.zoom);
  return unproject(x + dx, y + dy, view.zoom);
}

/** Meridians and parallels at round degrees, labelled at the frame's edge. */
export function drawGraticule(context, place, view, width, height, colours) {
  const [west, north] = unprojectCorner(view, -width / 2, -height / 2);
  const [east, south] = unprojectCorner(view, width / 2, height / 2);
  const step = roundStep(Math.max(east - west, north - south));
  const digits = step < 0.1 ? 2 : step < 1 ? 1 : 0;
  context.strokeStyle = colours.grid;
  context.lineWidth = 1;
  context.font = "11px system-ui, sans-serif";
  for (let lon = Math.ceil(west / step) * step; lon <= east; lon += step) {
    const [x] = place(lon, view.lat);
    line(context, x, 0, x, height);
    label(context, `${Math.abs(lon).toFixed(digits)}°${lon < 0 ? "W" : "E"}`, x, height - 5, "center", colours);
  }
  for (let lat = Math.ceil(south / step) * step; lat <= north; lat += step) {
    const [, y] = place(view.lon, lat);
    line(context, 0, y, width, y);
    label(context, `${Math.abs(lat).toFixed(digits)}°${lat < 0 ? "S" : "N"}`, 6, y + 4, "left", colours);
  }
}

function line(context, x0, y0, x1, y1) {
  context.beginPath();
  context.moveTo(Math.round(x0) + 0.5, Math.round(y0) + 0.5);
  context.lineTo(Math.round(x1) + 0.5, Math.round(y1) + 0.5);
  context.stroke();
}

function label(context, text, x, y, align, colours) {
  context.textAlign = align;
  context.lineWidth = 3;
  context.strokeStyle = colours.halo;
  context.strokeText(text, x, y);
  context.fillStyle = colours.text;
  context.fillText(text, x, y);
  context.strokeStyle = colours.grid;
  context.lineWidth = 1;
}

/** A cross-hair with its middle left open, light on dark so that it stands out on every colour. */
export function drawCross(context, [x, y]) {
  for (const [colour, width] of [["#ffffff", 4], ["#111111", 1.75]]) {
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.beginPath();
    for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
      context.moveTo(x + 5 * dx, y + 5 * dy);
      context.lineTo(x + 14 * dx, y + 14 * dy);
    }
    context.stroke();
  }
}

/** The chosen place: a ring with a dot. */
export function drawPlace(context, [x, y]) {
  for (const [colour, width] of [["#ffffff", 5], ["#b3261e", 2.5]]) {
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.beginPath();
    context.arc(x, y, 8, 0, 2 * Math.PI);
    context.stroke();
  }
}

/** A station, filled by whether it is the chosen one. */
export function drawStation(context, [x, y], chosen) {
  context.beginPath();
  context.moveTo(x, y - 7);
  context.lineTo(x + 6, y + 5);
  context.lineTo(x - 6, y + 5);
  context.closePath();
  context.fillStyle = chosen ? "#b3261e" : "#ffffff";
  context.fill();
  context.strokeStyle = "#1d2126";
  context.lineWidth = 1.5;
  context.stroke();
}

/** A ring that is being drawn, by its corners in pixels. */
export function drawRing(context, corners) {
  context.beginPath();
  corners.forEach(([x, y], i) => (i ? context.lineTo(x, y) : context.moveTo(x, y)));
  if (corners.length > 2) context.closePath();
  for (const [width, colour] of [[4, "#ffffff"], [2, "#b3261e"]]) {
    Object.assign(context, { lineWidth: width, strokeStyle: colour });
    context.stroke();
  }
  context.fillStyle = "#b3261e";
  for (const [x, y] of corners) context.fillRect(x - 3, y - 3, 6, 6);
}
