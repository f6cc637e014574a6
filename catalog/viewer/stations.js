// Stations at which the product was validated: on the map, in a list for the keyboard, and the skill at one of them.

import { stations } from "./api.js";
import { find, make } from "./dom.js";
import { theta } from "./words.js";

const NEAR = 0.02; // degrees from a station that still choose it, at least

/** Keeps the stations of a collection; `go` is called with the one that the reader chooses from the list. */
export class Stations {
  constructor(map, go) {
    this.map = map;
    this.go = go;
    this.wanted = 0;
    find("station").addEventListener("change", () => {
      const one = this.map.stations[Number(find("station").value)];
      if (one) this.go(one);
    });
  }

  /** Take the stations of a collection, where there are any. */
  async use(collection) {
    const number = (this.wanted += 1);
    const { stations: all } = await stations(collection).catch(() => ({ stations: [] }));
    if (number !== this.wanted) return;
    Object.assign(this.map, { stations: all, station: null });
    find("station-field").hidden = !all.length;
    const options = all.map((one, i) => make("option", { value: i }, `${one.network} ${one.station}`));
    find("station").replaceChildren(make("option", { value: "" }, all.length === 1 ? "1 station" : `${all.length} stations`), ...options);
    this.show(this.place);
  }

  /** Show the skill at the station of a place {lon, lat}, if one stands there. */
  show(place) {
    this.place = place;
    const away = (one) => Math.hypot(one.lon - place.lon, one.lat - place.lat);
    const nearest = place && this.map.stations.reduce((a, b) => (a && away(a) <= away(b) ? a : b), null);
    const found = nearest && away(nearest) <= Math.max(NEAR, 40 / 2 ** this.map.view.zoom) ? nearest : null;
    this.map.station = found;
    find("station").value = found ? String(this.map.stations.indexOf(found)) : "";
    find("skill").replaceChildren(...(found ? skill(found) : []));
    this.map.redraw();
  }
}

/** A station's figures, each with its 95 % interval. */
function skill(one) {
  const names = { ubrmsd: "ubRMSD", rmsd: "RMSD", bias: "Bias", r: "R" };
  const rows = Object.keys(names).filter((name) => Number.isFinite(one[name])).flatMap((name) => {
    const ends = Number.isFinite(one[`${name}_low`]) ? ` [${theta(one[`${name}_low`])}, ${theta(one[`${name}_high`])}]` : "";
    return [make("dt", {}, names[name]), make("dd", {}, `${theta(one[name])}${ends}`)];
  });
  const title = `Station ${one.network} ${one.station}, ${one.pairs} pairs`;
  return [make("h3", {}, title), make("dl", { class: "skill" }, ...rows)];
}
