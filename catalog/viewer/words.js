// Numbers, units and flags as text.

/** "m³ m⁻³" for "m3 m-3"; empty for dimensionless values. */
export function units(text) {
  const raised = { "-": "⁻", 1: "¹", 2: "²", 3: "³" };
  if (text === "1") return "";
  return text.replace(/(?<=[a-z])-?\d+/g, (power) => [...power].map((sign) => raised[sign] ?? sign).join(""));
}

/** Standard deviations to either end of a 90 % interval. */
export const Z90 = 1.645;

/** A volume fraction to three decimals, finer than its uncertainty. */
export const theta = (value) => value.toFixed(3);

/** A value as the axis has it: percent without decimals, a fraction with three. */
export const number = (value) => (value > 1 ? value.toFixed(0) : theta(value));

/** A flag's name in words. */
export const flagWords = (name) => name.replaceAll("_", " ");

/** One day of a series in one line of text. */
export function reading(row, unit) {
  const flags = row.flags.filter((flag) => flag !== "fill").map(flagWords);
  const notes = flags.length ? `; ${flags.join(", ")}` : "";
  if (row.soil_moisture === null) return `no value${notes}`;
  const band = `${theta(row.lower)} to ${theta(row.upper)}`;
  return `soil moisture ${theta(row.soil_moisture)} ± ${theta(row.uncertainty)} ${unit}, 90 % interval ${band}${notes}`;
}

/** An outlook in one line: what is expected after some days, with the 90 % interval. */
export function outlooks(row, unit) {
  const told = [1, 3, 5, 10]
    .filter((days) => Number.isFinite(row[`soil_moisture_day${days}`]))
    .map((days) => {
      const [value, half] = [row[`soil_moisture_day${days}`], Z90 * row[`uncertainty_day${days}`]];
      return `in ${days} d ${theta(value)} (${theta(Math.max(0, value - half))} to ${theta(value + half)})`;
    });
  return told.length ? `expected ${told.join(", ")} ${unit}` : "no outlook that beats persistence and climatology";
}

/** A day's percentile in one line: with its interval, the most probable class, and a flash drought where one is likely. */
export function percentiles(row) {
  if (row.percentile === null) return "no value";
  const names = Object.keys(row).filter((name) => /^probability_[dw]\d$/.test(name));
  const best = names.reduce((a, b) => (row[b] > row[a] ? b : a));
  const likely = row[best] >= 20 ? `; most probable class ${best.slice(-2).toUpperCase()} (${row[best]} %)` : "";
  const flash = row.probability_flash >= 20 ? `; flash drought ${row.probability_flash} %` : "";
  const band = `${row.percentile_lower.toFixed(0)} to ${row.percentile_upper.toFixed(0)}`;
  return `percentile ${row.percentile.toFixed(0)}, 90 % interval ${band}${likely}${flash}`;
}
