/**
 * `npm run bench`: measures and prints tables of ratios; with --record writes bench/results/DATE.json and pictures beside it (parts that were not measured stay as they were recorded on the
 * day). `--smoke` runs everything once on little, and is not recorded; `--only` names parts; `--peers` runs other programs beside ours (without it there are no whole processes); `--classbench DIR` adds ClassBench's own files.
 */
import { parseArgs } from 'node:util';
import {
  bundled,
  classified,
  clusters,
  connections,
  hostFirewalls,
  processesByRules,
  type Size,
  wholeProcesses,
} from './measured.ts';
import { printClassified, printGroup, printProcesses } from './print.ts';
import { type Results, record } from './record.ts';

const { values } = parseArgs({
  options: {
    smoke: { type: 'boolean', default: false },
    record: { type: 'boolean', default: false },
    peers: { type: 'boolean', default: false },
    only: { type: 'string', multiple: true },
    classbench: { type: 'string' },
    root: { type: 'string', default: '.' },
  },
});
const { root, smoke, peers, classbench } = values;
if (smoke && values.record) throw new Error('--smoke measures too little to be recorded: leave it or --record out');
const size: Size = { root, smoke, peers, ...(classbench !== undefined && { classbench }) };

const PARTS = ['host', 'clusters', 'connections', 'bundled', 'classification', 'processes', 'rules'] as const;
const unknown = values.only?.find((part) => !(PARTS as readonly string[]).includes(part));
if (unknown !== undefined) throw new Error(`--only knows ${PARTS.join(', ')}, not "${unknown}"`);
const wants = (part: (typeof PARTS)[number]): boolean => values.only?.includes(part) ?? true;

/** What a part measured, printed as soon as it is known. */
function told<T>(results: T[], print: (one: T) => void): T[] {
  results.forEach(print);
  return results;
}

const results: Results = {
  host: told(wants('host') ? [await hostFirewalls(size)] : [], printGroup),
  clusters: told(wants('clusters') ? await clusters(size) : [], printGroup),
  connections: told(wants('connections') ? await connections(size) : [], printGroup),
  bundled: told(wants('bundled') ? await bundled(size) : [], printGroup),
  classification: wants('classification') ? await classified(size) : [],
  processes: told(wants('processes') && peers ? await wholeProcesses(size) : [], printProcesses),
  rules: told(wants('rules') && peers ? await processesByRules(size) : [], printProcesses),
};
if (results.classification.length > 0) printClassified(results.classification);
if (values.record) record(size, results);
