/** The seed of random tests: WASMTABLES_SEED repeats a run. */
export const SEED = Number(process.env.WASMTABLES_SEED ?? 1);
