// The value under the pointer or cross-hair, from the service, one request at a time.

import { get, seriesAddress, valuesAddress } from "./api.js";
import { announce, find } from "./dom.js";
import { degrees } from "./mercator.js";
import { outlooks, percentiles, reading, units } from "./words.js";

const REST = 120; // ms that the pointer rests before a request

export class Readout {
  constructor() {
    this.element = find("readout");
    this.known = new Map();
    this.asking = false;
    this.next = null;
  }

  hide() {
    clearTimeout(this.timer);
    this.next = null;
    this.element.hidden = true;
  }

  /** Show the value of a day's entry at a place {lon, lat} of a collection. */
  // A place that was picked is told by its time series, which comes at the same time.
  at(place, collection, entry, spoken = true) {
    this.next = { place, collection, entry, spoken };
    this.element.hidden = false;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.ask(), REST);
  }

  async ask() {
    if (this.asking || !this.next) return;
    const { place, collection, entry, spoken } = this.next;
    this.next = null;
    this.asking = true;
    try {
      const text = await this.text(place, collection, entry);
      this.element.textContent = `${degrees(place.lon, place.lat)}: ${text}`;
      if (spoken && document.activeElement === find("map")) announce(this.element.textContent);
    } catch (error) {
      this.element.textContent = error.message;
    }
    this.asking = false;
    if (this.next) this.ask();
  }

  async text({ lon, lat }, collection, entry) {
    const query = { collection, lon, lat, start: entry.date, end: entry.date };
    const ranked = collection.includes("-percentile_");
    const ahead = collection.includes("-outlook_");
    const address = ranked || ahead ? valuesAddress(query) : seriesAddress(query);
    const name = `${address}#${entry.revision}`;
    if (!this.known.has(name)) {
      const { series, units: unit } = await get(address);
      const plain = (row) => (ahead ? outlooks(row, units("m3 m-3")) : reading(row, units(unit)));
      const told = ranked ? percentiles : plain;
      this.known.set(name, series.length ? told(series[0]) : "no value");
      if (this.known.size > 500) this.known.delete(this.known.keys().next().value);
    }
    return this.known.get(name);
  }
}
