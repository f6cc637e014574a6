// The legend of a layer, all from what the service says of it.

import { make } from "./dom.js";
import { units } from "./words.js";

/** Elements that explain a layer's colours. */
export function legend(layer) {
  const unit = units(layer.units);
  const title = make("h2", {}, layer.title, unit ? make("span", { class: "unit" }, ` (${unit})`) : null);
  return layer.classes ? [title, classes(layer)] : [title, scale(layer)];
}

function scale(layer) {
  const [low, high] = layer.range;
  const bar = make("canvas", { class: "ramp", width: 340, height: 1, role: "img", "aria-label": words(layer) });
  const context = bar.getContext("2d");
  const gradient = context.createLinearGradient(0, 0, bar.width, 0);
  layer.colours.forEach((colour, i) => gradient.addColorStop(i / (layer.colours.length - 1), colour));
  context.fillStyle = gradient;
  context.fillRect(0, 0, bar.width, 1);
  const steps = low < 0 ? 4 : 5; // a range around zero has zero among its marks
  const marks = Array.from({ length: steps + 1 }, (_, i) => low + ((high - low) * i) / steps);
  const digits = high - low < 0.5 ? 2 : high - low < 10 ? 1 : 0;
  const whole = layer.units === "%"; // a share ends where its scale ends
  const beyond = (i) => (whole ? "" : i === steps ? "≥ " : i === 0 && low < 0 ? "≤ " : "");
  const text = (value, i) => `${beyond(i)}${value.toFixed(digits).replace("-", "−")}`;
  const texts = marks.map((value, i) => make("span", {}, text(value, i)));
  const ticks = make("div", { class: "ticks", "aria-hidden": "true" }, ...texts);
  return make("div", { class: "scale" }, bar, ticks, none());
}

function words(layer) {
  const [low, high] = layer.range;
  const ends = layer.name === "soil_moisture" ? "dry brown to wet blue" : "first to last colour";
  return `Colour scale from ${low} to ${high} ${units(layer.units)}, ${ends}`;
}

function none() {
  return make("p", { class: "none" }, make("span", { class: "swatch missing" }), "no value");
}

function classes(layer) {
  const entry = (one) => {
    const swatch = make("span", { class: "swatch" });
    swatch.style.background = one.colour;
    return make("li", {}, swatch, one.title);
  };
  const listed = [...layer.classes].sort((a, b) => (a.value === 0 ? -1 : b.value === 0 ? 1 : 0));
  const note = make("p", { class: "none" }, "If several flags are set, the map shows the first one in this list.");
  return make("div", {}, make("ul", { class: "classes" }, ...listed.map(entry)), note);
}
