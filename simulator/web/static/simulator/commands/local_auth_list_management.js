/* The Local Auth List Management profile's commands (OCPP 1.6 §5.10, §5.15). */

import { gettext, interpolate } from "../words.js";

/** The version of the list, 0 for an empty one (§5.10). */
function getLocalListVersion({ reader }) {
    return { response: { listVersion: reader.localList.reportedVersion } };
}

/** Replace or change the list (§5.15). */
function sendLocalList({ configuration, reader }, { updateType, listVersion, localAuthorizationList: changes = [] }) {
    if (!configuration.boolean("LocalAuthListEnabled")) return { response: { status: "NotSupported" } };
    if (changes.length > configuration.integer("SendLocalListMaxLength")) return { response: { status: "Failed" } };
    const status = reader.localList.update(updateType, listVersion, changes);
    const { entries, version } = reader.localList;
    return { response: { status }, note: interpolate(gettext("The list has %s tags, version %s."), [entries.size, version]) };
}

export const HANDLERS = { GetLocalListVersion: getLocalListVersion, SendLocalList: sendLocalList };
