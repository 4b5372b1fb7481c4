// Keeps parts of a page current: `data-refresh` is how many seconds they may be old, `data-pulse` a stream that says
// when there is something new. The page is fetched again, and the part of it takes the old one's place.
import { write } from "./times.js";

/** What the page behind an address holds now. */
export const fetched = async (address) => {
  const answer = await fetch(address, { headers: { accept: "text/html" } });
  // Whoever is signed out meanwhile is asked to sign in.
  if (answer.redirected) location.reload();
  return new DOMParser().parseFromString(await answer.text(), "text/html");
};

/** Calls at once while somebody looks, and whenever the stream says so, or as often as `seconds` tells. */
export const follow = (pulse, seconds, call) => {
  let stream;
  let timer;
  const stop = () => {
    stream?.close();
    clearInterval(timer);
    stream = undefined;
  };
  const start = () => {
    stop();
    if (document.hidden) return;
    if (pulse) {
      stream = new EventSource(pulse);
      // Also after it was away: something may have been missed.
      stream.addEventListener("open", call);
      stream.addEventListener("changed", call);
    }
    if (0 < seconds) timer = setInterval(call, seconds * 1000);
  };
  document.addEventListener("visibilitychange", () => {
    start();
    if (!document.hidden && !pulse) call();
  });
  addEventListener("pagehide", stop);
  addEventListener("pageshow", (event) => event.persisted && start());
  start();
};

/** A function that runs one at a time, and once more if it was called meanwhile; what fails is left for the next time. */
export const oneAtATime = (work) => {
  let running = false;
  let again = false;
  return async () => {
    again = true;
    if (running) return;
    running = true;
    while (again) {
      again = false;
      try {
        await work();
      } catch {
        // The server is away: the next call comes.
      }
    }
    running = false;
  };
};

const isAtEnd = () => {
  const page = document.documentElement;
  return page.scrollHeight - page.scrollTop - page.clientHeight < 60;
};

/** What each part held when it was fetched last. */
const held = new WeakMap();

const replace = (part, fresh) => {
  const holds = fresh.innerHTML;
  if (held.get(part) === holds) return;
  held.set(part, holds);
  const open = new Set([...part.querySelectorAll("details[open][id]")].map((details) => details.id));
  const focused = part.contains(document.activeElement) ? document.activeElement.id : "";
  const follows = part.hasAttribute("data-follow") && isAtEnd();
  for (const details of fresh.querySelectorAll("details[id]")) details.open ||= open.has(details.id);
  write(fresh);
  part.replaceChildren(...fresh.childNodes);
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  if (follows) scrollTo(0, document.documentElement.scrollHeight);
};

const keepCurrent = (part) => {
  const update = oneAtATime(async () => {
    const page = await fetched(location.href);
    const fresh = page.getElementById(part.id);
    if (fresh) replace(part, fresh);
  });
  follow(part.dataset.pulse, Number(part.dataset.refresh ?? 0), update);
};

for (const part of document.querySelectorAll("[data-refresh], [data-pulse]")) {
  if (part.id && !part.hasAttribute("data-own")) keepCurrent(part);
}
