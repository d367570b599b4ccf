/** The entry for Node: the neutral one, and captures from files. */
export * from './index.ts';
export { expandCaptures } from './replay/open.ts';
export { type Prepared, prepare, type ReplayOptions, replayOne } from './replay/replay.ts';
