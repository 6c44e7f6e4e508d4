/** The numbers, for who wants to know. */
import type { Stats } from "../../element/src/index.ts";
import { ToolButton } from "./buttons.tsx";
import { formatMs } from "./format.ts";
import { Icon } from "./icons.tsx";

export function StatsPanel(props: { stats: Stats | null; onClose: () => void }) {
  const rate = () => {
    const kbps = props.stats?.kbps ?? 0;
    return kbps >= 1000 ? `${(kbps / 1000).toFixed(1)} Mb/s` : `${Math.round(kbps)} kb/s`;
  };
  const photon = () => {
    const { photonP50, photonP95 } = props.stats ?? {};
    if (photonP50 == null || photonP95 == null) return "no input yet";
    return `${Math.round(photonP50)} / ${Math.round(photonP95)} ms`;
  };
  const size = () =>
    props.stats && props.stats.width > 0 ? `${props.stats.width} × ${props.stats.height}` : "none";
  const lost = () => {
    const loss = props.stats?.loss ?? 0;
    const share = loss > 0 ? ` (${(loss * 100).toFixed(1)} % now)` : "";
    return `${props.stats?.packetsLost ?? 0}${share}`;
  };
  const rtt = () => (props.stats?.rtt == null ? "not known yet" : formatMs(props.stats.rtt));
  return (
    <section class="stats" aria-label="Statistics">
      <header>
        <h2>Statistics</h2>
        <ToolButton label="Close" onClick={props.onClose}>
          <Icon name="close" />
        </ToolButton>
      </header>
      <dl>
        <dt>Pictures</dt>
        <dd data-stat="fps">{Math.round(props.stats?.fps ?? 0)} fps</dd>
        <dt>Rate</dt>
        <dd data-stat="rate">{rate()}</dd>
        <dt>Resolution</dt>
        <dd data-stat="resolution">{size()}</dd>
        <dt>Codec</dt>
        <dd data-stat="codec">{props.stats?.codec || "none"}</dd>
        <dt>Round trip</dt>
        <dd data-stat="rtt">{rtt()}</dd>
        <dt title="From your press to the picture that shows it: half of them are faster than the first number, 95 % than the second">
          Input to photon
        </dt>
        <dd data-stat="photon">{photon()}</dd>
        <dt>Packets lost</dt>
        <dd data-stat="lost">{lost()}</dd>
      </dl>
    </section>
  );
}
