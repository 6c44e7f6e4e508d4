/** The panel's own icons, of the same set as the bar's, and loaded with the panel. */
import down from "lucide-static/icons/arrow-down.svg?raw";
import send from "lucide-static/icons/arrow-up.svg?raw";
import bot from "lucide-static/icons/bot.svg?raw";
import camera from "lucide-static/icons/camera.svg?raw";
import check from "lucide-static/icons/check.svg?raw";
import back from "lucide-static/icons/chevron-left.svg?raw";
import right from "lucide-static/icons/chevron-right.svg?raw";
import failed from "lucide-static/icons/circle-x.svg?raw";
import copy from "lucide-static/icons/copy.svg?raw";
import child from "lucide-static/icons/corner-down-right.svg?raw";
import more from "lucide-static/icons/ellipsis.svg?raw";
import file from "lucide-static/icons/file.svg?raw";
import diff from "lucide-static/icons/file-diff.svg?raw";
import edit from "lucide-static/icons/file-pen.svg?raw";
import fork from "lucide-static/icons/git-fork.svg?raw";
import globe from "lucide-static/icons/globe.svg?raw";
import hand from "lucide-static/icons/hand.svg?raw";
import history from "lucide-static/icons/history.svg?raw";
import todo from "lucide-static/icons/list-todo.svg?raw";
import loader from "lucide-static/icons/loader-circle.svg?raw";
import chat from "lucide-static/icons/message-square.svg?raw";
import clip from "lucide-static/icons/paperclip.svg?raw";
import rename from "lucide-static/icons/pencil.svg?raw";
import add from "lucide-static/icons/plus.svg?raw";
import search from "lucide-static/icons/search.svg?raw";
import stop from "lucide-static/icons/square.svg?raw";
import pick from "lucide-static/icons/square-mouse-pointer.svg?raw";
import write from "lucide-static/icons/square-pen.svg?raw";
import terminal from "lucide-static/icons/terminal.svg?raw";
import remove from "lucide-static/icons/trash-2.svg?raw";
import undo from "lucide-static/icons/undo-2.svg?raw";
import tool from "lucide-static/icons/wrench.svg?raw";
import close from "lucide-static/icons/x.svg?raw";

const ICONS = {
  add,
  back,
  bot,
  camera,
  chat,
  check,
  child,
  clip,
  close,
  copy,
  diff,
  down,
  edit,
  failed,
  file,
  fork,
  globe,
  hand,
  history,
  loader,
  more,
  pick,
  remove,
  rename,
  right,
  search,
  send,
  stop,
  terminal,
  todo,
  tool,
  undo,
  write,
} as const;

export type PanelIcon = keyof typeof ICONS;

export function Icon(props: { name: PanelIcon }) {
  return <span class="icon" aria-hidden="true" innerHTML={ICONS[props.name]} />;
}
