/* DER (X.690) and PEM, as far as certificates and certificate signing requests need them. Pure. */

/** The items one after the other in some bytes: `{tag, content, whole}`; throws `RangeError` where they are none. */
export function parse(bytes) {
    const items = [];
    for (let at = 0; at < bytes.length; ) {
        const start = at;
        const tag = bytes[at++];
        let length = bytes[at++];
        if (length > 0x84 || length === 0x80 || length === undefined) throw new RangeError("This is no DER.");
        if (length > 0x80) {
            const end = at + length - 0x80;
            for (length = 0; at < end; at += 1) length = length * 256 + bytes[at];
        }
        if (at + length > bytes.length) throw new RangeError("This DER is cut off.");
        items.push({ tag, content: bytes.subarray(at, at + length), whole: bytes.subarray(start, at + length) });
        at += length;
    }
    return items;
}

/** One item: its tag and what is in it, one behind the other. */
export function item(tag, ...contents) {
    const length = contents.reduce((sum, content) => sum + content.length, 0);
    const digits = [];
    for (let left = length; left > 0; left = Math.floor(left / 256)) digits.unshift(left % 256);
    const head = length < 0x80 ? [tag, length] : [tag, 0x80 + digits.length, ...digits];
    return concat(Uint8Array.from(head), ...contents);
}

export function concat(...parts) {
    const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of parts) {
        all.set(part, at);
        at += part.length;
    }
    return all;
}

/** The blocks of a PEM text with that label, each as DER; throws `RangeError` where there is none. */
export function fromPem(text, label = "CERTIFICATE") {
    const pattern = new RegExp(`-----BEGIN ${label}-----([A-Za-z0-9+/=\\s]+)-----END ${label}-----`, "g");
    const blocks = [...text.matchAll(pattern)].map((match) => {
        try {
            return Uint8Array.from(atob(match[1].replace(/\s/g, "")), (character) => character.charCodeAt(0));
        } catch {
            throw new RangeError("The PEM is not Base64.");
        }
    });
    if (!blocks.length) throw new RangeError(`There is no PEM block ${label}.`);
    return blocks;
}

export function toPem(der, label) {
    const lines = btoa(String.fromCharCode(...der)).match(/.{1,64}/g);
    return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ""].join("\n");
}
