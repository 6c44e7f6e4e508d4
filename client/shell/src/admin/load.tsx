/** How busy the server is: four numbers, each with a line of the last minutes. */
import { createMemo, For } from "solid-js";
import type { Overview, Sample } from "../../../core/src/admin-model.ts";
import { bytes, percent, perSecond, rate } from "./format.ts";
import { t } from "./texts/index.ts";

const WIDE = 160;
const HIGH = 32;
/** As many samples as the server keeps: a line that is young begins further right. */
const MOST = 150;

interface Gauge {
  name: string;
  now: string;
  more: string;
  values: number[];
  /** What fills the whole height; the largest value if that is more. */
  full: number;
}

const NONE: Sample = {
  at: 0,
  cpu: 0,
  server_cpu: 0,
  encoding: 0,
  memory_bytes: 0,
  frames: 0,
  bits: 0,
  lines: 0,
};

export function LoadStrip(props: { overview: Overview }) {
  const gauges = createMemo((): Gauge[] => {
    const { load, machine } = props.overview;
    const now = load.at(-1) ?? NONE;
    return [
      {
        name: t.load.cpu,
        now: percent(now.cpu),
        more: t.load.ofProcessors(machine.processors),
        values: load.map(one => one.cpu),
        full: 1,
      },
      {
        name: t.load.memory,
        now: bytes(now.memory_bytes),
        more: t.load.ofMemory(bytes(machine.memory_bytes)),
        values: load.map(one => one.memory_bytes),
        full: machine.memory_bytes,
      },
      {
        name: t.load.pictures,
        now: t.load.perSecond(perSecond(now.frames)),
        more: t.load.encoders(percent(now.encoding)),
        values: load.map(one => one.frames),
        full: 30,
      },
      {
        name: t.load.sent,
        now: rate(now.bits),
        more: t.load.connections(now.lines),
        values: load.map(one => one.bits),
        full: 1e6,
      },
    ];
  });
  return (
    <ul class="load" aria-label={t.load.label}>
      <For each={["cpu", "memory", "pictures", "sent"] as const}>
        {(kind, at) => {
          const gauge = () => gauges()[at()] as Gauge;
          return (
            <li data-gauge={kind}>
              <p class="gauge-name">{gauge().name}</p>
              <p class="gauge-now">{gauge().now}</p>
              <p class="gauge-more">{gauge().more}</p>
              <Sparkline
                name={t.load.lastMinutes(gauge().name)}
                values={gauge().values}
                full={gauge().full}
              />
            </li>
          );
        }}
      </For>
    </ul>
  );
}

/** A small line and the surface below it; its numbers stand beside it in words. */
function Sparkline(props: { name: string; values: readonly number[]; full: number }) {
  const points = createMemo(() => {
    const full = Math.max(props.full, ...props.values) || 1;
    const step = WIDE / (MOST - 1);
    const from = WIDE - (props.values.length - 1) * step;
    return props.values.map((value, at) => {
      const y = HIGH - 1 - (value / full) * (HIGH - 3);
      return `${(from + at * step).toFixed(1)},${y.toFixed(1)}`;
    });
  });
  const surface = () => {
    const all = points();
    const from = all[0]?.split(",")[0] ?? "0";
    return all.length > 1 ? `${from},${HIGH} ${all.join(" ")} ${WIDE},${HIGH}` : "";
  };
  return (
    <svg
      class="spark"
      viewBox={`0 0 ${WIDE} ${HIGH}`}
      preserveAspectRatio="none"
      role="img"
      aria-label={props.name}
    >
      <polygon points={surface()} />
      <polyline points={points().join(" ")} />
    </svg>
  );
}
