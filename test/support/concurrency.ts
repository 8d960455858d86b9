/**
 * How many cases of a suite run at once. Where each engine is a process of its own (native-under-test.ts) this one stands
 * still while an engine starts, and whatever another case is about to send would come late.
 */
export const CASES_AT_ONCE = process.env.SLUICE_NATIVE_HOST === undefined ? 4 : 1;
