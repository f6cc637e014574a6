// Drawing a field on the map, corner by corner, with pointer or cross-hair.

import { announce, find } from "./dom.js";

/** Collects corners while it is on; `done` is called with the ring, a list of [lon, lat]. */
export class Field {
  constructor(map, done) {
    this.map = map;
    this.done = done;
    find("draw").addEventListener("click", () => (this.on ? this.stop() : this.start()));
    find("draw-undo").addEventListener("click", () => this.set(this.map.ring.slice(0, -1)));
    find("draw-done").addEventListener("click", () => this.finish());
  }

  get on() {
    return find("draw").getAttribute("aria-pressed") === "true";
  }

  start() {
    this.press(true);
    this.map.place = null;
    this.set([]);
    announce("Click the corners of a field, or press Enter at the cross-hair.");
  }

  stop() {
    this.press(false);
    this.set([]);
  }

  press(on) {
    find("draw").setAttribute("aria-pressed", String(on));
    find("drawing").hidden = !on;
  }

  /** Take a corner {lon, lat}. */
  add({ lon, lat }) {
    this.set([...this.map.ring, [lon, lat]]);
  }

  set(ring) {
    this.map.ring = ring;
    find("draw-done").disabled = ring.length < 3;
    find("draw-undo").disabled = !ring.length;
    find("draw-note").textContent = ring.length < 3 ? `${ring.length} of at least 3 corners` : `${ring.length} corners`;
    this.map.redraw();
  }

  finish() {
    this.press(false);
    this.done(this.map.ring);
  }
}
