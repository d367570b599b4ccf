/**
 * `npm run bench`: measures and prints tables of ratios; with --record writes bench/results/DATE.json and pictures beside it (parts that were not measured stay as they were recorded on the
 * day).
 */
import { parseArgs } from 'node:util';
import { classbenchSets, type FilterSet } from './classbench.ts';
import {
  bundled,
  classified,
  clusters,
  compiled,
  connections,
  hostFirewalls,
  odd,
  otherKinds,
  processesByRules,
  type Size,
  staged,
  usualPairs,
  wholeProcesses,
} from './measured.ts';
import { own } from './own.ts';
import { printClassified, printGroup, printProcesses } from './print.ts';
import { type Results, record } from './record.ts';

const HELP = `npm run bench -- [options] [-- WORDS]: what we and others cost, as ratios of one run

  --only PART       one part; may be given again
  --peers           other programs beside ours (root, tcpdump, tcpreplay, libdpdk-dev); without it there are no whole processes
  --classbench PATH a file of ClassBench, or a folder of them, too
  --smoke           everything once on little, not recorded
  --record          writes bench/results/DATE.json and pictures beside it
  --root DIR        of the project

  WORDS             of wasmtables replay: measures your own rules and capture instead, for example
                    npm run bench -- --peers -- -R rules.v4 -r capture.pcap --local 192.0.2.1
`;

const PARTS = [
  'host',
  'kinds',
  'usual',
  'stages',
  'compile',
  'clusters',
  'connections',
  'bundled',
  'classification',
  'odd',
  'processes',
  'rules',
] as const;

/** Words that nobody knows are told without a stack. */
function refuse(line: string): never {
  console.error(`bench: ${line}; parts are ${PARTS.join(', ')}\n\n${HELP}`);
  process.exit(2);
}

function readOptions(): ReturnType<typeof parse> {
  try {
    return parse();
  } catch (error) {
    return refuse((error as Error).message);
  }
}

const parse = () =>
  parseArgs({
    options: {
      help: { type: 'boolean', short: 'h', default: false },
      smoke: { type: 'boolean', default: false },
      record: { type: 'boolean', default: false },
      peers: { type: 'boolean', default: false },
      only: { type: 'string', multiple: true },
      classbench: { type: 'string' },
      root: { type: 'string', default: '.' },
    },
    allowPositionals: true,
  });

const { values, positionals } = readOptions();
if (values.help) {
  console.log(`${HELP}\nparts: ${PARTS.join(', ')}`);
  process.exit(0);
}
const { root, smoke, peers, classbench } = values;
if (smoke && values.record) refuse('--smoke measures too little to be recorded: leave it or --record out');
/** Before minutes of measuring: files that cannot be read are told at once. */
function readSets(path: string): FilterSet[] {
  try {
    return classbenchSets(path, smoke ? 2000 : 200_000);
  } catch (error) {
    return refuse(`--classbench: ${(error as Error).message}`);
  }
}
const size: Size = { root, smoke, peers, theirs: classbench === undefined ? [] : readSets(classbench) };

const unknown = values.only?.find((part) => !(PARTS as readonly string[]).includes(part));
if (unknown !== undefined) refuse(`--only does not know "${unknown}"`);
const wants = (part: (typeof PARTS)[number]): boolean => values.only?.includes(part) ?? true;

/** What a part measured, printed as soon as it is known. */
function told<T>(results: T[], print: (one: T) => void): T[] {
  results.forEach(print);
  return results;
}

/** Somebody's own rules and capture, and nothing else. */
async function measureOwn(): Promise<never> {
  if (values.record || values.only !== undefined || classbench !== undefined)
    refuse('own rules and captures are measured alone, and not recorded');
  try {
    const { memory, processes, missing } = await own(size, positionals);
    printGroup(memory);
    if (processes !== undefined) printProcesses(processes);
    for (const line of missing) console.log(`  not measured: ${line}`);
  } catch (error) {
    console.error(`bench: ${(error as Error).message}`);
    process.exit(2);
  }
  process.exit(0);
}

if (positionals.length > 0) await measureOwn();

const results: Results = {
  host: told(wants('host') ? [await hostFirewalls(size)] : [], printGroup),
  kinds: told(wants('kinds') ? [await otherKinds(size)] : [], printGroup),
  usual: told(wants('usual') ? await usualPairs(size) : [], printGroup),
  stages: told(wants('stages') ? [await staged(size)] : [], printGroup),
  compile: told(wants('compile') ? await compiled(size) : [], printGroup),
  clusters: told(wants('clusters') ? await clusters(size) : [], printGroup),
  connections: told(wants('connections') ? await connections(size) : [], printGroup),
  bundled: told(wants('bundled') ? await bundled(size) : [], printGroup),
  classification: wants('classification') ? await classified(size) : [],
  odd: wants('odd') ? await odd(size) : [],
  processes: told(wants('processes') && peers ? await wholeProcesses(size) : [], printProcesses),
  rules: told(wants('rules') && peers ? await processesByRules(size) : [], printProcesses),
};
if (results.classification.length > 0) printClassified(results.classification);
if (values.record) record(size, results);
