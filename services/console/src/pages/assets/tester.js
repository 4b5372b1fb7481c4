// Remembers who was texted as, and sends with Control and Enter.
const form = document.querySelector("form.tester");

if (form) {
  const { from, text, backend } = form.elements;
  const kept = { from, backend };
  const asked = new URLSearchParams(location.search);
  for (const [name, field] of Object.entries(kept)) {
    const key = `tester.${name}`;
    try {
      const value = localStorage.getItem(key);
      if (value && !asked.has(name)) field.value = value;
      form.addEventListener("submit", () => localStorage.setItem(key, field.value));
    } catch {
      // Without storage nothing is remembered.
    }
  }
  text.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
}
