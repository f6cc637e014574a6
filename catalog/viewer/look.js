// Colours and range that the reader chooses for a layer in place of its own.

import { find, make } from "./dom.js";

/** Keeps the controls in step with a state {palette, low, high}; `changed` is called with what is chosen. */
export class Look {
  constructor(state, changed) {
    this.state = state;
    for (const name of ["low", "high"]) find(name).addEventListener("change", () => this.take(changed));
    find("palette").addEventListener("change", () => changed({ palette: find("palette").value || undefined }));
    find("look-reset").addEventListener("click", () => changed({ palette: undefined, low: undefined, high: undefined }));
  }

  /** Take the palettes {name: colours} that there are. */
  use(palettes) {
    this.palettes = palettes;
    const own = make("option", { value: "" }, "the layer's own");
    find("palette").replaceChildren(own, ...Object.keys(palettes).map((name) => make("option", { value: name }, name)));
  }

  /** Numbers as they were entered; a range that does not rise is told, and not taken. */
  take(changed) {
    const [low, high] = ["low", "high"].map((name) => Number.parseFloat(find(name).value));
    const rises = Number.isFinite(low) && Number.isFinite(high) && low < high;
    find("look-note").textContent = rises ? "" : "The first number has to be below the second.";
    if (rises) changed({ low, high });
  }

  /** The layer in the colours and range that are chosen; one of classes stays as it is. */
  styled(layer) {
    if (layer.classes) return layer;
    const { palette, low = layer.range[0], high = layer.range[1] } = this.state;
    return { ...layer, range: low < high ? [low, high] : layer.range, colours: this.palettes[palette] ?? layer.colours };
  }

  /** What the address of a layer's tiles ends with. */
  terms(layer) {
    const { palette, low, high } = this.state;
    if (layer.classes) return "";
    const known = palette in this.palettes ? `&palette=${palette}` : "";
    return low < high ? `${known}&low=${low}&high=${high}` : known;
  }

  /** Show what holds for a layer. */
  show(layer) {
    find("look").hidden = Boolean(layer.classes);
    if (layer.classes) return;
    const [low, high] = this.styled(layer).range;
    Object.assign(find("low"), { value: low });
    Object.assign(find("high"), { value: high });
    find("palette").value = this.state.palette in this.palettes ? this.state.palette : "";
    find("look-note").textContent = "";
  }
}
