// What Sphinx and Furo leave out for readers without a mouse or a screen.
document.addEventListener("DOMContentLoaded", () => {
  for (const caption of document.querySelectorAll(".caption[role=heading]")) caption.setAttribute("aria-level", "2");
  // Wide code and tables scroll: the arrow keys do it once they have the focus.
  for (const wide of document.querySelectorAll("pre, .table-wrapper")) wide.tabIndex = 0;
});
