/* The viewer's language: Django's JavaScript catalogue, where the page has loaded it. */

export function gettext(text) {
    return globalThis.django?.gettext?.(text) ?? text;
}

/** Put values into the `%s` of a text, in order. */
export function interpolate(text, values) {
    const left = [...values];
    return text.replace(/%s/g, () => String(left.shift()));
}
