/**
 * How often, and from which seed: WASMTABLES_SEED repeats a run, WASMTABLES_FUZZ_ROUNDS=N makes it N times as long, WASMTABLES_FUZZ_FIRST=R starts at round R (which a failure
 * names). What failed is kept in build/fuzz-bytes.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { Random, SEED } from '../cli/random.ts';

export { Random, SEED } from '../cli/random.ts';

const TIMES = Number(process.env.WASMTABLES_FUZZ_ROUNDS ?? 1);
const FIRST = Number(process.env.WASMTABLES_FUZZ_FIRST ?? 0);

/** No test of this room may run longer in a long run than a night. */
export const LONG = 12 * 3_600_000;

/** Bytes or text of the round under way, to be kept when it fails. */
export type Keep = (input: Uint8Array | string, ending?: string) => void;

/** Runs `usual` rounds (or their multiple), each with randomness of its own; a failure tells its round and keeps what it was given. */
export async function rounds(
  name: string,
  usual: number,
  run: (random: Random, keep: Keep) => void | Promise<void>,
): Promise<void> {
  for (let round = FIRST; round < FIRST + Math.ceil(usual * TIMES); round++) {
    const kept: string[] = [];
    const inputs: [string, Uint8Array | string][] = [];
    const keep: Keep = (input, ending = 'bin') => inputs.push([`${name}-${SEED}-${round}-${inputs.length}.${ending}`, input]);
    try {
      await run(new Random(Math.imul(SEED, 0x9e3779b1) ^ Math.imul(round + 1, 0x85ebca77)), keep);
    } catch (error) {
      mkdirSync('build/fuzz-bytes', { recursive: true });
      for (const [file, input] of inputs) {
        writeFileSync(`build/fuzz-bytes/${file}`, input);
        kept.push(`build/fuzz-bytes/${file}`);
      }
      const again = `WASMTABLES_SEED=${SEED} WASMTABLES_FUZZ_FIRST=${round}`;
      throw new Error(
        `${name}: round ${round} (${again}; ${kept.join(', ')}): ${error instanceof Error ? error.message : error}`,
        {
          cause: error,
        },
      );
    }
  }
}
