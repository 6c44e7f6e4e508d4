/** Lucide's icons, only those that are used, 16 px and mute: the label speaks. */
import bot from "lucide-static/icons/bot.svg?raw";
import stats from "lucide-static/icons/chart-no-axes-column.svg?raw";
import down from "lucide-static/icons/chevron-down.svg?raw";
import download from "lucide-static/icons/download.svg?raw";
import more from "lucide-static/icons/ellipsis.svg?raw";
import eye from "lucide-static/icons/eye.svg?raw";
import eyeOff from "lucide-static/icons/eye-off.svg?raw";
import gauge from "lucide-static/icons/gauge.svg?raw";
import globe from "lucide-static/icons/globe.svg?raw";
import hand from "lucide-static/icons/hand.svg?raw";
import history from "lucide-static/icons/history.svg?raw";
import keyboard from "lucide-static/icons/keyboard.svg?raw";
import maximize from "lucide-static/icons/maximize.svg?raw";
import minimize from "lucide-static/icons/minimize.svg?raw";
import pointer from "lucide-static/icons/mouse-pointer-2.svg?raw";
import panel from "lucide-static/icons/panel-right.svg?raw";
import scaling from "lucide-static/icons/scaling.svg?raw";
import signal from "lucide-static/icons/signal.svg?raw";
import low from "lucide-static/icons/signal-low.svg?raw";
import medium from "lucide-static/icons/signal-medium.svg?raw";
import undo from "lucide-static/icons/undo-2.svg?raw";
import user from "lucide-static/icons/user.svg?raw";
import close from "lucide-static/icons/x.svg?raw";

const ICONS = {
  bot,
  close,
  down,
  download,
  eye,
  eyeOff,
  gauge,
  globe,
  hand,
  history,
  keyboard,
  low,
  maximize,
  medium,
  minimize,
  more,
  panel,
  pointer,
  scaling,
  signal,
  stats,
  undo,
  user,
} as const;

export type IconName = keyof typeof ICONS;

export function Icon(props: { name: IconName }) {
  // The packages' own files, made part of the program when it is built.
  return <span class="icon" aria-hidden="true" innerHTML={ICONS[props.name]} />;
}
