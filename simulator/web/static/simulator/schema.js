/* Checks a payload against the JSON Schema of its message, as far as messages of OCPP 1.6 need one. Pure. */

import { MessageError } from "./frames.js";

/** Throws a `MessageError` that names the field; codes as of OCPP-J 1.6 §4.2.3. */
export function check(schema, payload) {
    checkValue(schema, schema.$defs, payload, "");
}

function checkValue(schema, definitions, value, path) {
    const resolved = schema.$ref === undefined ? schema : { ...definitions[schema.$ref.split("/").at(-1)], ...schema };
    if (resolved.enum !== undefined && resolved.type === undefined) {
        if (!resolved.enum.includes(value)) fail("PropertyConstraintViolation", path, `is none of ${resolved.enum.join(", ")}`);
        return;
    }
    switch (resolved.type) {
        case "object": return checkObject(resolved, definitions, value, path);
        case "array": return checkArray(resolved, definitions, value, path);
        case "string": return checkString(resolved, value, path);
        case "integer":
        case "number": return checkNumber(resolved, value, path);
        case "boolean": if (typeof value !== "boolean") fail("TypeConstraintViolation", path, "is no boolean");
    }
}

function checkObject(schema, definitions, value, path) {
    if (value === null || typeof value !== "object" || Array.isArray(value)) {
        fail("TypeConstraintViolation", path, "is no object");
    }
    for (const name of schema.required ?? []) {
        if (!(name in value)) fail("OccurenceConstraintViolation", join(path, name), "is missing");
    }
    for (const [name, item] of Object.entries(value)) {
        const property = schema.properties?.[name];
        if (property === undefined) fail("FormationViolation", join(path, name), "is unknown");
        checkValue(property, definitions, item, join(path, name));
    }
}

function checkArray(schema, definitions, value, path) {
    if (!Array.isArray(value)) fail("TypeConstraintViolation", path, "is no list");
    if (value.length < (schema.minItems ?? 0)) fail("OccurenceConstraintViolation", path, "has too few items");
    value.forEach((item, index) => checkValue(schema.items, definitions, item, `${path}[${index}]`));
}

function checkString(schema, value, path) {
    if (typeof value !== "string") fail("TypeConstraintViolation", path, "is no string");
    if ([...value].length > (schema.maxLength ?? Infinity)) {
        fail("PropertyConstraintViolation", path, `has more than ${schema.maxLength} characters`);
    }
    if (schema.format === "date-time" && Number.isNaN(Date.parse(value))) {
        fail("PropertyConstraintViolation", path, "is no date and time");
    }
}

function checkNumber(schema, value, path) {
    if (typeof value !== "number") fail("TypeConstraintViolation", path, "is no number");
    if (schema.type === "integer" && !Number.isInteger(value)) fail("TypeConstraintViolation", path, "is no integer");
    if (value < (schema.minimum ?? -Infinity) || value > (schema.maximum ?? Infinity)) {
        fail("PropertyConstraintViolation", path, "is out of range");
    }
}

function join(path, name) {
    return path ? `${path}.${name}` : name;
}

function fail(code, path, problem) {
    throw new MessageError(code, `${path}: ${problem}.`);
}
