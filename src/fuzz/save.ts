/** A mismatch as a folder that can be committed: the smallest case, what the kernel says of it, the story, and a script that shows it on any Linux. */
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { available, KernelError } from '../kernel/index.ts';
import { type CaseOptions, captureOf, type FuzzCase } from './case.ts';
import { ask, jobOf } from './differential.ts';
import { type About, type Backend, type CaseFolder, type Expected, kept, writeFolder } from './folder.ts';
import { askKernel, runningKernel } from './kernels.ts';
import type { Found } from './search.ts';
import { showScript } from './show-script.ts';
import { PROGRAMS } from './witness.ts';

/** The words after `wasmtables` that make a mismatch again. */
export function again({ seed, path, mismatch }: Found, options: CaseOptions): string {
  const words = [
    'fuzz',
    `--against ${[...new Set(mismatch.between)].join(',')}`,
    `--seed ${seed}`,
    `--path ${path}`,
    `--packets ${options.packets}`,
  ];
  if (options.family !== undefined) words.push(`--family ${options.family}`);
  if (options.only !== undefined) words.push(`--only ${options.only.join(',')}`);
  return words.join(' ');
}

/**
 * Writes the folder `name` (seed and witnesses) below `parent` and returns its path. What is expected is what the running kernel says where it can be asked, else what the
 * reference says.
 */
export async function saveFound(parent: string, found: Found, options: CaseOptions): Promise<string> {
  const { mismatch, fuzzCase, seed } = found;
  const name = [...new Set(mismatch.between)].join('-').replaceAll(/[^\w.-]+/g, '-');
  const folder = join(parent, `${name}-${seed}-${found.path.split(':')[0]}`);
  const both = mismatch.between.includes('legacy') && mismatch.between.includes('nft');
  const backends: Backend[] = both ? ['legacy', 'nft'] : [fuzzCase.profile.backend];
  const about: About = {
    story: `${mismatch.between.join(' and ')}: ${mismatch.kind}. ${mismatch.lines[0] ?? ''}`,
    host: fuzzCase.given,
    ...(Object.keys(fuzzCase.profile.sysctls).length > 0 ? { sysctls: fuzzCase.profile.sysctls } : {}),
    backends,
    ...(fuzzCase.packets.length > 0 && slow(fuzzCase) ? { spacing: 'real' as const } : {}),
    paths: true,
    between: mismatch.between,
    again: again(found, options),
  };
  const expected = await expectedOf(fuzzCase, backends);
  const { family, rules } = fuzzCase;
  mkdirSync(folder, { recursive: true });
  writeFolder(folder, { about, family, rules, capture: captureOf(fuzzCase), expected });
  writeFileSync(join(folder, 'README.md'), readme(found, about, expected));
  const script = join(folder, 'show.sh');
  writeFileSync(
    script,
    showScript(
      about,
      family,
      fuzzCase.packets.some(({ direction }) => direction === 'out'),
    ),
  );
  chmodSync(script, 0o755);
  return folder;
}

/** Longer than a few seconds the capture's own time is not waited for: its judges are the kernels on a virtual clock. */
const MOST_SECONDS = 20n;
const PAUSE = 50_000_000n;

/** Some packets lie far apart, but not too far to be waited for. */
function slow({ packets }: FuzzCase): boolean {
  const paused = packets.some(({ time }, index) => index > 0 && time - packets[index - 1]!.time > PAUSE);
  return paused && packets.at(-1)!.time - packets[0]!.time < MOST_SECONDS * 1_000_000_000n;
}

async function expectedOf(fuzzCase: FuzzCase, backends: readonly Backend[]): Promise<CaseFolder['expected']> {
  const out: CaseFolder['expected'] = {};
  for (const backend of backends)
    out[backend] = (available().ok ? await byKernel(fuzzCase, backend) : undefined) ?? (await byReference(fuzzCase, backend));
  return out;
}

/** undefined when the kernel cannot be given the host, the rules, or every packet as it is. */
async function byKernel(fuzzCase: FuzzCase, backend: Backend): Promise<Expected | undefined> {
  const kernel = runningKernel(backend);
  try {
    const [said] = await askKernel(kernel, [fuzzCase], true);
    const { counters, packets, kernel: identity, refused } = said!.outcome;
    if (refused !== undefined || packets.length !== fuzzCase.packets.length) return undefined;
    return { by: `kernel ${identity.release}`, counters: kept(counters), paths: packets.map(({ path }) => path ?? []) };
  } catch (error) {
    if (error instanceof KernelError) return undefined;
    throw error;
  } finally {
    await kernel.close();
  }
}

async function byReference(fuzzCase: FuzzCase, backend: Backend): Promise<Expected> {
  const job = jobOf({ ...fuzzCase, profile: { ...fuzzCase.profile, backend } });
  const { result, packets } = await ask(PROGRAMS.reference!, job, captureOf(fuzzCase));
  return { by: 'reference', counters: kept(result.counters[fuzzCase.family]), paths: packets.map(({ path }) => path ?? []) };
}

function readme({ seed, path, mismatch, fuzzCase }: Found, about: About, expected: CaseFolder['expected']): string {
  const [one, two] = mismatch.between;
  const judges = Object.entries(expected).map(([backend, { by }]) => `${backend}: ${by}`);
  return `# ${one} and ${two}: ${mismatch.kind}

Found by the fuzzer with seed ${seed}, path ${path}, and shrunk to ${some(fuzzCase.packets.length, 'packet')} and ${some(rulesIn(fuzzCase), 'rule')}.

    wasmtables ${about.again}

What was said:

${mismatch.lines.map((line) => `    ${line.replaceAll('\n', '\n    ')}`).join('\n')}

\`expected.json\` is what the judge said (${judges.join('; ')}): counters, and the way of every packet.
\`show.sh\` shows the kernel's counters on any Linux with iptables, iproute2 and tcpreplay.

Why: (to be written when it is understood)
`;
}

const some = (number: number, what: string): string => `${number} ${what}${number === 1 ? '' : 's'}`;

export const rulesIn = ({ ruleset }: FuzzCase): number =>
  ruleset.tables.reduce((sum, { chains }) => sum + chains.reduce((all, { rules }) => all + rules.length, 0), 0);
