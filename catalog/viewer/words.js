// Numbers, units and flags as text.

/** "m³ m⁻³" for "m3 m-3"; empty for dimensionless values. */
export function units(text) {
  const raised = { "-": "⁻", 1: "¹", 2: "²", 3: "³" };
  if (text === "1") return "";
  return text.replace(/(?<=[a-z])-?\d+/g, (power) => [...power].map((sign) => raised[sign] ?? sign).join(""));
}

/** A volume fraction to three decimals, finer than its uncertainty. */
export const theta = (value) => value.toFixed(3);

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
