// The map: one canvas, moved by pointer, wheel and keyboard. Tells others by events: view, hover, pick, step.
// One finger up or down scrolls the page, or a telephone would be caught on the map; two fingers move and zoom it.

import { fit, project, unproject } from "./mercator.js";
import { drawArea, drawCross, drawGraticule, drawGround, drawPlace, drawRing, drawStation, placer } from "./overlay.js";
import { Tiles } from "./tiles.js";

const ZOOM = [2, 12];
const CLICK = 5; // pixels that a pointer may move and still click
const STEP = 8; // pixels an arrow key moves the cross-hair
const PATIENCE = 2500; // ms that the last day stays while the next one's tiles come

export class MapView extends EventTarget {
  constructor(element) {
    super();
    this.element = element;
    this.canvas = element.querySelector("canvas");
    this.context = this.canvas.getContext("2d");
    this.view = { lon: -96, lat: 38, zoom: 3 };
    this.box = [-180, -80, 180, 80];
    this.deepest = 11;
    this.fitted = false; // whether the whole area is shown, until it is moved
    this.place = null;
    this.ring = []; // corners [lon, lat] of what is being drawn
    this.stations = []; // with lon and lat
    this.station = null; // the chosen one of them
    this.cross = null;
    this.boundaries = null;
    this.pointers = new Map();
    this.tiles = new Tiles(() => this.redraw(), () => this.dispatchEvent(new Event("lost")));
    this.listen();
    new ResizeObserver(() => this.resize()).observe(element);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.redraw());
    this.resize();
  }

  get width() {
    return this.element.clientWidth;
  }

  get height() {
    return this.element.clientHeight;
  }

  /** Show the tiles of an address; what was shown stays until they have come. */
  show(template) {
    this.tiles.use(template);
    this.element.setAttribute("aria-busy", String(this.tiles.busy));
    clearTimeout(this.patience);
    this.patience = setTimeout(() => {
      this.tiles.shown = template;
      this.redraw();
    }, PATIENCE);
    this.redraw();
  }

  /** Move to a view {lon, lat, zoom}; what is not given stays. */
  move(view) {
    this.fitted = false;
    const [west, south, east, north] = this.box;
    const next = { ...this.view, ...view };
    this.view = {
      lon: Math.max(west, Math.min(east, next.lon)),
      lat: Math.max(south, Math.min(north, next.lat)),
      zoom: Math.max(ZOOM[0], Math.min(ZOOM[1], next.zoom)),
    };
    this.dispatchEvent(new Event("view"));
    this.redraw();
  }

  /** Show the whole area. */
  fit() {
    this.cross = null;
    this.move(fit(this.box, this.width, this.height));
    this.fitted = true;
    this.dispatchEvent(new Event("view"));
  }

  /** Place of a pixel of the frame. */
  at(x, y) {
    const [cx, cy] = project(this.view.lon, this.view.lat, this.view.zoom);
    return unproject(cx + x - this.width / 2, cy + y - this.height / 2, this.view.zoom);
  }

  /** Zoom by steps, the place at a pixel of the frame staying where it is. */
  zoomBy(steps, x = this.width / 2, y = this.height / 2) {
    const zoom = Math.max(ZOOM[0], Math.min(ZOOM[1], this.view.zoom + steps));
    const [px, py] = project(...this.at(x, y), zoom);
    const [lon, lat] = unproject(px - x + this.width / 2, py - y + this.height / 2, zoom);
    this.move({ lon, lat, zoom });
  }

  panBy(dx, dy) {
    const [lon, lat] = this.at(this.width / 2 + dx, this.height / 2 + dy);
    this.move({ lon, lat });
  }

  resize() {
    const ratio = window.devicePixelRatio || 1;
    this.canvas.width = Math.max(1, Math.round(this.width * ratio));
    this.canvas.height = Math.max(1, Math.round(this.height * ratio));
    if (this.fitted) this.fit();
    else this.redraw();
  }

  redraw() {
    this.due ??= requestAnimationFrame(() => {
      this.due = undefined;
      this.draw();
    });
  }

  draw() {
    const { context, view, width, height } = this;
    const ratio = window.devicePixelRatio || 1;
    const style = getComputedStyle(this.element);
    const names = ["missing", "line", "grid", "halo", "text"];
    const colours = Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--map-${name}`).trim()]));
    const place = placer(view, width, height);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    drawGround(context, place, this.box, colours);
    this.tiles.draw(context, view, width, height, this.box, this.deepest);
    this.boundaries?.draw(context, place, view, width, height, colours);
    drawArea(context, place, this.box, colours);
    drawGraticule(context, place, view, width, height, colours);
    for (const one of this.stations) drawStation(context, place(one.lon, one.lat), one === this.station);
    if (this.ring.length) drawRing(context, this.ring.map(([lon, lat]) => place(lon, lat)));
    if (this.place) drawPlace(context, place(...this.place));
    if (this.element.matches(":focus-visible")) drawCross(context, this.cross ?? this.middle);
    this.element.setAttribute("aria-busy", String(this.tiles.busy));
  }

  tell(type, [lon, lat]) {
    this.dispatchEvent(new CustomEvent(type, { detail: { lon, lat } }));
  }

  listen() {
    const { element } = this;
    element.addEventListener("pointerdown", (event) => this.down(event));
    element.addEventListener("pointermove", (event) => this.moved(event));
    element.addEventListener("pointerup", (event) => this.up(event));
    element.addEventListener("pointercancel", (event) => this.pointers.delete(event.pointerId));
    element.addEventListener("pointerleave", (event) => {
      if (event.pointerType !== "touch") this.dispatchEvent(new Event("leave")); // a finger that left has shown its place
    });
    const fingers = (event) => {
      if (event.touches.length > 1 && event.cancelable) event.preventDefault(); // the page does not scroll by two
    };
    for (const type of ["touchstart", "touchmove"]) element.addEventListener(type, fingers, { passive: false });
    element.addEventListener("keydown", (event) => this.key(event));
    for (const type of ["focus", "blur"]) element.addEventListener(type, () => this.redraw());
    const wheel = (event) => {
      event.preventDefault();
      this.zoomBy(-event.deltaY * (event.deltaMode ? 0.05 : 0.0025), ...this.within(event));
    };
    element.addEventListener("wheel", wheel, { passive: false });
  }

  within(event) {
    const frame = this.element.getBoundingClientRect();
    return [event.clientX - frame.left, event.clientY - frame.top];
  }

  down(event) {
    if (event.button !== 0) return;
    this.element.setPointerCapture(event.pointerId);
    const at = this.within(event);
    this.pointers.set(event.pointerId, { at, start: at, still: this.pointers.size === 0 });
    this.cross = null;
  }

  moved(event) {
    const at = this.within(event);
    const own = this.pointers.get(event.pointerId);
    if (!own) {
      this.tell("hover", this.at(...at));
      return;
    }
    const [x, y] = own.at;
    own.still &&= Math.hypot(at[0] - own.start[0], at[1] - own.start[1]) < CLICK;
    const other = [...this.pointers].find(([id]) => id !== event.pointerId)?.[1];
    own.at = at;
    if (other) {
      const before = Math.hypot(x - other.at[0], y - other.at[1]);
      const after = Math.hypot(at[0] - other.at[0], at[1] - other.at[1]);
      other.still = false;
      own.still = false;
      if (before > 0 && after > 0) this.zoomBy(Math.log2(after / before), ...other.at);
      this.panBy((x - at[0]) / 2, (y - at[1]) / 2); // the middle of two fingers moves half as far as one of them
    } else if (!own.still) {
      this.panBy(x - at[0], y - at[1]);
    }
  }

  up(event) {
    const own = this.pointers.get(event.pointerId);
    this.pointers.delete(event.pointerId);
    if (own?.still) this.tell("pick", this.at(...own.at));
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const arrow = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    const zoom = { "+": 1, "=": 1, "-": -1 }[event.key];
    const day = { ",": -1, ".": 1 }[event.key];
    if (arrow && event.shiftKey) this.panBy(arrow[0] * this.width * 0.2, arrow[1] * this.height * 0.2);
    else if (arrow) this.moveCross(...arrow);
    else if (zoom) this.zoomBy(zoom, ...(this.cross ?? []));
    else if (day) this.dispatchEvent(new CustomEvent("step", { detail: day }));
    else if (event.key === "0") this.fit();
    else if (event.key === "Enter") this.tell("pick", this.at(...(this.cross ?? this.middle)));
    else return;
    event.preventDefault();
  }

  get middle() {
    return [this.width / 2, this.height / 2];
  }

  /** Move the cross-hair, and the map where it would leave the frame. */
  moveCross(dx, dy) {
    const [x, y] = this.cross ?? this.middle;
    const next = [x + dx * STEP, y + dy * STEP];
    const inside = next[0] >= 0 && next[0] <= this.width && next[1] >= 0 && next[1] <= this.height;
    if (inside) this.cross = next;
    else this.panBy(dx * STEP, dy * STEP);
    this.tell("hover", this.at(...(this.cross ?? this.middle)));
    this.redraw();
  }
}
