// The page: what is chosen (area, day, layer, place) and what follows from it.

import * as api from "./api.js";
import { Compare } from "./compare.js";
import { Days } from "./days.js";
import { announce, find, make, trouble } from "./dom.js";
import { showFacts } from "./facts.js";
import { Field } from "./field.js";
import { legend } from "./legend.js";
import { Look } from "./look.js";
import { MapView } from "./map.js";
import { degrees, fit, holds } from "./mercator.js";
import { Boundaries } from "./overlay.js";
import { saveFile, savePicture } from "./picture.js";
import { Readout } from "./readout.js";
import { listenToSearch } from "./search.js";
import { Series } from "./series.js";
import { format, parse } from "./state.js";
import { Stations } from "./stations.js";

const NAMES = {
  soil_moisture: "Soil moisture",
  percentile: "Percentile",
  anomaly: "Anomaly",
  probability_d1: "Chance of D1",
  probability_flash: "Flash drought",
  days_dry: "Days dry",
  climatology_p50: "Usual",
  available_share: "Plant water",
  layer2: "10–40 cm",
  layer3: "40–100 cm",
  soil_moisture_day1: "In 1 day",
  soil_moisture_day3: "In 3 days",
  soil_moisture_day5: "In 5 days",
  soil_moisture_day10: "In 10 days",
  spread: "Spread",
  uncertainty: "Uncertainty",
  quality_flag: "Flags",
  difference: "Difference to SMAP",
};
const FRAME = 1200; // ms that a day is shown while days are played

const FIRST = { layer: "soil_moisture", days: 366 };
const state = { ...FIRST, ...parse(location.hash) };
const map = new MapView(find("map"));
const days = new Days(showDay);
const series = new Series((date) => days.nearest(date));
const readout = new Readout();
const look = new Look(state, restyle);
const compare = new Compare(map, look, (date) => keep({ other: date }, true));
const field = new Field(map, showField);
const stations = new Stations(map, goToStation);
let beside = { rain: false, readings: false }; // what the service holds to show beside a series
let playing;
let areas = [];
let legends = {};
let writing;
let settled = false; // whether what is chosen is the reader's doing, which the browser's "back" undoes
let pushing = false;

start().catch((error) => find("facts").replaceChildren(trouble(error)));

async function start() {
  listen();
  const [all, layers] = await Promise.all([api.collections(), api.layers()]);
  [areas, legends] = [all, layers.all];
  look.use(layers.palettes);
  beside = { rain: layers.rain, readings: layers.readings };
  if (!areas.length) throw new Error("No days are published yet.");
  map.deepest = Math.min(map.deepest, layers.deepest);
  buildAreas();
  await showArea();
  settle();
  map.boundaries = new Boundaries(await api.get("viewer/boundaries.json").catch(() => ({})));
  redrawLines();
  showCounties();
}

/** Draw boundaries that have come, on both maps. */
function redrawLines() {
  map.redraw();
  if (compare.second) Object.assign(compare.second, { boundaries: map.boundaries }).redraw();
}

async function showCounties() {
  if (await map.boundaries?.complete(map.view, api.get)) redrawLines();
}

function listen() {
  map.addEventListener("view", showCounties);
  map.addEventListener("view", () => keep(map.fitted ? { lon: undefined, lat: undefined, zoom: undefined } : map.view));
  map.addEventListener("hover", ({ detail }) => {
    if (days.entry && inside(detail)) readout.at(detail, state.area, days.entry);
    else readout.hide();
  });
  map.addEventListener("lost", () => {
    find("layer-note").textContent = `${NAMES[state.layer]} of this day is missing or cannot be drawn.`;
  });
  map.addEventListener("leave", () => readout.hide());
  map.addEventListener("pick", ({ detail }) => {
    if (field.on) return field.add(detail);
    if (days.entry && inside(detail)) readout.at(detail, state.area, days.entry, false);
    return choose(detail);
  });
  map.addEventListener("step", ({ detail }) => days.step(detail));
  find("zoom-in").addEventListener("click", () => map.zoomBy(1));
  find("zoom-out").addEventListener("click", () => map.zoomBy(-1));
  listenToSearch(goTo);
  find("play").addEventListener("click", () => play(!playing));
  find("picture").addEventListener("click", () => {
    const [layer, { date }] = [look.styled(legends[state.layer]), days.entry];
    savePicture(map.canvas, layer, `${layer.title}, ${date}`, `vadose-${state.layer}-${date}.png`);
  });
  for (const format of ["tif", "csv"]) find(`save-${format}`).addEventListener("click", () => saveView(format));
  api.service.addEventListener("away", () => away("The service does not answer. Trying again …", false));
  api.service.addEventListener("gone", () => away("The service does not answer.", true));
  api.service.addEventListener("back", () => (find("away").hidden = true));
  find("again").addEventListener("click", () => location.reload());
  find("zoom-all").addEventListener("click", () => map.fit());
  find("area").addEventListener("change", (event) => changeArea(event.target.value));
  find("place").addEventListener("submit", (event) => {
    event.preventDefault();
    choose({ lon: Number(find("lon").value), lat: Number(find("lat").value) });
  });
  find("period").addEventListener("change", () => {
    keep({ days: Number(find("period").value) });
    if (map.place) showSeries();
  });
  window.addEventListener("popstate", () => location.hash !== format(state) && restore());
  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault(); // the address's hash is the state's
    find("panel").focus();
  });
}

