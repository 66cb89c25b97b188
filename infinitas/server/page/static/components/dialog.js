/** Dialogs: modal, closed by Escape, by a click beside them, or by their own button. */

/** @param {string} label @param {string} [name] class of the element */
export function openDialog(label, name = "") {
  const dialog = document.createElement("dialog");
  dialog.className = name;
  dialog.setAttribute("aria-label", label);
  dialog.onclose = () => dialog.remove();
  dialog.onmousedown = (event) => {
    if (event.target === dialog) dialog.close();
  };
  document.body.append(dialog);
  // Once it is filled, so that the browser finds the field that gets the focus.
  queueMicrotask(() => dialog.isConnected && dialog.showModal());
  return dialog;
}
