/** The seed of random tests: WASMTABLES_SEED, or `npm test -- --seed N`, repeats a run. */
export const SEED = Number(process.env.WASMTABLES_SEED ?? 1);
