// The published days: slider, buttons and calendar, all on the same list.

import { announce, find } from "./dom.js";

/** Keeps the chosen day; `changed` is called with the new day's entry. */
export class Days {
  constructor(changed) {
    this.changed = changed;
    this.list = [];
    this.withdrawn = new Map();
    this.index = -1;
    find("day").addEventListener("input", (event) => this.go(Number(event.target.value)));
    find("previous").addEventListener("click", () => this.step(-1));
    find("next").addEventListener("click", () => this.step(1));
    find("latest").addEventListener("click", () => this.go(this.list.length - 1));
    find("date").addEventListener("change", (event) => event.target.value && this.nearest(event.target.value));
  }

  /** Take the published days, latest first, and show the wanted one, or the latest; say why one was withdrawn. */
  use(dates, wanted, withdrawn = []) {
    this.withdrawn = new Map(withdrawn.map((one) => [one.date, one.reason]));
    this.list = [...dates].reverse();
    this.index = -1;
    const [first, last] = [this.list[0].date, this.list.at(-1).date];
    find("day").max = String(this.list.length - 1);
    find("first").textContent = first;
    find("last").textContent = last;
    Object.assign(find("date"), { min: first, max: last });
    if (wanted) this.nearest(wanted);
    else this.go(this.list.length - 1);
  }

  get entry() {
    return this.list[this.index];
  }

  step(by) {
    this.go(this.index + by);
  }

  /** The published day nearest to a date; says so when it is another. */
  nearest(date) {
    const apart = (one) => Math.abs(Date.parse(one.date) - Date.parse(date));
    let best = this.list.length - 1;
    this.list.forEach((one, i) => {
      if (apart(one) < apart(this.list[best])) best = i;
    });
    this.go(best, this.list[best].date === date ? "" : `${this.absence(date)}; the nearest day is `);
  }

  /** Why a day is not on the list. */
  absence(date) {
    if (!this.withdrawn.has(date)) return `${date} is not published`;
    const reason = this.withdrawn.get(date);
    return `${date} was withdrawn${reason ? ` (${reason})` : ""}`;
  }

  go(index, note = "") {
    const next = Math.max(0, Math.min(this.list.length - 1, index));
    const { date } = this.list[next];
    find("date").value = date;
    if (note) find("day-note").textContent = `${note}${date}.`;
    else find("day-note").textContent = "";
    if (next === this.index) return;
    this.index = next;
    Object.assign(find("day"), { value: String(next) });
    find("day").setAttribute("aria-valuetext", date);
    find("previous").disabled = next === 0;
    find("next").disabled = find("latest").disabled = next === this.list.length - 1;
    announce(`${note}${date}`);
    this.changed(this.entry);
  }
}
