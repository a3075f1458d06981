/* What a charge point remembers without power: what it owes the central system, and what that has put into it. Pure.

   Its secrets are not among it: what a page keeps is no safe place for them. */

/** Lose the power: transactions stop (PowerLoss); all that is to be kept, as plain data. */
export function save(chargePoint, now) {
    const { charging, connectors, configuration, outbox, profiles, reader } = chargePoint;
    for (const connector of connectors) charging.stop(connector, "PowerLoss", now);
    const kept = outbox.all();
    const transactions = [...new Set(kept.map((message) => message.transaction))].filter((one) => one !== null);
    return {
        transactions,
        kept: kept.map(({ action, payload, transaction }) => [action, payload, transactions.indexOf(transaction)]),
        registersWh: connectors.map((connector) => connector.meter.exactWh),
        isOperative: connectors.map((connector) => connector.isOperative),
        configuration: [...configuration].filter((key) => !key.isReadonly && !key.isSecret).map((key) => [key.name, key.value]),
        localList: [reader.localList.version, [...reader.localList.entries]],
        profiles: profiles.installed,
        reservations: charging.reservations.all(),
    };
}

/** Come up with what `save` gave. */
export function restore(chargePoint, saved, now) {
    const { charging, connectors, configuration, outbox, profiles, reader } = chargePoint;
    for (const [action, payload, index] of saved.kept) outbox.add(action, payload, saved.transactions[index] ?? null);
    connectors.forEach((connector, index) => {
        connector.meter.setRegister(saved.registersWh[index]);
        connector.isOperative = saved.isOperative[index];
    });
    for (const [name, value] of saved.configuration) configuration.set(name, value);
    const [version, entries] = saved.localList;
    reader.localList.version = version;
    reader.localList.entries = new Map(entries);
    profiles.installed = saved.profiles;
    for (const reservation of saved.reservations) charging.reservations.add(reservation);
    charging.settle(now);
}
