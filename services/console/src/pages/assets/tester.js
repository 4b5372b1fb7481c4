// Remembers who was texted as while the tab is open, and sends with Control and Enter.
const form = document.querySelector("form.tester");

if (form) {
  const { from, text, backend } = form.elements;
  const send = form.querySelector("button.main");
  const kept = { from, backend };
  const asked = new URLSearchParams(location.search);
  for (const [name, field] of Object.entries(kept)) {
    const key = `tester.${name}`;
    try {
      const value = sessionStorage.getItem(key);
      // A backend may be gone.
      const isKnown = !field.options || [...field.options].some((option) => option.value === value);
      if (value && isKnown && !asked.has(name)) field.value = value;
      form.addEventListener("submit", () => sessionStorage.setItem(key, field.value));
    } catch {
      // Without storage nothing is remembered.
    }
  }
  // What was sent is told once.
  if (asked.has("sent")) {
    asked.delete("sent");
    history.replaceState(history.state, "", `${location.pathname}?${asked}`);
  }
  text.addEventListener("keydown", (event) => {
    const isMeant = event.key === "Enter" && (event.ctrlKey || event.metaKey) && !event.repeat;
    if (isMeant && !send.disabled) form.requestSubmit();
  });
  // A text that is sent twice comes in twice.
  form.addEventListener("submit", () => {
    send.disabled = true;
  });
  addEventListener("pageshow", () => {
    send.disabled = false;
  });
}
