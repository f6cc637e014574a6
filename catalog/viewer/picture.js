// What is seen as a PNG: the map with its title and legend.

import { units } from "./words.js";

const SIDE = 16;

/** Save the map's canvas with a title and the legend of its layer below it. */
export function savePicture(canvas, layer, title, name) {
  const ratio = window.devicePixelRatio || 1;
  const made = document.createElement("canvas");
  const foot = 86 * ratio;
  Object.assign(made, { width: canvas.width, height: canvas.height + foot });
  const context = made.getContext("2d");
  context.fillStyle = "#ffffff";
  context.fillRect(0, 0, made.width, made.height);
  context.drawImage(canvas, 0, 0);
  context.setTransform(ratio, 0, 0, ratio, 0, canvas.height);
  const width = made.width / ratio - 2 * SIDE;
  context.fillStyle = "#1d2126";
  context.font = "bold 14px system-ui, sans-serif";
  context.fillText(title, SIDE, 22, width);
  if (layer.range) ramp(context, layer, width);
  made.toBlob((blob) => saveFile(blob, name));
}

/** Let the browser keep a file. */
export function saveFile(blob, name) {
  const link = document.createElement("a");
  Object.assign(link, { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

function ramp(context, layer, width) {
  const gradient = context.createLinearGradient(SIDE, 0, SIDE + width, 0);
  layer.colours.forEach((colour, i) => gradient.addColorStop(i / (layer.colours.length - 1), colour));
  context.fillStyle = gradient;
  context.fillRect(SIDE, 34, width, 14);
  context.fillStyle = "#1d2126";
  context.font = "12px system-ui, sans-serif";
  const [low, high] = layer.range;
  context.fillText(String(low), SIDE, 66);
  context.textAlign = "right";
  context.fillText(`${high} ${units(layer.units)}`, SIDE + width, 66);
}
