// A link into a finding opens it.
function open_() {
  const found = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (found && found.tagName === "DETAILS") { found.open = true; found.scrollIntoView(); }
}
addEventListener("hashchange", open_);
open_();
for (const [id, to] of [["open", true], ["close", false]]) {
  const button = document.getElementById(id);
  if (button) button.addEventListener("click", () => document.querySelectorAll("details.finding").forEach((each) => { each.open = to; }));
}
