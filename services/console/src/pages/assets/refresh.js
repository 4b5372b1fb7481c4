// Keeps parts of a page current: `data-refresh` is how many seconds they may be old, `data-pulse` a stream that says
// when there is something new. The page is fetched again, and the part of it takes the old one's place.
import { write } from "./times.js";

/** After how long it is tried again to follow, or to fetch, in milliseconds. */
const AGAIN = 5000;

/** How long an answer may take, in milliseconds. */
const ANSWER = 20000;

/** How long a page that is followed is left alone after each change, in milliseconds. */
const APART = 1000;

const notice = document.createElement("p");
notice.className = "note stale";
notice.setAttribute("role", "status");
notice.hidden = true;
document.querySelector("h1")?.after(notice);

/** Says something, where it is not said yet: what is said again is read out again. */
export const say = (element, words) => {
  if (element.textContent !== words) element.textContent = words;
};

const isNotCurrent = (since) => {
  if (!notice.hidden) return;
  notice.hidden = false;
  const at = since.toLocaleTimeString();
  say(notice, `Not current since ${at}: the console does not answer as it should. It is asked again every few seconds.`);
};

/** What the page behind an address holds now. */
export const fetched = async (address) => {
  const begun = new Date();
  try {
    const answer = await fetch(address, { headers: { accept: "text/html" }, signal: AbortSignal.timeout(ANSWER) });
    // Whoever is signed out meanwhile is asked to sign in.
    if (answer.redirected) location.reload();
    if (!answer.ok) throw new Error(`the console answers ${answer.status}`);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    notice.hidden = true;
    return page;
  } catch (error) {
    isNotCurrent(begun);
    throw error;
  }
};

/** Calls at once while somebody looks, and whenever the stream of a part says so, or as often as the part tells. What is
 * given back starts anew, as the part tells by then. */
export const follow = (part, call) => {
  let stream;
  let timer;
  let again;
  const stop = () => {
    stream?.close();
    clearInterval(timer);
    clearTimeout(again);
    stream = undefined;
    again = undefined;
  };
  // Some streams come again by themselves, one that was refused does not; until then nothing says what is new.
  const cutOff = () => {
    again ??= setTimeout(() => {
      again = undefined;
      if (stream.readyState === EventSource.OPEN) return;
      if (stream.readyState === EventSource.CLOSED) start();
      call();
    }, AGAIN);
  };
  const start = () => {
    stop();
    if (document.hidden) return;
    const { pulse, refresh } = part.dataset;
    if (pulse) {
      stream = new EventSource(pulse);
      // Also after it was away: something may have been missed.
      stream.addEventListener("open", call);
      stream.addEventListener("changed", call);
      stream.addEventListener("error", cutOff);
    }
    if (0 < Number(refresh)) timer = setInterval(call, Number(refresh) * 1000);
  };
  document.addEventListener("visibilitychange", () => {
    start();
    if (!document.hidden && !part.dataset.pulse) call();
  });
  addEventListener("pagehide", stop);
  addEventListener("pageshow", (event) => event.persisted && start());
  start();
  return start;
};

/** A function that runs one at a time, and once more if it was called meanwhile, `apart` milliseconds later; what fails is
 * done again. */
export const oneAtATime = (work, apart = 0) => {
  let running = false;
  let again = false;
  let retry;
  const call = async () => {
    again = true;
    if (running) return;
    running = true;
    clearTimeout(retry);
    while (again) {
      again = false;
      try {
        await work();
      } catch {
        // The server is away. Whoever comes back to the page calls by that.
        clearTimeout(retry);
        retry = setTimeout(() => document.hidden || call(), AGAIN);
      }
      if (apart) await new Promise((resolve) => setTimeout(resolve, apart));
    }
    running = false;
  };
  return call;
};

const isAtEnd = () => {
  const page = document.documentElement;
  return page.scrollHeight - page.scrollTop - page.clientHeight < 60;
};

/** How an element is found again when others stand in the place of all: by its id, or by the nearest one, by its tag and
 * by where it leads. */
const again = (element) => {
  const { id } = element.closest("[id]");
  const leads = element.getAttribute("href");
  const alike = () => {
    const all = document.getElementById(id)?.querySelectorAll(element.localName) ?? [];
    return [...all].filter((other) => other.getAttribute("href") === leads);
  };
  const place = alike().indexOf(element);
  return () => (element.id ? document.getElementById(id) : alike()[place]);
};

/** What each part held when it was fetched last. */
const held = new WeakMap();

const replace = (part, fresh) => {
  const holds = fresh.innerHTML;
  if (held.get(part) === holds) return;
  held.set(part, holds);
  const open = new Set([...part.querySelectorAll("details[open][id]")].map((details) => details.id));
  const { activeElement } = document;
  const focused = part !== activeElement && part.contains(activeElement) ? again(activeElement) : undefined;
  const follows = part.hasAttribute("data-follow") && isAtEnd();
  for (const details of fresh.querySelectorAll("details[id]")) details.open ||= open.has(details.id);
  write(fresh);
  part.replaceChildren(...fresh.childNodes);
  if (focused) (focused() ?? document.getElementById("main")).focus({ preventScroll: true });
  if (follows) scrollTo(0, document.documentElement.scrollHeight);
};

/** Has a part be followed as its fresh one would be. Says whether that is otherwise. */
const isOtherwise = (part, fresh) => {
  const asked = ["pulse", "refresh"].filter((name) => part.dataset[name] !== fresh.dataset[name]);
  for (const name of asked) {
    if (name in fresh.dataset) part.dataset[name] = fresh.dataset[name];
    else delete part.dataset[name];
  }
  return 0 < asked.length;
};

const keepCurrent = (part) => {
  const update = oneAtATime(async () => {
    const page = await fetched(location.href);
    const fresh = page.getElementById(part.id);
    if (!fresh) return;
    replace(part, fresh);
    if (isOtherwise(part, fresh)) anew();
  }, APART);
  const anew = follow(part, update);
};

for (const part of document.querySelectorAll("[data-refresh], [data-pulse]")) {
  if (part.id && !part.hasAttribute("data-own")) keepCurrent(part);
}
