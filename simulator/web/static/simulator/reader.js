/* The tag reader: who may start and stop, decided here or asked of the central system (OCPP 1.6 §3.5, §4.1). Pure.

   It never sends: what has to be asked goes into `questions`. A presentation is an idTag held against the reader; its
   `status` is null until it is decided, `refusal` then says why not. */

import { Cache, LocalList, isAccepted, isSame } from "./authorization.js";
import { interpolate, gettext } from "./words.js";

export class Reader {
    #charging;
    #clock;
    #configuration;

    constructor(charging, clock, configuration) {
        this.cache = new Cache();
        this.localList = new LocalList(configuration.integer("LocalAuthListMaxLength"));
        this.questions = [];
        this.last = null; // the last presentation
        this.#charging = charging;
        this.#clock = clock;
        this.#configuration = configuration;
    }

    /** A driver holds a tag against the reader, at the connector whose cable is in the hand. */
    present(idTag, connector, now, isOnline) {
        const { transaction, authorization } = connector;
        const presentation = { idTag, connector, isToStop: transaction !== null, status: null, refusal: "" };
        this.last = presentation;
        if (transaction !== null && isSame(transaction.idTag, idTag)) {
            presentation.status = "Accepted"; // OCPP 1.6 §4.1: the tag that started need not be asked about
            this.#charging.stop(connector, "Local", now, idTag);
        } else if (["Unavailable", "Faulted"].includes(connector.status)) {
            refuse(presentation, interpolate(gettext("the connector is %s"), [connector.status]));
        } else if (authorization !== null && isSame(authorization.idTag, idTag)) {
            presentation.status = "Accepted"; // B1: the second presentation ends what the first began
            connector.authorization = null;
            this.#charging.settle(now);
        } else if (isOnline && !this.#isAuthorizedBeforehand(idTag, now)) {
            this.questions.push(presentation);
        } else {
            this.decideLocally(presentation, now, isOnline);
        }
        return presentation;
    }

    /** Act on what the central system, the local list or the cache says about the tag. */
    decide(presentation, info, now) {
        const { connector, idTag } = presentation;
        presentation.status = info.status;
        if (!isAccepted(info, this.#clock.utc(now))) {
            presentation.refusal = interpolate(gettext("the tag is %s"), [info.status]);
        } else if (presentation.isToStop) {
            this.#decideStop(presentation, info, now);
        } else if (connector.transaction !== null) {
            presentation.refusal = gettext("the connector is charging for somebody else");
        } else if (!this.#charging.reservations.mayUse(connector, idTag, info.parentIdTag)) {
            presentation.refusal = gettext("the connector is reserved for somebody else");
        } else {
            this.#charging.authorize(connector, idTag, info.parentIdTag, now);
        }
    }

    /** Stand alone, as far as the configuration allows it (OCPP 1.6 §3.5). */
    decideLocally(presentation, now, isOnline) {
        let info = this.known(presentation.idTag);
        const isUnknown = info === undefined;
        if (isUnknown && this.#configuration.boolean("AllowOfflineTxForUnknownId")) info = { status: "Accepted" };
        const mayDecide = isOnline || isUnknown || this.#configuration.boolean("LocalAuthorizeOffline");
        if (info !== undefined && mayDecide) this.decide(presentation, info, now);
        else refuse(presentation, gettext("the central system cannot be asked, and the tag is not known here"));
    }

    /** What is known here about a tag; the local list goes before the cache (OCPP 1.6 §3.5.3). */
    known(idTag) {
        const listed = this.#configuration.boolean("LocalAuthListEnabled") ? this.localList.get(idTag) : undefined;
        if (listed !== undefined || !this.#configuration.boolean("AuthorizationCacheEnabled")) return listed;
        return this.cache.get(idTag);
    }

    /** Take what a .conf says into the cache; false where it contradicts the local list (OCPP 1.6 §3.5.2). */
    learn(idTag, info, now) {
        const utc = this.#clock.utc(now);
        const listed = this.localList.get(idTag);
        if (listed !== undefined) return isAccepted(listed, utc) === isAccepted(info, utc);
        if (this.#configuration.boolean("AuthorizationCacheEnabled")) this.cache.put(idTag, info);
        return true;
    }

    #isAuthorizedBeforehand(idTag, now) {
        const info = this.known(idTag);
        const isValid = info !== undefined && isAccepted(info, this.#clock.utc(now));
        return isValid && this.#configuration.boolean("LocalPreAuthorize");
    }

    #decideStop(presentation, info, now) {
        const { connector, idTag } = presentation;
        if (connector.transaction === null) return; // it has stopped meanwhile
        // OCPP 1.6 §3.10: another token of the same group may stop it.
        if (info.parentIdTag !== undefined && isSame(info.parentIdTag, connector.transaction.parentIdTag)) {
            this.#charging.stop(connector, "Local", now, idTag);
        } else {
            presentation.refusal = gettext("another tag started this transaction");
        }
    }
}

function refuse(presentation, refusal) {
    presentation.status = "Invalid";
    presentation.refusal = refusal;
}
