// A second map beside the first: the same view of another day or product.

import { dates } from "./api.js";
import { find, make, trouble } from "./dom.js";
import { MapView } from "./map.js";

/** Shows another day beside the first map; `changed` is called with its date, or undefined when it is closed. */
export class Compare {
  constructor(map, look, changed) {
    this.map = map;
    this.look = look;
    this.changed = changed;
    this.list = [];
    find("compare").addEventListener("click", () => (this.open ? this.close() : this.start()));
    find("other-area").addEventListener("change", () => this.load());
    find("other-date").addEventListener("change", () => this.show(find("other-date").value));
    map.addEventListener("view", () => this.follow(map, this.second));
  }

  get open() {
    return find("compare").getAttribute("aria-pressed") === "true";
  }

  /** Take the collections to choose from, which one and layer is shown at first, and whether a date is compared. */
  use(areas, area, layer, legends, date) {
    Object.assign(this, { areas, area, layer, legends });
    find("other-area").replaceChildren(...areas.map((one) => make("option", { value: one.id }, one.name)));
    find("other-area").value = area;
    if (date && !this.open) this.start(date);
    else if (this.open && date) this.load(date);
    else if (this.open) this.close();
  }

  start(date) {
    find("compare").setAttribute("aria-pressed", "true");
    find("beside").hidden = false;
    find("frames").classList.add("two");
    if (!this.second) {
      this.second = new MapView(find("map2"));
      this.second.addEventListener("view", () => this.follow(this.second, this.map));
    }
    Object.assign(this.second, { box: this.map.box, deepest: this.map.deepest, boundaries: this.map.boundaries });
    this.load(date).catch((error) => find("other-note").replaceChildren(trouble(error)));
  }

  close() {
    find("compare").setAttribute("aria-pressed", "false");
    find("beside").hidden = true;
    find("frames").classList.remove("two");
    this.map.resize();
    this.changed(undefined);
  }

  async load(date) {
    const listed = await dates(find("other-area").value);
    this.list = [...listed.dates].reverse();
    const options = this.list.map((one) => make("option", { value: one.date }, one.date));
    find("other-date").replaceChildren(...options);
    const before = this.list.at(-2) ?? this.list.at(-1);
    this.show(this.list.some((one) => one.date === date) ? date : before.date);
  }

  show(date) {
    const entry = this.list.find((one) => one.date === date);
    const assets = this.areas.find((one) => one.id === find("other-area").value).item_assets;
    const layer = assets[this.layer] ? this.layer : Object.keys(assets).find((name) => this.legends[name]);
    find("other-date").value = date;
    find("other-note").textContent = `Second map: ${this.legends[layer].title}, ${date}`;
    this.second.boundaries = this.map.boundaries;
    this.second.resize();
    this.map.resize();
    this.second.element.setAttribute("aria-label", `Second map, ${this.legends[layer].title}, ${date}`);
    this.second.show(entry.links.tiles.replace("{layer}", layer) + this.look.terms(this.legends[layer]));
    this.follow(this.map, this.second);
    this.changed(date);
  }

  /** Give one map the view of the other; the second call, of the one that follows, finds nothing to do. */
  follow(from, to) {
    if (!this.open || !to || this.following) return;
    this.following = true;
    to.move(from.view);
    this.following = false;
  }
}
