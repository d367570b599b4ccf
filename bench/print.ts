/** Results as a person reads them. */
import type { Classified } from './classification.ts';
import type { ProcessGroup } from './peers/processes.ts';
import type { Walked } from './skewed.ts';
import type { Row } from './suite.ts';

/** Lines of one group; the first is what the others are compared to. */
export interface Group {
  title: string;
  rows: Row[];
  /** What a row counts as its packets. */
  of?: 'rule';
}

export function printGroup({ title, rows, of }: Group): void {
  console.log(`\n${title}`);
  const first = rows[0]!.nanoseconds;
  for (const row of rows) {
    const { name, packets, packetsPerSecond, nanoseconds } = row;
    const speed =
      of === 'rule'
        ? `${((packets * nanoseconds) / 1e6).toFixed(1).padStart(8)} ms, a rule ${(nanoseconds / 1000).toFixed(1).padStart(6)} us`
        : `${(packetsPerSecond / 1e6).toFixed(2).padStart(8)} M packets/s ${nanoseconds.toFixed(1).padStart(9)} ns`;
    const work = row.evaluations === undefined ? '' : `  ${row.evaluations.toFixed(2)} rules a packet`;
    console.log(`  ${name.padEnd(62)} ${speed}  x ${(nanoseconds / first).toFixed(2)}${work}`);
  }
}

/** Nanoseconds a packet, and how often the engine's time goes into each peer's. */
export function printClassified(rows: readonly Classified[]): void {
  console.log('\nClassification alone, packets that have nothing to do with each other');
  for (const { set, many, single, compileMs, packMs, nodes, worstLeaf, imageBytes, steps, hurting, skewed, peer } of rows) {
    const engine = `${many === undefined ? 'not packed' : `${many.toFixed(1)} ns`} (one by one ${single.toFixed(1)})`;
    const peers = (peer?.results ?? []).map(
      ({ name, nanoseconds }) => `${name} ${nanoseconds.toFixed(1)} ns x ${(nanoseconds / (many ?? single)).toFixed(2)}`,
    );
    const built = `compiled in ${compileMs.toFixed(0)} ms, packed in ${packMs.toFixed(0)}: ${nodes} nodes, worst leaf ${worstLeaf}, ${(imageBytes / 1024).toFixed(0)} KiB`;
    console.log(`  ${set.padEnd(12)} ${engine.padEnd(34)} ${built}${peers.length > 0 ? `; rte_acl ${peers.join(', ')}` : ''}`);
    if (steps === undefined || hurting === undefined || many === undefined) continue;
    const times = (nanoseconds: number): string => `${nanoseconds.toFixed(1)} ns x ${(nanoseconds / many).toFixed(2)}`;
    const touched = `${(steps.touched / 1024).toFixed(0)} KiB touched`;
    console.log(
      `    ${steps.mean.toFixed(1)} steps a packet, ${steps.worst} at worst, ${touched}; deepest ways ${times(hurting.deepest)}, packets of no rule ${times(hurting.strangers)}`,
    );
    if (skewed === undefined) continue;
    const { expected, sampled } = skewed;
    const walked = ({ tests, single, compileMs }: Walked): string =>
      `${tests.toFixed(1)} tests, ${single.toFixed(1)} ns one by one, compiled in ${compileMs.toFixed(0)} ms`;
    const ratios = `x ${(sampled.tests / expected.tests).toFixed(2)} tests, x ${(sampled.single / expected.single).toFixed(2)} ns`;
    console.log(`    few rules have most packets: ${walked(expected)}; tree cut for a sample: ${walked(sampled)} (${ratios})`);
  }
}

export function printProcesses({ title, rows, missing }: ProcessGroup): void {
  console.log(`\n${title}`);
  const [first] = rows;
  for (const { name, packets, seconds, replay } of rows) {
    const each = ((seconds / packets) * 1e9).toFixed(0).padStart(7);
    const times = (seconds / (first?.seconds ?? 1)).toFixed(2);
    // Without start, rules and end of the process.
    const alone =
      replay === undefined
        ? ''
        : `; the replay alone ${replay.toFixed(3)} s  x ${(replay / (first?.replay ?? replay)).toFixed(2)}`;
    console.log(`  ${name.padEnd(48)} ${seconds.toFixed(3).padStart(8)} s ${each} ns  x ${times}${alone}`);
  }
  for (const line of missing) console.log(`  not measured: ${line}`);
}
