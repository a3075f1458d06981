/* What a meter shows as the sampled values of a message (OCPP 1.6 §7.33, §7.43). */

const UNITS = {
    "Energy.Active.Import.Register": "Wh", "Power.Active.Import": "W", "Power.Offered": "W", "Current.Offered": "A",
    SoC: "Percent", Temperature: "Celsius", Voltage: "V", "Current.Import": "A",
};

/** One moment's values for the items of a configuration key; null where none of them can be measured now. */
export function meterValue(reading, items, context, timestamp) {
    const sampledValue = items.flatMap((item) => sampledValues(reading, item, context));
    return sampledValue.length ? { timestamp, sampledValue } : null;
}

function sampledValues(reading, item, context) {
    const one = (value, more = {}) => {
        const unit = UNITS[item];
        return [{ value: String(value), context, measurand: item, ...more, ...(unit === undefined ? {} : { unit }) }];
    };
    const volts = reading.voltageV.reduce((sum, value) => sum + value, 0);
    switch (item) {
        case "Energy.Active.Import.Register": return one(reading.energyWh);
        case "Power.Active.Import": return one(Math.round(reading.powerW));
        case "Power.Offered": return one(Math.round(reading.offeredW));
        case "Current.Offered": return one((reading.offeredW / volts).toFixed(1));
        case "SoC": return reading.soc === null ? [] : one(Math.round(reading.soc), { location: "EV" });
        case "Temperature": return one(reading.temperatureC.toFixed(1), { location: "Body" });
        case "Frequency": return one(reading.frequencyHz.toFixed(2)); // OCPP 1.6 §7.31: there is no unit for it
        default: return phasedValues(reading, item, context);
    }
}

/** A measurand that differs per phase is reported for each (§3.16.3), unless the item names one (`Voltage.L1`). */
function phasedValues(reading, item, context) {
    const [, measurand, wanted] = /^(.*?)(?:\.(L[123]))?$/.exec(item);
    const isVoltage = measurand === "Voltage";
    const values = isVoltage ? reading.voltageV : reading.currentA;
    return values
        .map((value, index) => ({ value, name: `L${index + 1}` }))
        .filter(({ name }) => wanted === undefined || wanted === name)
        .map(({ value, name }) => {
            const phase = values.length > 1 || wanted ? { phase: isVoltage ? `${name}-N` : name } : {};
            return { value: value.toFixed(1), context, measurand, ...phase, unit: UNITS[measurand] };
        });
}
