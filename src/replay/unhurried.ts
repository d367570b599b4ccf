/** Work of some milliseconds that V8 is not to optimise at once. Node only; a file of its own, for node:v8 takes 3 ms to load. */
import { setFlagsFromString } from 'node:v8';

/**
 * How much of a function runs before V8 optimises it, beside the thread that runs it: growing a tree makes twenty functions hot within 20 ms, and on two cores their optimisation is in the
 * way of what it is to help. Six times the usual: a process with 20 rules ends 10 ms sooner, with 1,000 rules 25, with 10,000 50. Only of the V8 whose usual value is known: with
 * another than its own it would refuse code that was kept (scripts/keep-code.cjs).
 */
const UNHURRIED = 400_000;
/** V8's own, of Node 20. */
const USUAL = 67_584;
const isKnown = process.versions.v8.startsWith('11.3.');

/** What `work` gives. */
export function unhurried<T>(work: () => T): T {
  if (!isKnown) return work();
  setBudget(UNHURRIED);
  try {
    return work();
  } finally {
    setBudget(USUAL);
  }
}

const setBudget = (bytes: number): void => setFlagsFromString(`--interrupt-budget=${bytes}`);
