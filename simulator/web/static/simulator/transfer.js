/* Moves files for a charge point over HTTP: firmware in, diagnostics out (OCPP 1.6 §8). Throws where that fails. */

const METHOD_NOT_ALLOWED = 405;

/** The bytes at an address. */
export async function download(url) {
    const response = await send(url, {});
    return response.arrayBuffer();
}

/** PUT, or POST where PUT is not allowed; a location that ends with a slash is a directory for the file. The size. */
export async function upload({ url, fileName }, text) {
    const target = new URL(url);
    if (target.pathname.endsWith("/")) target.pathname += encodeURIComponent(fileName);
    const content = new TextEncoder().encode(text);
    const headers = { "Content-Type": "text/plain; charset=utf-8" };
    await send(target, { method: "PUT", body: content, headers }, { method: "POST", body: content, headers });
    return content.length;
}

/** One attempt, and where its method is not allowed the other. */
async function send(url, options, otherwise = null) {
    const address = new URL(url);
    const headers = new Headers(options.headers);
    if (address.username) { // a browser takes no user in an address
        const user = `${decodeURIComponent(address.username)}:${decodeURIComponent(address.password)}`;
        headers.set("Authorization", `Basic ${btoa(user)}`);
    }
    const bare = Object.assign(new URL(address), { username: "", password: "" });
    const response = await fetch(bare, { ...options, headers, credentials: "omit" });
    if (response.status === METHOD_NOT_ALLOWED && otherwise !== null) return send(url, otherwise);
    if (!response.ok) throw new Error(`HTTP ${response.status}.`);
    return response;
}