/** Note what is chosen, and have it in the address soon: browsers refuse to change that too often. */
function keep(change, step = false) {
  Object.assign(state, change);
  pushing ||= step && settled && !playing;
  clearTimeout(writing);
  writing = setTimeout(() => {
    const address = format(state);
    if (pushing && address !== location.hash) history.pushState(null, "", address);
    else history.replaceState(null, "", address);
    pushing = false;
  }, 100);
}

/** From now on steps of the reader are entries of the browser's history. */
function settle() {
  setTimeout(() => (settled = true), 200); // after the address has what was opened
}

/** Show what the address says, after the reader went back or forward. */
function restore() {
  clearTimeout(writing);
  [settled, pushing] = [false, false];
  play(false);
  for (const name of Object.keys(state)) delete state[name];
  Object.assign(state, FIRST, parse(location.hash));
  if (!areas.some((one) => one.id === state.area)) state.area = areas[0].id;
  find("area").value = state.area;
  Object.assign(map, { place: null, ring: [] });
  series.clear();
  showArea().then(settle, (error) => find("facts").replaceChildren(trouble(error)));
}

function away(text, over) {
  find("away").hidden = false;
  find("away-text").textContent = text;
  find("again").hidden = !over;
}

const inside = ({ lon, lat }) => holds(map.box, lon, lat);

/** What an area shows, then where: a narrow list cuts off the end. */
function areaName({ id, title }) {
  const [, ...parts] = title.replace(/ \(simulated sample\)$/, "").split(", "); // without the product's name
  const kind = /^vadose-sm-1km-/.test(id) && parts.length > 1 ? parts.pop() : "SMAP-conserving";
  return parts.length ? `${kind[0].toUpperCase()}${kind.slice(1)}: ${parts.join(", ")}` : title;
}

function buildAreas() {
  areas = areas.map((one) => ({ ...one, name: areaName(one) }));
  find("area").replaceChildren(...areas.map((one) => make("option", { value: one.id }, one.name)));
  find("area-field").hidden = areas.length < 2;
  find("only").hidden = areas.length !== 1;
  find("only").textContent = areas[0].name;
  if (!areas.some((one) => one.id === state.area)) state.area = areas[0].id;
  find("area").value = state.area;
}

function changeArea(area) {
  const box = (id) => areas.find((one) => one.id === id).extent.spatial.bbox[0].join();
  const elsewhere = box(area) !== box(state.area); // another product of the same ground keeps day, view and place
  keep({ area, low: undefined, high: undefined }, true);
  if (elsewhere) {
    Object.assign(state, { date: undefined, zoom: undefined, plon: undefined, plat: undefined });
    map.place = null;
  }
  series.clear();
  settled = false; // what follows from the area is no step of its own
  showArea().then(settle, (error) => find("facts").replaceChildren(trouble(error)));
}

async function showArea() {
  const listed = await api.dates(state.area);
  if (!listed.dates.length) throw new Error("No days of this area are published yet.");
  map.box = listed.bbox;
  stations.use(state.area);
  buildLayers();
  if ([state.lon, state.lat, state.zoom].includes(undefined)) map.fit();
  else map.move({ lon: state.lon, lat: state.lat, zoom: state.zoom });
  if (![...find("period").options].some((one) => one.value === String(state.days))) state.days = 366;
  find("period").value = String(state.days);
  days.use(listed.dates, state.date, listed.withdrawn);
  compare.use(areas, state.area, state.layer, legends, state.other);
  if (state.plon !== undefined && state.plat !== undefined) choose({ lon: state.plon, lat: state.plat });
}

function buildLayers() {
  const { item_assets: assets } = areas.find((one) => one.id === state.area);
  const has = (name) => legends[name] && (name === "difference" ? assets.observation_time && !assets.smap_age : assets[name]);
  const shown = Object.keys(NAMES).filter(has);
  if (!shown.includes(state.layer)) [state.layer] = shown;
  const choices = shown.map((name) => {
    const input = make("input", { type: "radio", name: "layer", value: name, checked: name === state.layer });
    input.addEventListener("change", () => showLayer(name));
    return make("label", {}, input, make("span", {}, NAMES[name]));
  });
  find("layers").replaceChildren(...choices);
}

