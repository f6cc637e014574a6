// Builds STAC Browser and the map's boundaries into build/browser at the top of the project. The sources come from npm;
// what this folder adds are settings, an empty list of base maps and no links to outside viewers.

import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { merge, mesh } from "topojson-client";

const here = dirname(fileURLToPath(import.meta.url));
const work = join(here, "build");
const target = process.env.TARGET ?? join(here, "..", "..", "build", "browser");
function browser() {
  rmSync(work, { recursive: true, force: true });
  cpSync(join(here, "node_modules/@radiantearth/stac-browser"), work, { recursive: true });
  symlinkSync(join(here, "node_modules"), join(work, "node_modules")); // its styles name this folder
  renameSync(join(work, "config.js"), join(work, "defaults.config.js"));
  cpSync(join(here, "config.js"), join(work, "config.js"));
  const icon = '<link rel="icon" href="../viewer/icon.svg" type="image/svg+xml">';
  change("public/index.html", "<title>", `${icon}<title>`);
  // Thumbnails have a frame and a colour bar: pictures to look at, not to lay on a collection's map.
  change("src/components/Map.vue", "displayPreview: this.children && this.children.isItemCollection()", "displayPreview: false");
  writeFileSync(join(work, "basemaps.config.js"), "export default function configureBasemap() { return []; }\n");
  for (const name of ["assetActions", "linkActions"]) {
    writeFileSync(join(work, `${name}.config.js`), "export default {};\n");
  }
  const manifest = JSON.parse(readFileSync(join(work, "package.json"), "utf8"));
  delete manifest.devDependencies["@vue/cli-plugin-eslint"]; // the service loads what is named here; we lint nothing
  writeFileSync(join(work, "package.json"), JSON.stringify(manifest));
  const command = join(here, "node_modules/.bin/vue-cli-service");
  const args = ["build", "--noSourceMaps", "--dest", target];
  const env = { ...process.env, NODE_ENV: "production" };
  const done = spawnSync(command, args, { cwd: work, env, stdio: "inherit" });
  if (done.status !== 0) process.exit(done.status ?? 1);
}

/** Put another text in place of one that a source file must hold. */
function change(file, before, after) {
  const path = join(work, file);
  const source = readFileSync(path, "utf8");
  if (!source.includes(before)) throw new Error(`${file} of this version of STAC Browser lacks: ${before}`);
  writeFileSync(path, source.replace(before, after));
}

/** Lines of degrees to three decimals (about 100 m, finer than a cell), repeated points left out. */
function lines(geometry) {
  const round = (value) => Math.round(value * 1000) / 1000;
  return geometry.coordinates
    .map((line) =>
      line
        .map(([lon, lat]) => [round(lon), round(lat)])
        .filter((point, i, all) => i === 0 || point[0] !== all[i - 1][0] || point[1] !== all[i - 1][1]),
    )
    .filter((line) => line.length > 1);
}

/** The nation's outline, state lines and county lines of the US Census Bureau, as the package us-atlas has them. */
function boundaries() {
  const atlas = JSON.parse(readFileSync(join(here, "node_modules/us-atlas/counties-10m.json"), "utf8"));
  const { nation, states, counties } = atlas.objects;
  const sameState = (a, b) => String(a.id).slice(0, 2) === String(b.id).slice(0, 2);
  mkdirSync(target, { recursive: true });
  const land = lines(mesh(atlas, nation));
  const inner = lines(mesh(atlas, states, (a, b) => a !== b));
  const fine = lines(mesh(atlas, counties, (a, b) => a !== b && sameState(a, b)));
  const source = "US Census Bureau, by us-atlas";
  writeFileSync(join(target, "boundaries.json"), JSON.stringify({ source, land, states: inner, counties: fine }));
}

/** States and counties with their boxes in degrees, for the map's search: [name, west, south, east, north]. */
function places() {
  const atlas = JSON.parse(readFileSync(join(here, "node_modules/us-atlas/counties-10m.json"), "utf8"));
  const round = (value) => Math.round(value * 100) / 100;
  const states = new Map(atlas.objects.states.geometries.map((one) => [String(one.id), one.properties.name]));
  const entry = (shape, name) => {
    const [west, south, east, north] = bbox(merge(atlas, [shape]));
    return [name, round(west), round(south), round(east), round(north)];
  };
  const list = [
    ...atlas.objects.states.geometries.map((one) => entry(one, one.properties.name)),
    ...atlas.objects.counties.geometries.map((one) =>
      entry(one, `${one.properties.name} County, ${states.get(String(one.id).slice(0, 2))}`),
    ),
  ];
  mkdirSync(target, { recursive: true });
  const source = "US Census Bureau (public domain), by us-atlas";
  writeFileSync(join(target, "places.json"), JSON.stringify({ source, places: list }));
}

/** The box of a MultiPolygon. */
function bbox({ coordinates }) {
  const points = coordinates.flat(2);
  const [lons, lats] = [points.map(([lon]) => lon), points.map(([, lat]) => lat)];
  return [Math.min(...lons), Math.min(...lats), Math.max(...lons), Math.max(...lats)];
}

const only = process.env.ONLY; // "lines" leaves STAC Browser as it is
if (only !== "lines") browser();
boundaries();
places();
console.log(`STAC Browser and boundaries are in ${target}`);
