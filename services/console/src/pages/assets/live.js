// A live list: what is new comes in above, as the server renders it; after a break all that was missed comes as well.
import { fetched, follow, oneAtATime, say } from "./refresh.js";
import { write } from "./times.js";

const list = document.querySelector("[data-own][data-number]");
const pause = document.getElementById("pause");
const follows = document.getElementById("follows");
let paused = false;
let missed = 0;

const update = async () => {
  if (paused) return;
  const address = new URL(location.href);
  address.searchParams.set("after", list.dataset.number);
  const fresh = (await fetched(address)).getElementById(list.id);
  if (!fresh || paused) return;
  missed += Number(fresh.dataset.missed ?? 0);
  list.dataset.number = fresh.dataset.number;
  write(fresh);
  const rows = [...fresh.querySelectorAll("tbody tr")];
  const shown = list.querySelector("tbody");
  if (shown) {
    shown.prepend(...rows);
    while (Number(list.dataset.max) < shown.rows.length) shown.lastElementChild.remove();
  } else if (rows.length) {
    list.replaceChildren(...fresh.childNodes);
  }
  say(follows, missed ? `Live; ${missed} went by too fast to be shown.` : "Live.");
};

if (list) {
  const current = oneAtATime(update);
  follow(list, current);
  pause.hidden = false;
  pause.addEventListener("click", () => {
    paused = !paused;
    pause.setAttribute("aria-pressed", String(paused));
    pause.textContent = paused ? "Go on" : "Pause";
    say(follows, paused ? "Paused." : "Live.");
    current();
  });
}
