// Finding a place by name, or by latitude and longitude; names are loaded when they are first asked for.

import { get } from "./api.js";
import { announce, find, make } from "./dom.js";

const SHOWN = 8;
let names;

/** Listens to the search; `go` is called with a box [west, south, east, north] and a name. */
export function listenToSearch(go) {
  const field = find("find");
  field.addEventListener("focus", () => (names ??= load()));
  field.addEventListener("input", () => suggest(field.value, go));
  find("search").addEventListener("submit", (event) => {
    event.preventDefault();
    choose(field.value, go);
  });
}

const load = () => get("viewer/places.json").then(({ places }) => places).catch(() => []);

/** Latitude and longitude in a text, as [lon, lat]. */
export function coordinates(text) {
  const match = /^\s*(-?\d+(?:\.\d+)?)\s*[,;\s]\s*(-?\d+(?:\.\d+)?)\s*$/.exec(text);
  if (!match) return null;
  const [lat, lon] = [Number(match[1]), Number(match[2])];
  return Math.abs(lat) <= 90 && Math.abs(lon) <= 180 ? [lon, lat] : null;
}

/** Places whose name begins with a text, then those that hold it. */
export function matches(list, text) {
  const wanted = text.trim().toLowerCase();
  if (wanted.length < 2) return [];
  const begins = list.filter(([name]) => name.toLowerCase().startsWith(wanted));
  const holds = list.filter(([name]) => !name.toLowerCase().startsWith(wanted) && name.toLowerCase().includes(wanted));
  return [...begins, ...holds].slice(0, SHOWN);
}

async function suggest(text, go) {
  const found = coordinates(text) ? [] : matches(await (names ??= load()), text);
  if (find("find").value !== text) return;
  const entries = found.map((place) => {
    const button = make("button", { type: "button", class: "plain" }, place[0]);
    button.addEventListener("click", () => show(place, go));
    return make("li", {}, button);
  });
  find("found").replaceChildren(...entries);
}

async function choose(text, go) {
  const at = coordinates(text);
  if (at) {
    show([text.trim(), at[0] - 0.2, at[1] - 0.2, at[0] + 0.2, at[1] + 0.2], go);
    return;
  }
  const list = await (names ??= load());
  const [first] = matches(list, text);
  if (first) show(first, go);
  else note(list.length ? `No place is called ${text}.` : "This service knows no names. Enter latitude, longitude.");
}

function show([name, ...box], go) {
  find("found").replaceChildren();
  find("find").value = name;
  note(go(box, name));
}

function note(text) {
  find("find-note").textContent = text;
  announce(text);
}
