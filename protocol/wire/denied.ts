/** Keys that would reach into the prototypes of a JavaScript object. */
export const DENIED_KEYS: readonly string[] = ['__proto__', 'constructor', 'prototype'];
