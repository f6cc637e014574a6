// STAC Browser's settings: the service that serves it, wherever that is, and nothing from any other host.
// Node reads them when it builds (there is no page then), the browser when it runs.
const page = typeof window === "undefined" ? null : window.location;

module.exports = {
  catalogUrl: page && new URL("../stac/", page).href,
  catalogTitle: "vadose 1 km² soil moisture",
  pathPrefix: page ? new URL(".", page).pathname : "./",
  historyMode: "hash",
  allowExternalAccess: false,
  detectLocaleFromBrowser: false,
  storeLocale: false,
  supportedLocales: ["en"],
  apiCatalogPriority: "collections",
  displayPreview: true,
  displayOverview: true,
  displayGeoTiffByDefault: false,
  cardViewSort: "desc",
  itemsPerPage: 24,
  socialSharing: [],
  footerLinks: null,
};
