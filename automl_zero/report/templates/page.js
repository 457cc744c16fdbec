(() => {
  "use strict";
  const root = document.getElementById("lineage");
  if (!root) return;
  const links = [...root.querySelectorAll(".step-list a")];
  const steps = links.map((link) => document.getElementById(link.hash.slice(1)));
  const list = root.querySelector(".step-list");
  const [previous, next, where] = [".previous", ".next", ".where"].map((name) =>
    root.querySelector(name)
  );
  let current = 0;

  function show(number) {
    current = Math.min(Math.max(number, 0), steps.length - 1);
    steps.forEach((step, index) => step.classList.toggle("current", index === current));
    links.forEach((link, index) =>
      index === current
        ? link.setAttribute("aria-current", "step")
        : link.removeAttribute("aria-current")
    );
    previous.disabled = current === 0;
    next.disabled = current === steps.length - 1;
    where.textContent = `${current + 1} of ${steps.length}`;
    // scrollIntoView would scroll the page as well.
    const link = links[current];
    const top = link.offsetTop - list.offsetTop;
    if (top < list.scrollTop) list.scrollTop = top;
    const bottom = top + link.offsetHeight - list.clientHeight;
    if (bottom > list.scrollTop) list.scrollTop = bottom;
  }

  function numberOf(hash) {
    return links.findIndex((link) => link.hash === hash);
  }

  function isOnScreen() {
    const box = root.getBoundingClientRect();
    return box.top < innerHeight && box.bottom > 0;
  }

  root.classList.add("stepping");
  root.querySelectorAll(".needs-script").forEach((item) => (item.hidden = false));
  root.addEventListener("click", (event) => {
    const link = event.target.closest("a");
    const number = link ? numberOf(link.hash) : -1;
    if (number < 0) return;
    event.preventDefault();
    show(number);
  });
  previous.addEventListener("click", () => show(current - 1));
  next.addEventListener("click", () => show(current + 1));
  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey || !isOnScreen()) return;
    const inList = list.contains(document.activeElement);
    const back = event.key === "ArrowLeft" || (inList && event.key === "ArrowUp");
    const on = event.key === "ArrowRight" || (inList && event.key === "ArrowDown");
    if (!back && !on) return;
    event.preventDefault();
    show(current + (on ? 1 : -1));
    if (inList) links[current].focus({ preventScroll: true });
  });
  const asked = numberOf(location.hash);
  const best = links.findIndex((link) => link.querySelector(".badge"));
  show(asked >= 0 ? asked : best >= 0 ? best : steps.length - 1);
})();