function showLayer(name) {
  keep({ layer: name, low: undefined, high: undefined }, true);
  announce(legends[name].title);
  drawLayer();
  compare.use(areas, state.area, name, legends, state.other);
}

/** Show the days one after another, from the first where the last is shown, until the end or until told to stop. */
function play(on) {
  clearInterval(playing);
  playing = undefined;
  find("play").setAttribute("aria-pressed", String(on));
  find("play").textContent = on ? "Stop" : "Play";
  if (!on) return;
  if (days.index === days.list.length - 1) days.go(0);
  playing = setInterval(() => {
    if (map.tiles.busy) return;
    if (days.index === days.list.length - 1) play(false);
    else days.step(1);
  }, FRAME);
}

/** Move the map to a box [west, south, east, north]; what is said of it. */
function goTo([west, south, east, north], name) {
  const middle = { lon: (west + east) / 2, lat: (south + north) / 2 };
  const { zoom } = fit([west, south, east, north], map.width, map.height);
  map.move({ ...middle, zoom: Math.min(zoom, 11) });
  const meets = west < map.box[2] && east > map.box[0] && south < map.box[3] && north > map.box[1];
  return meets ? `The map shows ${name}.` : `${name} is outside the area of this product.`;
}

/** Choose a station, and have it in view. */
function goToStation(one) {
  const [[west, north], [east, south]] = [map.at(0, 0), map.at(map.width, map.height)];
  if (!holds([west, south, east, north], one.lon, one.lat)) map.move({ lon: one.lon, lat: one.lat, zoom: map.view.zoom });
  choose(one);
}

/** Show the series of a ring that was drawn. */
function showField(ring) {
  const { start, end } = span();
  series.show({ collection: state.area, ring, start, end }, days.entry.date);
}

function drawLayer() {
  const layer = legends[state.layer];
  find("legend").replaceChildren(...legend(look.styled(layer)));
  look.show(layer);
  find("layer-note").textContent = "";
  map.show(days.entry.links.tiles.replace("{layer}", state.layer) + look.terms(layer));
}

/** Draw in other colours or another range. */
function restyle(change) {
  keep(change, true);
  drawLayer();
  compare.use(areas, state.area, state.layer, legends, state.other);
}

/** Save the raster of the layer where the map shows it. */
async function saveView(format) {
  const [asset, { item }] = [state.layer, days.entry];
  const [[west, north], [east, south]] = [map.at(0, 0), map.at(map.width, map.height)];
  const [left, low, right, top] = map.box;
  const box = [Math.max(west, left), Math.max(south, low), Math.min(east, right), Math.min(north, top)];
  try {
    saveFile(await api.cut({ collection: state.area, item, asset, box, format }), `${item}_${asset}.${format}`);
    find("layer-note").textContent = "";
  } catch (error) {
    find("layer-note").textContent = error.message;
  }
}

function showDay(entry) {
  keep({ date: entry.date }, true);
  document.title = `vadose: 1 km² soil moisture, ${entry.date}`;
  map.element.setAttribute("aria-label", `${legends[state.layer].title}, map of ${entry.date}`);
  drawLayer();
  readout.hide();
  series.mark(entry.date);
  if (state.area.includes("-outlook_") && map.place) showSeries(); // each day has its own
  showFacts(entry);
}

/** Show the series at a place {lon, lat}. */
function choose(place) {
  if (!days.entry) return;
  if (!inside(place)) {
    const [west, south, east, north] = map.box;
    const [here, area] = [degrees(place.lon, place.lat), `${degrees(west, south, 2)} to ${degrees(east, north, 2)}`];
    find("series").replaceChildren(trouble(new Error(`${here} is outside the area: ${area}.`)));
    return;
  }
  map.ring = [];
  map.place = [place.lon, place.lat];
  find("lat").value = place.lat.toFixed(4);
  find("lon").value = place.lon.toFixed(4);
  keep({ plon: place.lon, plat: place.lat }, true);
  stations.show(place);
  map.redraw();
  showSeries();
}

function showSeries() {
  const [lon, lat] = map.place;
  const usual = state.area.replace("-analysis_", "-percentile_");
  const ranked = usual !== state.area && areas.some((one) => one.id === usual) ? usual : undefined;
  const station = beside.readings ? map.station : null;
  series.show({ collection: state.area, lon, lat, ranked, rain: beside.rain, station, ...span() }, days.entry.date);
}

/** First and last day of the chosen period. */
function span() {
  const end = days.list.at(-1).date;
  return { start: new Date(Date.parse(end) - state.days * 86_400_000).toISOString().slice(0, 10), end };
}
