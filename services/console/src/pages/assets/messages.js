// Keeps the states of the log current, and says how many lines are new; they come in when they are asked for.
import { fetched, follow, oneAtATime, say } from "./refresh.js";
import { write } from "./times.js";

/** How long the log is left alone after each search, in milliseconds. */
const APART = 3000;

const log = document.getElementById("log");
const button = document.querySelector("#news button");

let fresh;

const update = async () => {
  const found = (await fetched(location.href)).getElementById("log");
  if (!found) return;
  fresh = found;
  let count = 0;
  let more = true;
  for (const row of fresh.querySelectorAll("tbody tr")) {
    const shown = document.getElementById(row.id);
    if (!shown) {
      count += more ? 1 : 0;
      continue;
    }
    more = false;
    if (shown.contains(document.activeElement)) continue;
    const state = row.lastElementChild;
    if (shown.lastElementChild.innerHTML !== state.innerHTML) shown.lastElementChild.replaceWith(state.cloneNode(true));
  }
  button.hidden = count === 0;
  say(button, `${count}${more ? " or more" : ""} new: show`);
};

if (log?.dataset.pulse) {
  button.addEventListener("click", () => {
    write(fresh);
    log.replaceChildren(...fresh.childNodes);
    button.hidden = true;
    document.getElementById("main").focus({ preventScroll: true });
  });
  follow(log, oneAtATime(update, APART));
}
