/** Numbers and times as a person reads them, in the language of the page. */
import { t } from "./texts/index.ts";

const number = (digits: number) =>
  new Intl.NumberFormat(t.language, { maximumFractionDigits: digits, minimumFractionDigits: 0 });
const whole = number(0);
const tenth = number(1);

const GIB = 2 ** 30;
const MIB = 2 ** 20;

export function bytes(many: number): string {
  if (many >= GIB) return `${tenth.format(many / GIB)} GB`;
  return `${whole.format(many / MIB)} MB`;
}

export function rate(bits: number): string {
  if (bits >= 1e6) return `${tenth.format(bits / 1e6)} Mbit/s`;
  return `${whole.format(bits / 1e3)} kbit/s`;
}

/** A share from 0 on; of several processors it may be above one. */
export const percent = (share: number): string => `${whole.format(share * 100)} %`;

export const count = (many: number): string => whole.format(many);

export const perSecond = (many: number): string => (many < 10 ? tenth : whole).format(many);

const UNITS: readonly (readonly [Intl.RelativeTimeFormatUnit, number])[] = [
  ["day", 86_400],
  ["hour", 3600],
  ["minute", 60],
];

/** "12 min", "3 hr": how long something has been. */
export function lasting(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  const [unit, size] = UNITS.find(([, size]) => seconds >= size) ?? ["second", 1];
  return new Intl.NumberFormat(t.language, {
    style: "unit",
    unit,
    unitDisplay: "short",
  }).format(Math.floor(seconds / size));
}

const DAY_MS = 86_400_000;

/** A moment: the time alone if it is near, else with its day. */
export function moment(milliseconds: number): string {
  const near = Math.abs(Date.now() - milliseconds) < DAY_MS / 2;
  return new Intl.DateTimeFormat(
    t.language,
    near ? { timeStyle: "short" } : { dateStyle: "medium", timeStyle: "short" },
  ).format(milliseconds);
}
