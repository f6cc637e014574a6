// The panel "This day": coverage, caveats, flags and downloads.

import { get } from "./api.js";
import { find, make, trouble } from "./dom.js";
import { flagWords } from "./words.js";

const KEPT = new Map();
let wanted = 0;

/** Show a day's entry of /dates; its item is requested once. */
export async function showFacts(entry) {
  const number = (wanted += 1);
  find("simulated").hidden = !entry.simulated;
  find("day-heading").textContent = entry.date;
  const target = find("facts");
  target.setAttribute("aria-busy", "true");
  try {
    const address = `${entry.links.item}#${entry.revision}`; // a new revision is another item
    if (!KEPT.has(address)) KEPT.set(address, await get(entry.links.item));
    if (number !== wanted) return;
    const item = KEPT.get(address);
    const [first, last] = [item.properties.start_datetime, item.properties.end_datetime].map((time) => time?.slice(0, 10));
    if (last > first) find("day-heading").textContent = `${first} to ${last}`; // a mean of 3 days, a week or a month
    target.replaceChildren(...describe(item, entry));
  } catch (error) {
    if (number !== wanted) return;
    target.replaceChildren(trouble(error));
  }
  target.removeAttribute("aria-busy");
}

function describe(item, entry) {
  const of = item.properties;
  const rows = [
    ["Published", `${of["vadose:published_percent"]?.toFixed(1)} % of the area's cells`],
    ["SMAP overpasses", overpass(of["vadose:observed"])],
    ["Revision", of.version],
    ["Licence", of.license],
  ].filter(([, value]) => value);
  const terms = rows.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]);
  const notes = [...(of["vadose:caveats"] ?? []), of["vadose:depth_note"]].filter(Boolean);
  return [
    make("dl", {}, ...terms),
    make("h3", {}, "Caveats"),
    make("ul", { class: "caveats" }, ...notes.map((note) => make("li", {}, note))),
    flags(of["vadose:flag_percent"] ?? {}),
    make("h3", {}, "Download"),
    downloads(item, entry),
  ];
}

function overpass(times) {
  if (!times?.length) return null;
  const [first, last] = [times[0], times.at(-1)];
  const days = first.slice(0, 10) !== last.slice(0, 10); // an analysis draws on passes of the days before
  const minute = (text) => (days ? `${text.slice(0, 10)} ` : "") + text.slice(11, 16);
  return first === last ? `${minute(first)} UTC` : `${minute(first)} to ${minute(last)} UTC`;
}

function flags(percent) {
  const set = Object.entries(percent).filter(([, share]) => share > 0);
  if (!set.length) return null;
  const entries = set.map(([name, share]) => make("li", {}, `${flagWords(name)}: ${share.toFixed(1)} %`));
  return make("details", {}, make("summary", {}, "Flags, share of cells"), make("ul", {}, ...entries));
}

function downloads(item, entry) {
  const link = (asset) => {
    const file = make("a", { href: asset.href, download: true }, asset.title);
    return make("li", {}, file, ` ${kind(asset)}${size(asset["file:size"])}`);
  };
  const json = make("li", {}, make("a", { href: entry.links.file, download: true }, "STAC item"), " JSON");
  return make("ul", { class: "downloads" }, ...Object.values(item.assets).map(link), json);
}

function kind(asset) {
  if (asset.type?.startsWith("image/tiff")) return "GeoTIFF";
  return asset.type?.startsWith("image/png") ? "PNG" : "JSON";
}

function size(bytes) {
  if (!bytes) return "";
  return bytes > 1e6 ? ` (${(bytes / 1e6).toFixed(1)}\u00a0MB)` : ` (${Math.ceil(bytes / 1e3)}\u00a0kB)`;
}
