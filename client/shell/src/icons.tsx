/** Lucide's icons, only those that are used, 16 px and mute: the label speaks. */
import bot from "lucide-static/icons/bot.svg?raw";
import stats from "lucide-static/icons/chart-no-axes-column.svg?raw";
import more from "lucide-static/icons/ellipsis.svg?raw";
import eye from "lucide-static/icons/eye.svg?raw";
import keyboard from "lucide-static/icons/keyboard.svg?raw";
import maximize from "lucide-static/icons/maximize.svg?raw";
import minimize from "lucide-static/icons/minimize.svg?raw";
import pointer from "lucide-static/icons/mouse-pointer-2.svg?raw";
import scaling from "lucide-static/icons/scaling.svg?raw";
import signal from "lucide-static/icons/signal.svg?raw";
import low from "lucide-static/icons/signal-low.svg?raw";
import medium from "lucide-static/icons/signal-medium.svg?raw";
import close from "lucide-static/icons/x.svg?raw";

const ICONS = {
  bot,
  close,
  eye,
  keyboard,
  low,
  maximize,
  medium,
  minimize,
  more,
  pointer,
  scaling,
  signal,
  stats,
} as const;

export type IconName = keyof typeof ICONS;

export function Icon(props: { name: IconName }) {
  // The packages' own files, made part of the program when it is built.
  return <span class="icon" aria-hidden="true" innerHTML={ICONS[props.name]} />;
}
