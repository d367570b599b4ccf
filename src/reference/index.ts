/** The reference interpreter: what the engine is held against. */
export { type Event, Explainer, type Explanation, explain } from './explain.ts';
export type { Listener } from './interpreter.ts';
export { createReference, type ReferenceSession } from './session.ts';
