// What follows the traits of a model. Jupyter's models take several events in one text, those of other hosts one at a time.

/**
 * Calls back when one of several traits changes.
 * @param {import("@anywidget/types").AnyModel<any>} model @param {string[]} traits @param {() => void} callback
 * @returns {() => void} ends it
 */
export function onChange(model, traits, callback) {
  for (const trait of traits) model.on(`change:${trait}`, callback);
  return () => traits.forEach((trait) => model.off(`change:${trait}`, callback));
}
