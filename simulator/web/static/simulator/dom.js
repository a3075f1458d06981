/* A few words less for what the page does all the time. Text only ever becomes text: nothing is parsed as HTML. */

/** A copy of a `<template>`'s only element. */
export function copy(id) {
    return document.getElementById(id).content.firstElementChild.cloneNode(true);
}

/** Set a text where it has changed. */
export function put(element, text) {
    if (element.textContent !== text) element.textContent = text;
}

/** Set an attribute where it has changed. */
export function mark(element, name, value) {
    if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/** Show or hide. */
export function show(element, isShown) {
    if (element.hidden === isShown) element.hidden = !isShown;
}

/** A new element with a class and a text. */
export function make(name, className = "", text = "") {
    const element = document.createElement(name);
    if (className) element.className = className;
    element.textContent = text;
    return element;
}
