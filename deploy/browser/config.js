// STAC Browser's settings: the service that serves it, wherever that is, and nothing from any other host.
// Node reads them when it builds (there is no page then), the browser when it runs.
const page = typeof window === "undefined" ? null : window.location;

module.exports = {
  ...require("./defaults.config.js"), // STAC Browser's own
  catalogUrl: page && new URL("../stac/", page).href,
  catalogTitle: "vadose 1 km² soil moisture",
  pathPrefix: page ? new URL(".", page).pathname : "./",
  historyMode: "hash",
  allowExternalAccess: false,
  detectLocaleFromBrowser: false,
  storeLocale: false,
  supportedLocales: ["en"],
  apiCatalogPriority: "collections",
  displayPreview: false, // the thumbnail has a frame and a colour bar: a picture to look at, not one to lay on a map
  displayOverview: false,
  displayGeoTiffByDefault: false,
  cardViewSort: "desc",
  itemsPerPage: 24,
  crs: { "EPSG:6933": "+proj=cea +lat_ts=30 +datum=WGS84 +units=m +no_defs" }, // else it is asked of another host
  socialSharing: [],
  footerLinks: null,
};
