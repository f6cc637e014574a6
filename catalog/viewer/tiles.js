// Map tiles: which ones a view needs, loading them, drawing what is there.

import { TILE, project } from "./mercator.js";

const KEPT = 400;
const WAITS = [1000, 4000]; // ms before a tile that did not come is asked for again

/** Tiles of one layer and day after another; what was shown stays until its successor is there to be drawn. */
export class Tiles {
  constructor(changed, lost) {
    this.changed = changed;
    this.lost = lost;
    this.cache = new Map();
    this.template = null;
    this.shown = null;
    this.complete = true;
  }

  /** Take the tiles of an address with {z}, {x} and {y}. */
  use(template) {
    this.template = template;
    this.complete = false;
  }

  /** Whether tiles of the wanted layer and day are still to come, also where those that came are shown already. */
  get busy() {
    return !this.complete;
  }

  /** Draw a view {lon, lat, zoom} of width x height pixels; only tiles that touch the box are asked for. */
  draw(context, view, width, height, box, deepest) {
    if (!this.template) return;
    const list = visible(view, width, height, box, deepest);
    const images = list.map((tile) => this.image(this.template, tile));
    this.complete = images.every((image) => image.ready);
    if (this.complete) this.shown = this.template;
    context.imageSmoothingEnabled = false;
    for (const tile of list) this.paint(context, this.shown ?? this.template, tile);
    this.trim();
  }

  paint(context, template, tile) {
    const { z, x, y, left, top, size } = tile;
    const own = this.cache.get(address(template, tile));
    if (own?.ready) {
      if (own.drawable) context.drawImage(own, left, top, size, size);
      return;
    }
    for (let up = 1; up <= 4 && z - up >= 0; up += 1) {
      const part = 2 ** up;
      const parent = this.cache.get(address(template, { z: z - up, x: x >> up, y: y >> up }));
      if (parent?.ready && parent.drawable) {
        const side = TILE / part;
        context.drawImage(parent, (x % part) * side, (y % part) * side, side, side, left, top, size, size);
        return;
      }
    }
  }

  image(template, tile) {
    const source = address(template, tile);
    let image = this.cache.get(source);
    if (image) {
      this.cache.delete(source); // put last again: what was used longest ago goes first
    } else {
      image = new Image();
      const done = (drawable) => Object.assign(image, { ready: true, drawable }) && this.changed();
      image.onload = () => done(true);
      const waits = [...WAITS];
      image.onerror = () => {
        const wait = template === this.template ? waits.shift() : undefined;
        if (wait) {
          setTimeout(() => (image.src = source), wait);
          return;
        }
        done(false);
        if (template === this.template) this.lost();
      };
      image.src = source;
    }
    this.cache.set(source, image);
    return image;
  }

  trim() {
    for (const source of this.cache.keys()) {
      if (this.cache.size <= KEPT) return;
      this.cache.delete(source);
    }
  }
}

function address(template, { z, x, y }) {
  return template.replace("{z}", z).replace("{x}", x).replace("{y}", y);
}

/** Tiles {z, x, y, left, top, size} of a view that touch a box [west, south, east, north]. */
export function visible(view, width, height, box, deepest) {
  const z = Math.max(0, Math.min(deepest, Math.round(view.zoom)));
  const size = TILE * 2 ** (view.zoom - z);
  const [cx, cy] = project(view.lon, view.lat, view.zoom);
  const [x0, y0] = [cx - width / 2, cy - height / 2];
  const [west, north] = project(box[0], box[3], view.zoom);
  const [east, south] = project(box[2], box[1], view.zoom);
  const most = 2 ** z - 1;
  const span = (low, high) => [Math.max(0, Math.floor(low / size)), Math.min(most, Math.floor(high / size))];
  const [left, right] = span(Math.max(x0, west), Math.min(x0 + width, east));
  const [top, bottom] = span(Math.max(y0, north), Math.min(y0 + height, south));
  const list = [];
  for (let y = top; y <= bottom; y += 1) {
    for (let x = left; x <= right; x += 1) list.push({ z, x, y, left: x * size - x0, top: y * size - y0, size });
  }
  return list;
}
