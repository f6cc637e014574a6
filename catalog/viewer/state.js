// What the page shows, kept in the address behind #, so that a link shows the same.

const NUMBERS = ["lon", "lat", "zoom", "plon", "plat", "days", "low", "high"];
const TEXTS = ["area", "date", "layer", "other", "palette"];

/** The state in an address's hash; what is absent or no number is left out. */
export function parse(hash) {
  const terms = new URLSearchParams(hash.replace(/^#/, ""));
  const state = {};
  for (const name of TEXTS) if (terms.get(name)) state[name] = terms.get(name);
  for (const name of ["date", "other"]) if (Number.isNaN(Date.parse(state[name]))) delete state[name];
  for (const name of NUMBERS) {
    const value = Number.parseFloat(terms.get(name));
    if (Number.isFinite(value)) state[name] = value;
  }
  return state;
}

/** The hash of a state. */
export function format(state) {
  const digits = { lon: 4, lat: 4, zoom: 2, plon: 5, plat: 5, days: 0, low: 3, high: 3 };
  const terms = new URLSearchParams();
  for (const name of [...TEXTS, ...NUMBERS]) {
    const value = state[name];
    if (value !== undefined && value !== null) terms.set(name, name in digits ? value.toFixed(digits[name]) : value);
  }
  return `#${terms}`;
}
