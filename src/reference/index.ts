/** The reference interpreter: what the engine is held against. */
export { type Event, type Explanation, explain } from './explain.ts';
export { createReference, type ReferenceSession } from './session.ts';
