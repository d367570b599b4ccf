/** The reference interpreter: what the engine is held against. */
export { createReference, type ReferenceSession } from './session.ts';
